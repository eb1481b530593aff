/**
 * What kubectl asks a credential plugin, and the answer (client.authentication.k8s.io). v1, and v1beta1 to who asks so.
 *
 * Security: the answer goes to standard output, which kubectl reads, and nowhere else. kubectl says which server the token
 * is for; one that is not the gateway gets none, so that an edited kubeconfig does not send it elsewhere.
 */
import { Complaint } from '../../complaint.ts'
import { askAgainAt, type KeptTokens } from './kept-tokens.ts'

export interface ExecRequest {
  readonly apiVersion: string
  /** Whether a person can be asked. */
  readonly interactive: boolean
  readonly cluster: { readonly server: string; readonly ca: string | undefined } | undefined
}

const GROUP = 'client.authentication.k8s.io'
export const V1 = `${GROUP}/v1`
const VERSIONS: readonly string[] = [V1, `${GROUP}/v1beta1`]

/** What kubectl asks by KUBERNETES_EXEC_INFO; undefined when nobody does. Throws Complaint for a version not spoken here. */
export function execRequest(info: string | undefined): ExecRequest | undefined {
  if (info === undefined || info === '') return undefined
  let asked: unknown
  try {
    asked = JSON.parse(info)
  } catch {
    throw new Complaint('KUBERNETES_EXEC_INFO is not JSON')
  }
  const { apiVersion, kind, spec } = record(asked)
  if (kind !== 'ExecCredential' || typeof apiVersion !== 'string' || !VERSIONS.includes(apiVersion)) {
    throw new Complaint(`the kubeconfig asks for a version of ExecCredential other than ${VERSIONS.join(' and ')}: write ${V1} there`)
  }
  const { interactive, cluster } = record(spec)
  const { server, 'certificate-authority-data': ca } = record(cluster)
  return {
    apiVersion,
    // v1beta1 of old clients does not say.
    interactive: typeof interactive === 'boolean' ? interactive : process.stdin.isTTY === true,
    cluster:
      typeof server === 'string'
        ? { server, ca: typeof ca === 'string' && ca !== '' ? Buffer.from(ca, 'base64').toString('utf8') : undefined }
        : undefined,
  }
}

/** Throws Complaint when kubectl would send the token to somebody who is not the gateway. */
export function requireGateway({ cluster }: ExecRequest, gateway: string): void {
  if (cluster !== undefined && URL.parse(cluster.server)?.origin !== gateway) {
    throw new Complaint('the cluster of this kubeconfig is not at the gateway that --gateway names: no token is given (mandate kubeconfig)')
  }
}

/** The answer as one line of JSON. `now` in milliseconds since the epoch. */
export function execCredential(apiVersion: string, kept: KeptTokens, now: number): string {
  return `${JSON.stringify({
    apiVersion,
    kind: 'ExecCredential',
    status: { expirationTimestamp: rfc3339(askAgainAt(kept, now)), token: kept.token.expose() },
  })}\n`
}

/** Whole seconds, as metav1.Time has them. */
function rfc3339(ms: number): string {
  return new Date(ms).toISOString().replace(/\.\d+Z$/, 'Z')
}

function record(value: unknown): Partial<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? value : {}
}

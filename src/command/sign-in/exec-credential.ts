/**
 * What kubectl asks a credential plugin, and the answer (client.authentication.k8s.io). v1, and v1beta1 to who asks so.
 *
 * Security: the answer goes to standard output, which kubectl reads, and nowhere else. kubectl says which server the token
 * is for and how it verifies that one; without that word there is no token, nor for a server that is not the gateway, nor
 * where kubectl would take somebody else for the gateway. So an edited kubeconfig, or an option of kubectl, does not send it
 * elsewhere. A proxy is no such thing: towards an https server every proxy that kubectl knows (http, https, socks5) carries
 * the TLS connection through and sees none of it.
 */
import { Complaint } from '../../complaint.ts'
import { askAgainAt, type KeptTokens } from './kept-tokens.ts'

export interface ExecRequest {
  readonly apiVersion: string
  /** Whether a person can be asked. */
  readonly interactive: boolean
  readonly cluster: { readonly server: string; readonly ca: string | undefined }
}

const GROUP = 'client.authentication.k8s.io'
export const V1 = `${GROUP}/v1`
const VERSIONS: readonly string[] = [V1, `${GROUP}/v1beta1`]

/** What kubectl asks by KUBERNETES_EXEC_INFO; undefined when nobody does. Throws Complaint for a version not spoken here, and for an unverified server. */
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
  return {
    apiVersion,
    // v1beta1 of old clients does not say.
    interactive: typeof interactive === 'boolean' ? interactive : process.stdin.isTTY === true,
    cluster: clusterOf(record(cluster)),
  }
}

function clusterOf(cluster: Partial<Record<string, unknown>>): ExecRequest['cluster'] {
  const { server, 'insecure-skip-tls-verify': unverified, 'tls-server-name': name, 'certificate-authority-data': ca } = cluster
  const mend = 'no token is given (mandate kubeconfig writes one that is right)'
  if (typeof server !== 'string' || server === '')
    throw new Complaint(`the kubeconfig does not let kubectl say which server the token is for: set provideClusterInfo: true; ${mend}`)
  if (unverified !== undefined && unverified !== false)
    throw new Complaint(`kubectl would not verify the server (insecure-skip-tls-verify): ${mend}`)
  if (name !== undefined && name !== '') throw new Complaint(`kubectl would take a server of another name (tls-server-name): ${mend}`)
  return { server, ca: typeof ca === 'string' && ca !== '' ? Buffer.from(ca, 'base64').toString('utf8') : undefined }
}

/** Printable and without what kubectl and a browser's rules of URLs read in two ways: user information, a backslash. */
const PLAIN_SERVER = /^[!-?A-[\]-~]+$/

/** Throws Complaint when kubectl would send the token to somebody who is not the gateway. */
export function requireGateway({ cluster }: ExecRequest, gateway: string): void {
  if (!PLAIN_SERVER.test(cluster.server) || URL.parse(cluster.server)?.origin !== gateway) {
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

/**
 * The cluster does not trust the caller's issuer: Mandate names the caller by the Impersonate-* headers, sent with the
 * token of a service account.
 *
 * Security: impersonation fails open. Whoever may impersonate freely is cluster-admin, so the account must have no
 * other right, and here every name comes from the verified principal, prefixed by its provider. The names Kubernetes
 * reserves for itself (`system:...`, service accounts, anything that ends in `:masters`) are refused unless the
 * configuration lists them (kube-oidc-proxy #99, kcp #3267), and so are names under another provider's prefix, which
 * an issuer without a prefix could otherwise choose. User, Uid and every Group are always sent together: a missing Uid
 * let four projects be confused.
 */
import { ReferenceUnreadable, type SecretSource } from '../config/references.ts'
import { type ImpersonationCredential, impersonationCredential } from '../credential.ts'
import { Refusal } from '../errors.ts'
import type { Log } from '../log.ts'
import { type Caller, principalKey } from '../principal.ts'
import type { Assumption, CredentialSource } from './credential-source.ts'

export interface ImpersonationOptions {
  /** The service account's token; read again at each use, because the platform rotates it. */
  readonly token: SecretSource
  /** What the provider of a principal puts before its names. */
  readonly prefixOf: (provider: string) => string
  /** The prefixes of all providers. */
  readonly prefixes: readonly string[]
  readonly reservedAllowed: readonly string[]
  readonly log: Log
}

// The headers carry no secret of the caller, so a short life costs little and picks up rotation of the token.
const LIFE_MS = 60_000

/**
 * A source that needs nobody's answer. A token file that cannot be read or does not hold a token is `unavailable`
 * (503) and one line in the operator's log, not one for each request.
 */
export function createKubernetesImpersonation(options: ImpersonationOptions, now: () => number): CredentialSource {
  let readable = true
  const complain = (problem: string) => {
    if (readable) options.log.warn('the token to impersonate with cannot be used', { problem })
    readable = false
  }
  return {
    async assume(caller): Promise<Assumption> {
      try {
        const credential = impersonate(options, caller, now())
        readable = true
        return { result: 'granted', credential }
      } catch (error) {
        if (error instanceof ReferenceUnreadable) {
          // Its message names the reference, never the value.
          complain(error.message)
          return { result: 'unavailable', refusal: new Refusal('credential_unavailable') }
        }
        if (!(error instanceof Refusal)) throw error
        if (error.code !== 'credential_unavailable') return { result: 'refused', refusal: error }
        complain('it is not a bearer token')
        return { result: 'unavailable', refusal: error }
      }
    },
  }
}

function impersonate(options: ImpersonationOptions, { principal }: Caller, now: number): ImpersonationCredential {
  const prefix = options.prefixOf(principal.provider)
  const name = principal.kubernetesUser
  // A prefix alone would be a name that all who have none share.
  if (name === undefined || name === '' || principal.groups.includes('')) throw new Refusal('identity_unusable')
  const user = prefix + name
  const groups = principal.groups.map((group) => prefix + group)
  const foreign = options.prefixes.filter((other) => other !== '' && other !== prefix)
  for (const identity of [user, ...groups]) refuseReserved(identity, foreign, options.reservedAllowed)
  return impersonationCredential({
    broker: options.token.read(),
    user,
    uid: principalKey(principal),
    groups,
    extra: [
      ['mandate.dev/provider', principal.provider],
      ['mandate.dev/subject', principal.subject],
    ],
    expiresAt: now + LIFE_MS,
  })
}

/** Case is folded for the comparison alone: Kubernetes compares exactly, a person reading RBAC does not. */
function refuseReserved(identity: string, foreign: readonly string[], allowed: readonly string[]): void {
  const folded = identity.trim().toLowerCase()
  const ofKubernetes =
    folded.startsWith('system:') || folded === 'masters' || folded.endsWith(':masters') || folded.includes('system:serviceaccount')
  const ofAnother = foreign.some((prefix) => folded.startsWith(prefix))
  if ((ofKubernetes || ofAnother) && !allowed.includes(identity)) throw new Refusal('identity_reserved')
}

/**
 * The cluster does not trust the caller's issuer: Mandate names the caller by the Impersonate-* headers, sent with the
 * token of a service account.
 *
 * Security: impersonation fails open. Whoever may impersonate freely is cluster-admin, so the account must have no
 * other right, and here every name comes from the verified principal, prefixed by its provider. The names Kubernetes
 * reserves for itself (`system:...`, service accounts, anything that ends in `:masters`) are refused unless the
 * configuration lists them (kube-oidc-proxy #99, kcp #3267). User, Uid and every Group are always sent together: a
 * missing Uid let four projects be confused.
 */
import type { SecretSource } from '../config/references.ts'
import { impersonationCredential } from '../credential.ts'
import { Refusal } from '../errors.ts'
import { principalKey, type Caller } from '../principal.ts'
import type { CredentialSource } from './credential-source.ts'

export interface ImpersonationOptions {
  /** The service account's token; read again at each use, because the platform rotates it. */
  readonly token: SecretSource
  /** What the provider of a principal puts before its names. */
  readonly prefixOf: (provider: string) => string
  readonly reservedAllowed: readonly string[]
}

// The headers carry no secret of the caller, so a short life costs little and picks up rotation of the token.
const LIFE_MS = 60_000

export function createKubernetesImpersonation(options: ImpersonationOptions, now: () => number): CredentialSource {
  return {
    async assume(caller) {
      try {
        return { result: 'granted', credential: impersonate(options, caller, now()) }
      } catch (error) {
        if (!(error instanceof Refusal)) throw error
        return { result: 'refused', refusal: error }
      }
    },
  }
}

function impersonate(options: ImpersonationOptions, caller: Caller, now: number) {
  const { principal } = caller
  const prefix = options.prefixOf(principal.provider)
  const name = principal.kubernetesUser
  if (name === undefined || name === '') throw new Refusal('identity_unusable')
  const user = prefix + name
  const groups = principal.groups.map((group) => prefix + group)
  for (const identity of [user, ...groups]) refuseReserved(identity, options.reservedAllowed)
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
function refuseReserved(identity: string, allowed: readonly string[]): void {
  const folded = identity.trim().toLowerCase()
  const reserved = folded.startsWith('system:') || folded === 'masters' || folded.endsWith(':masters') || folded.includes('system:serviceaccount')
  if (reserved && !allowed.includes(identity)) throw new Refusal('identity_reserved')
}

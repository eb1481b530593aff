/**
 * Applications of Entra ID.
 *
 * Security: the optional claim `idtyp` says `app` and nothing else does; have it sent. Another `idtyp` speaks against it.
 * Without `idtyp`: Entra names an application alike in `sub` and `oid`, and delegates nothing to it, while people's tokens
 * have `scp`; those of Azure AD B2C can be without, and one in `sub` and `oid`, but then say what people are called or how they
 * signed in (`tfp`, `acr`, `nonce`). What an application may do stands in `roles`, which `claims.scopes: [scp, roles]` takes for
 * scopes: of people only `scp` counts, so their own roles never do.
 *
 * Azure AD B2C writes `scp` for applications as well, so `scp` tells of a user only where `oid` is another than `sub`: that is
 * so with people of Entra, whom it calls otherwise to each application.
 */
import type { VerifiedClaims } from '../../providers/verify.ts'
import { OF_PEOPLE, OF_SESSIONS, without } from './of-users.ts'

export function isEntraApplication(claims: VerifiedClaims): boolean {
  const { idtyp, oid, scp, sub } = claims
  if (!without(claims, OF_PEOPLE)) return false
  if (idtyp !== undefined) return idtyp === 'app'
  return oid !== undefined && oid === sub && !isDelegated(scp) && without(claims, OF_SESSIONS)
}

/** Whether it says of itself that it is a user's: Entra delegates nothing to an application, so it has no `scp`. */
export function isEntraUser({ idtyp, oid, scp, sub }: VerifiedClaims): boolean {
  return oid !== undefined && (idtyp === 'user' || (oid !== sub && isDelegated(scp)))
}

/** An empty `scp` delegates nothing. */
function isDelegated(scp: unknown): boolean {
  return typeof scp === 'string' && scp !== ''
}

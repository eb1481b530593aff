/**
 * Applications of Entra ID.
 *
 * Security: the optional claim `idtyp` says `app` and nothing else does; have it sent. Another `idtyp` speaks against it.
 * Without `idtyp`: Entra names an application alike in `sub` and `oid`, and delegates nothing to it, while people's tokens
 * have `scp`. What an application may do stands in `roles`, which `claims.scopes: [scp, roles]` takes for scopes: people's
 * tokens have `scp`, so their own roles never count as scopes.
 */
import type { VerifiedClaims } from '../../providers/verify.ts'
import { OF_USERS, without } from './of-users.ts'

export function isEntraApplication(claims: VerifiedClaims): boolean {
  const { idtyp, oid, scp, sub } = claims
  if (!without(claims, OF_USERS)) return false
  return idtyp === undefined ? oid !== undefined && oid === sub && !isDelegated(scp) : idtyp === 'app'
}

/** Whether it says of itself that it is a user's: nothing is delegated to an application, so it has no `scp`. */
export function isEntraUser({ idtyp, oid, scp }: VerifiedClaims): boolean {
  return oid !== undefined && (idtyp === 'user' || isDelegated(scp))
}

/** An empty `scp` delegates nothing. */
function isDelegated(scp: unknown): boolean {
  return typeof scp === 'string' && scp !== ''
}

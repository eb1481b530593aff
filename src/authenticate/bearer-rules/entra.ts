/**
 * Applications of Entra ID.
 *
 * Security: the optional claim `idtyp` says `app` and nothing else does; have it sent. Without it: Entra names an
 * application alike in `sub` and `oid`, and delegates nothing to it, while people's tokens have `scp`. What an application
 * may do stands in `roles`, which `claims.scopes: [scp, roles]` takes for scopes: people's tokens have `scp`, so their
 * own roles never count as scopes.
 */
import type { VerifiedClaims } from '../../providers/verify.ts'

export function isEntraApplication({ idtyp, oid, scp, sub }: VerifiedClaims): boolean {
  return idtyp === 'app' || (oid !== undefined && oid === sub && scp === undefined)
}

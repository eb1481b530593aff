/** Machines of Auth0, whose `sub` is the client with an ending that no user has (`auth0|...`), and `gty` the grant. */
import type { VerifiedClaims } from '../../providers/verify.ts'

export function isAuth0Machine({ gty, sub }: VerifiedClaims): boolean {
  return gty === 'client-credentials' || sub?.endsWith('@clients') === true
}

/**
 * Machines of Auth0, whose `sub` is the client with an ending, `robot@clients`, and `gty` the grant.
 *
 * Security: at another issuer `alice@clients` may be a user's name, and after a token exchange the ending is on another
 * client than the one that the token was issued to. So the ending proves a machine only behind that very client.
 */
import type { VerifiedClaims } from '../../providers/verify.ts'
import { OF_PEOPLE, without } from './of-users.ts'

/** What stands behind the client in `sub`. */
export const OF_AUTH0 = '@clients'

export function isAuth0Machine(claims: VerifiedClaims, client: string | undefined): boolean {
  if (client === undefined || !without(claims, OF_PEOPLE)) return false
  if (claims.sub?.endsWith(OF_AUTH0) === true) return claims.sub === `${client}${OF_AUTH0}`
  return claims['gty'] === 'client-credentials'
}

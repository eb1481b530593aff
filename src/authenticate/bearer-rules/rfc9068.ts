/**
 * Machines by RFC 9068 2.2: where there is no resource owner, `sub` is the client. So it is with Okta, oidc-provider and
 * whoever else keeps to it.
 *
 * Security: an issuer may let a user be called as a client is (RFC 9068 5), so a claim that only people have speaks against it.
 */
import type { VerifiedClaims } from '../../providers/verify.ts'
import { OF_PEOPLE, without } from './of-users.ts'

export function isOwnSubject(claims: VerifiedClaims, client: string | undefined): boolean {
  return client !== undefined && claims.sub === client && without(claims, OF_PEOPLE)
}

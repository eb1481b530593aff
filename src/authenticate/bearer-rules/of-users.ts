/**
 * Claims that tell of a user: with one of them a token is no machine's, and without a name it is hardly a person's.
 *
 * Security: the two questions have two lists. What merely comes with people (how and when they signed in, the name to show)
 * speaks against a machine, and still names nobody: issuers write it for machines as well. Authentik and AD FS put `auth_time`
 * into every access token, Authentik a random `uid`, Casdoor the machine's own `name`.
 */
import type { VerifiedClaims } from '../../providers/verify.ts'

/** Claims that only a user has. They speak against every form of a machine's token but Keycloak's own user name for one. */
export const OF_USERS = ['username', 'email', 'auth_time', 'preferred_username', 'uid']
/**
 * With those that speak against a machine where the issuer's own word (`clientHost`, `jti`) does not tell it. A `nonce` begins a
 * sign-in, which machines have none of.
 */
export const OF_PEOPLE = [...OF_USERS, 'name', 'given_name', 'family_name', 'upn', 'unique_name', 'emails', 'tfp', 'amr', 'nonce']
/** Further ones that tell a user where `sub` does not tell a client. */
export const OF_SESSIONS = ['sid', 'session_state', 'acr']

/** What a user is called. */
const SAYING_WHO = ['username', 'preferred_username', 'email', 'emails', 'given_name', 'family_name', 'upn', 'unique_name']

export function without(claims: VerifiedClaims, names: readonly string[]): boolean {
  return names.every((claim) => claims[claim] === undefined)
}

/** Whether a claim says who the user is. An empty one, as issuers write for machines, says nothing. */
export function saysWho(claims: VerifiedClaims): boolean {
  // Beside Okta's name for the client it is Okta's id of the user.
  const names = typeof claims['cid'] === 'string' ? [...SAYING_WHO, 'uid'] : SAYING_WHO
  return names.flatMap((claim): unknown => claims[claim]).some((value) => typeof value === 'string' && value.trim() !== '')
}

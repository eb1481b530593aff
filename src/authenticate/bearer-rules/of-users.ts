/** Claims that tell of a user, so that a token with one of them is no machine's. */
import type { VerifiedClaims } from '../../providers/verify.ts'

/** Claims that only a user has. They speak against every form of a machine's token but Keycloak's own user name for one. */
export const OF_USERS = ['username', 'email', 'auth_time', 'preferred_username', 'uid']
/** Further ones that tell a user where `sub` does not tell a client. */
export const OF_SESSIONS = ['sid', 'session_state', 'name', 'given_name', 'acr', 'amr']

export function without(claims: VerifiedClaims, names: readonly string[]): boolean {
  return names.every((claim) => claims[claim] === undefined)
}

/** Claims that tell of a user: with one of them a token is no machine's, and without any it is hardly a person's. */
import type { VerifiedClaims } from '../../providers/verify.ts'

/** Claims that only a user has. They speak against every form of a machine's token but Keycloak's own user name for one. */
export const OF_USERS = ['username', 'email', 'auth_time', 'preferred_username', 'uid']
/** Further ones that tell a user where `sub` does not tell a client. */
export const OF_SESSIONS = ['sid', 'session_state', 'name', 'given_name', 'acr', 'amr']

/** What a user is called. Of a session and how it began (`sid`, `acr`, `amr`) some issuers write for machines as well. */
const SAYING_WHO = [...OF_USERS, 'name', 'given_name']

export function without(claims: VerifiedClaims, names: readonly string[]): boolean {
  return names.every((claim) => claims[claim] === undefined)
}

/** Whether a claim says who the user is. An empty one, as issuers write for machines, says nothing. */
export function saysWho(claims: VerifiedClaims): boolean {
  return SAYING_WHO.some((claim) => {
    const value = claims[claim]
    return typeof value === 'number' || (typeof value === 'string' && value.trim() !== '')
  })
}

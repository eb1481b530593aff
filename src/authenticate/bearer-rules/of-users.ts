/** Claims that tell of a user, so that a token with one of them is no machine's. */
import type { VerifiedClaims } from '../../providers/verify.ts'

/** Claims that only a user has. */
export const OF_USERS = ['username', 'email', 'auth_time', 'preferred_username', 'uid']
/** Further ones that tell a user where `sub` does not tell a client. */
export const OF_SESSIONS = ['sid', 'session_state', 'name', 'given_name', 'acr', 'amr']

export function without(claims: VerifiedClaims, names: readonly string[]): boolean {
  return names.every((claim) => claims[claim] === undefined)
}

/** False when the token names two clients: which of them it is of would be our guess. */
export function isOfOneClient({ azp }: VerifiedClaims, client: string | undefined): client is string {
  return client !== undefined && (azp === undefined || azp === client)
}

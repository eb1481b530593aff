/**
 * The client that a token was issued to: `client_id` (RFC 9068), `azp` (OpenID Connect), `cid` (Okta), `appid` (Entra v1).
 *
 * Security: a token that names two clients was most likely exchanged by one of them; which of them it is of would be our
 * guess, so its rule must refuse it (`namesTwoClients`).
 */
import type { VerifiedClaims } from '../providers/verify.ts'

const NAMING = ['client_id', 'azp', 'cid', 'appid']

export function clientOf(claims: VerifiedClaims): string | undefined {
  return NAMING.map((claim) => claims[claim]).find((value) => typeof value === 'string')
}

/** Also when a second name is not text. */
export function namesTwoClients(claims: VerifiedClaims): boolean {
  const named = NAMING.map((claim) => claims[claim]).filter((value) => value !== undefined && value !== null)
  return new Set(named).size > 1
}

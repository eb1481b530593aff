/**
 * The client that a token was issued to: `client_id` (RFC 9068), `azp` (OpenID Connect), `cid` (Okta), `appid` (Entra v1).
 *
 * Security: a token that names two clients was most likely exchanged by one of them; which of them it is of would be our
 * guess, so its rule must refuse it (`namesTwoClients`). Issuers that say `client_id` or `azp` may have a `cid` or `appid`
 * of another meaning, so these count only where neither of the two is.
 */
import type { VerifiedClaims } from '../providers/verify.ts'

const NAMING = ['client_id', 'azp', 'cid', 'appid']

export function clientOf(claims: VerifiedClaims): string | undefined {
  return NAMING.map((claim) => claims[claim]).find((value) => typeof value === 'string')
}

/** Also when a second name is not text. */
export function namesTwoClients(claims: VerifiedClaims): boolean {
  const said = (names: readonly string[]) => names.map((claim) => claims[claim]).filter((value) => value !== undefined && value !== null)
  const [usual, others] = [said(['client_id', 'azp']), said(['cid', 'appid'])]
  return new Set(usual.length > 0 ? usual : others).size > 1
}

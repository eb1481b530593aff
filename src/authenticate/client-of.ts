/** The client that a token was issued to: `client_id` (RFC 9068), `azp` (OpenID Connect), `cid` (Okta), `appid` (Entra v1). */
import type { VerifiedClaims } from '../providers/verify.ts'

export function clientOf(claims: VerifiedClaims): string | undefined {
  return ['client_id', 'azp', 'cid', 'appid'].map((claim) => claims[claim]).find((value) => typeof value === 'string')
}

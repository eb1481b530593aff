/** Turns a token endpoint's answer into a TokenSet. Times are counted from before the request: never too late. */
import type { TokenEndpointResponse } from 'openid-client'
import { Secret } from '../secret.ts'
import type { TokenSet } from './tokens.ts'

const DEFAULT_SECONDS = 300
const MOST_SECONDS = 86_400

/**
 * RFC 6749 5.1. Without `expires_in` (RECOMMENDED only) a token counts for five minutes; it never counts for more than a
 * day. An answer whose token is not a bearer (RFC 6750) is undefined: we could not present it.
 */
export function tokenSetOf(
  answer: TokenEndpointResponse,
  at: number,
  id: { readonly token: Secret; readonly expiresAt: number | undefined } | undefined,
  presented: Secret | undefined,
): TokenSet | undefined {
  if (answer.token_type !== 'bearer') return undefined
  const seconds = answer.expires_in ?? DEFAULT_SECONDS
  return {
    accessToken: new Secret(answer.access_token),
    accessExpiresAt: at + Math.min(Math.max(seconds, 0), MOST_SECONDS) * 1000,
    idToken: id?.token,
    idExpiresAt: id?.expiresAt,
    // RFC 6749 section 6: without a new refresh token the old one stays good.
    refreshToken: answer.refresh_token === undefined || answer.refresh_token === '' ? presented : new Secret(answer.refresh_token),
    obtainedAt: at,
  }
}

/** What a token endpoint gives, and how a refresh can end. */
import type { Principal } from '../principal.ts'
import type { Secret } from '../secret.ts'

/** The tokens of one login at one time. Times are milliseconds since the epoch. */
export interface TokenSet {
  readonly accessToken: Secret
  readonly accessExpiresAt: number
  readonly idToken: Secret | undefined
  /** `exp` of the ID token; absent without one. */
  readonly idExpiresAt: number | undefined
  readonly refreshToken: Secret | undefined
  /** When these tokens were obtained: margins before expiry scale with their life. */
  readonly obtainedAt: number
}

/** A completed sign-in: verified claims and the tokens that came with them. */
export interface SignedIn {
  readonly principal: Principal
  /** The claims of the ID token that the provider's `claims.whoami` allows, and nothing else. */
  readonly shown: Readonly<Record<string, unknown>>
  readonly tokens: TokenSet
  /** The issuer's session (OpenID Connect Back-Channel Logout 1.0: `sid`). */
  readonly sid: string | undefined
}

/**
 * How presenting a refresh token ended. Only `not-sent` leaves the token certainly unpresented: the connection was
 * never made, so nothing of the request left this process.
 */
export type RefreshOutcome =
  | { readonly result: 'renewed'; readonly tokens: TokenSet; readonly signedIn: SignedIn | undefined }
  | { readonly result: 'refused' }
  | { readonly result: 'not-sent' }
  | { readonly result: 'unknown' }

/** Presents a refresh token once (RFC 6749 section 6). Never throws. Called by `logins/` alone. */
export type Redeem = (refreshToken: Secret, subject: string) => Promise<RefreshOutcome>

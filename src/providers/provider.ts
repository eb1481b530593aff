/**
 * One identity provider as the sum of its parts. Each part is a contract of one or two methods, so a provider of
 * another kind replaces only what differs.
 */
import type { ProviderConfig } from '../config/provider.ts'
import type { Secret } from '../secret.ts'
import type { Redeem, SignedIn } from './tokens.ts'

/** What one sign-in needs to remember between its two halves. */
export interface SignInSecrets {
  readonly state: string
  readonly nonce: string
  /** RFC 7636 code verifier. */
  readonly verifier: Secret
}

/** Authorization code with PKCE S256, state, nonce and the `iss` parameter (RFC 9207). */
export interface SignIn {
  /** The issuer's page to send the browser to. Throws Refusal `issuer_unavailable`. */
  begin(secrets: SignInSecrets, redirectUri: string, claims?: string): Promise<URL>
  /** Redeems the code of the callback. Throws Refusal: `sign_in_*` or `issuer_unavailable`. */
  complete(secrets: SignInSecrets, callback: URL): Promise<SignedIn>
}

/** Ends the issuer's own session. */
export interface SignOut {
  /** RP-initiated logout (OpenID Connect RP-Initiated Logout 1.0, or the issuer's own); undefined when it offers none. Never throws. */
  url(idToken: Secret | undefined, returnTo: string): Promise<URL | undefined>
  /** Revokes a refresh token (RFC 7009), best effort. Never throws. */
  revoke(refreshToken: Secret): Promise<void>
}

/** What a back-channel logout token ended (OpenID Connect Back-Channel Logout 1.0, section 2.4). */
export interface LoggedOut {
  readonly issuer: string
  readonly subject: string | undefined
  readonly sid: string | undefined
  /** `jti`, so that a replayed token is refused. */
  readonly tokenId: string
  readonly expiresAt: number
}

/** Checks a logout token. Throws Refusal `logout_token_invalid` or `issuer_unavailable`. */
export type VerifyLogoutToken = (token: Secret) => Promise<LoggedOut>

/** What a token is exchanged for, as the target's configuration has it. */
export interface ExchangeWish {
  /** The token of the caller, of the type that it was issued as. */
  readonly token: Secret
  readonly type: 'access-token' | 'id-token'
  /** Who it must go on speaking of: `sub` of the caller. */
  readonly subject: string
  /** '' where only a resource is asked for. */
  readonly audience: string
  /** RFC 8707. */
  readonly resource: string | undefined
  /** None: those that the issuer gives. */
  readonly scopes: readonly string[]
}

/** How an exchange ended. Reasons are words of closed lists: an error that OAuth registers, or one of ours. */
export type ExchangeOutcome =
  /** `typ` and `aud` are those of a JWT; a token that is none names no audience. */
  | {
      readonly result: 'exchanged'
      readonly token: Secret
      readonly expiresAt: number
      readonly typ: string | undefined
      readonly audiences: readonly string[]
    }
  /** Not for this caller and target. */
  | { readonly result: 'refused'; readonly reason: string }
  /** A token came that does not name whom it was asked for. */
  | { readonly result: 'audience-wrong' }
  /** The issuer wants the person to take part. */
  | { readonly result: 'needs-interaction'; readonly reason: string }
  | { readonly result: 'too-many'; readonly retryAfterSeconds: number }
  /** Mandate's own client may not exchange, or cannot prove itself. */
  | { readonly result: 'client-refused'; readonly reason: string }
  /** The issuer cannot be reached or answers wrongly. */
  | { readonly result: 'unavailable'; readonly reason: string }

/** Exchanges a token of a caller for one for a target (RFC 8693). Never throws. */
export type ExchangeToken = (wish: ExchangeWish) => Promise<ExchangeOutcome>

export interface Provider {
  readonly config: ProviderConfig
  readonly signIn: SignIn
  readonly redeem: Redeem
  readonly exchange: ExchangeToken
  readonly signOut: SignOut
  readonly verifyLogoutToken: VerifyLogoutToken
  /** True while metadata of the issuer is at hand or can be fetched; for the sign-in page and /ready. Never throws. */
  live(): Promise<boolean>
}

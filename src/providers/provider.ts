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
  /** RP-initiated logout (OpenID Connect RP-Initiated Logout 1.0); undefined when the issuer offers none. Never throws. */
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

export interface Provider {
  readonly config: ProviderConfig
  readonly signIn: SignIn
  readonly redeem: Redeem
  readonly signOut: SignOut
  readonly verifyLogoutToken: VerifyLogoutToken
  /** True while metadata of the issuer is at hand or can be fetched; for the sign-in page and /ready. Never throws. */
  live(): Promise<boolean>
}

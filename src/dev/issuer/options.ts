/** What the embedded issuer can be told. All of it is for development and tests: there are no passwords behind it. */
import type { JWK } from 'jose'

/** A person who can sign in. `name` is what the sign-in page shows and what becomes `preferred_username`. */
export interface TestUser {
  readonly name: string
  /** The OpenID subject: stable and unique at this issuer. */
  readonly sub: string
  readonly email: string
  readonly emailVerified: boolean
  readonly groups: readonly string[]
  /** Never asked for here. Carried so that the same users can be imported into an issuer that does ask. */
  readonly password?: string
}

/**
 * A client. With `secret` it authenticates by `client_secret_basic` (or `client_secret_post`), with `jwks` by
 * `private_key_jwt` (RFC 7523), with `public` not at all; a public client's loopback redirects may use any port (RFC 8252
 * section 7.3), and it may use the device flow. `machine` allows client_credentials. A client with redirect URIs may use the
 * code flow and refresh. `exchanges` allows token exchange (RFC 8693) of tokens that were issued to the client, name it in
 * `aud`, or name one of these audiences: those of the services that it is.
 */
export type IssuerClient = {
  readonly id: string
  readonly redirectUris?: readonly string[]
  readonly postLogoutRedirectUris?: readonly string[]
  /** Receives logout tokens; also makes `sid` appear in its ID tokens. */
  readonly backchannelLogoutUri?: string
  readonly machine?: boolean
} & (
  | {
      readonly secret: string
      readonly authMethod?: 'client_secret_basic' | 'client_secret_post'
      readonly exchanges?: readonly string[]
    }
  | { readonly jwks: { readonly keys: readonly JWK[] }; readonly exchanges?: readonly string[] }
  | { readonly public: true }
)

/** All in seconds. */
export interface Lifetimes {
  readonly accessToken: number
  readonly idToken: number
  readonly refreshToken: number
  readonly session: number
}

export type IssuerSigningAlg = 'RS256' | 'PS256' | 'ES256' | 'EdDSA'

export interface IssuerOptions {
  /** 0 (the default) takes a free one. */
  readonly port?: number
  /** Where to bind, 127.0.0.1 if not given. */
  readonly host?: string
  /** The host name in the issuer URL, `localhost` if not given. */
  readonly publicHost?: string
  /** The issuer URL to announce when something stands in front of this issuer. An origin, without a path. */
  readonly issuerUrl?: string
  readonly tls?: { readonly certificatePem: string; readonly privateKeyPem: string }
  /** PEM of the authorities to trust when a logout token is delivered over https. */
  readonly trustedCertificates?: string
  readonly users: readonly TestUser[]
  readonly clients: readonly IssuerClient[]
  /**
   * The resource indicators (RFC 8707) that access tokens can be issued for. The first is used when a client names none,
   * so every access token is an `at+jwt` (RFC 9068). They are the audiences of token exchange too.
   */
  readonly audience: string | readonly string[]
  /** The scopes of those resources. None if not given. */
  readonly resourceScopes?: readonly string[]
  /** `rotating` (the default): each works once, and a second use ends the whole family. `reusable`: works until it expires. */
  readonly refreshTokens?: 'rotating' | 'reusable'
  readonly lifetimes?: Partial<Lifetimes>
  readonly signingAlg?: IssuerSigningAlg
  /** Told of faults inside the issuer itself (never of a refused request). */
  readonly onFault?: (error: Error) => void
}

export const DEFAULT_LIFETIMES: Lifetimes = { accessToken: 300, idToken: 300, refreshToken: 86_400, session: 28_800 }

/** What the stand-in for a user pool knows: its app clients, its people, and what they were given. */

/** An app client of the pool. */
export interface AppClient {
  readonly id: string
  /** Without one it is a public client. */
  readonly secret?: string | undefined
  /** A pool keeps machines and people apart: a client with client_credentials has no other grant. */
  readonly grant: 'client_credentials' | 'code'
  /** What it may ask for; a machine's are custom scopes, `resource-server/scope`. */
  readonly scopes: readonly string[]
  /** "Allowed callback URLs", compared to the letter. */
  readonly callbackUrls?: readonly string[]
  /** "Allowed sign-out URLs", compared to the letter. */
  readonly logoutUrls?: readonly string[]
  /** Refresh token rotation: a refresh gives a new refresh token, and the old one is taken for so long yet. Default: none. */
  readonly rotation?: { readonly graceSeconds: number }
  /** EnableTokenRevocation; on for new clients. */
  readonly revocation?: boolean
}

export interface CognitoUser {
  readonly username: string
  readonly sub: string
  readonly email: string
  /** Default: true. */
  readonly emailVerified?: boolean
  readonly name?: string
  readonly groups: readonly string[]
}

/** All tokens of one sign-in; they share its `origin_jti`, and are revoked together. */
export interface SignedIn {
  readonly username: string
  readonly client: string
  readonly scopes: readonly string[]
  readonly originJti: string
  /** Seconds. */
  readonly authTime: number
  revoked: boolean
}

export interface Code {
  readonly username: string
  readonly client: string
  readonly redirectUri: string
  readonly scopes: readonly string[]
  readonly challenge: string | undefined
  readonly nonce: string | undefined
  readonly until: number
}

export interface RefreshToken {
  readonly of: SignedIn
  /** Of a token that was rotated out: how long it is taken yet. */
  until: number
}

export interface Pool {
  readonly clients: readonly AppClient[]
  /** By username. */
  readonly users: Map<string, CognitoUser>
  readonly codes: Map<string, Code>
  readonly refreshTokens: Map<string, RefreshToken>
  /** Access tokens that the token endpoint gave for people. */
  readonly accessTokens: Map<string, SignedIn>
  /** Browsers that are signed in to the hosted pages, by the value of their cookie. */
  readonly browsers: Map<string, { readonly username: string; readonly until: number }>
  /** Milliseconds. */
  now(): number
}

export interface Answer {
  readonly status: number
  readonly headers?: Readonly<Record<string, string | string[]>>
  /** Text is HTML, an object JSON. */
  readonly body?: string | object
}

/** The stand-in's people all have this one. */
export const PASSWORD = 'Correct-Horse-7-Battery'

export function clientOf({ clients }: Pool, id: string | null | undefined): AppClient | undefined {
  return clients.find((client) => client.id === id)
}

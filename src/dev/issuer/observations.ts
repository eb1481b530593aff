/** What the issuer has seen, for tests that prove what a relying party does and does not send. */
import { createHash } from 'node:crypto'
import type { KoaContextWithOIDC } from 'oidc-provider'

/** One presentation of a refresh token. */
export interface Redemption {
  /** SHA-256 of the token, hexadecimal. */
  readonly tokenDigest: string
  /** When the request arrived, milliseconds since 1970. */
  readonly at: number
  /** Whether this token had been presented before, whatever came of it. */
  readonly reused: boolean
  /** The status of the answer, even when nobody was left to read it. */
  readonly status: number
}

const ENDPOINTS = {
  '/.well-known/openid-configuration': 'discovery',
  '/.well-known/oauth-authorization-server': 'discovery',
  '/jwks': 'jwks',
  '/token': 'token',
  '/token/introspection': 'introspection',
  '/token/revocation': 'revocation',
  '/auth': 'authorization',
  '/interaction': 'signIn',
  '/session/end': 'endSession',
} as const

export type Endpoint = (typeof ENDPOINTS)[keyof typeof ENDPOINTS] | 'other'

export interface Observations {
  readonly redemptions: readonly Redemption[]
  /** Requests so far, by endpoint. */
  requests(): Readonly<Record<Endpoint, number>>
  countRequest(pathname: string): void
  /** Koa middleware for the provider. */
  watchRefreshes(ctx: KoaContextWithOIDC, next: () => Promise<unknown>): Promise<void>
}

export function createObservations(): Observations {
  const redemptions: Redemption[] = []
  const presented = new Set<string>()
  const counts: Record<Endpoint, number> = {
    discovery: 0,
    jwks: 0,
    token: 0,
    introspection: 0,
    revocation: 0,
    authorization: 0,
    signIn: 0,
    endSession: 0,
    other: 0,
  }
  return {
    redemptions,
    requests: () => ({ ...counts }),
    countRequest(pathname) {
      const found = Object.entries(ENDPOINTS).find(([path]) => pathname === path)
      // Interactions, resumed authorizations and the logout confirmation have a path below their endpoint's.
      const below = Object.entries(ENDPOINTS).find(([path]) => pathname.startsWith(`${path}/`))
      counts[(found ?? below)?.[1] ?? 'other']++
    },
    async watchRefreshes(ctx, next) {
      const at = Date.now()
      try {
        await next()
      } finally {
        const token: unknown = ctx.oidc?.params?.refresh_token
        if (ctx.oidc?.params?.grant_type === 'refresh_token' && typeof token === 'string') {
          const tokenDigest = createHash('sha256').update(token).digest('hex')
          redemptions.push({ tokenDigest, at, reused: presented.has(tokenDigest), status: ctx.status })
          presented.add(tokenDigest)
        }
      }
    },
  }
}

/**
 * What applications ask the domain of the stand-in for a user pool: `/oauth2/token`, `/oauth2/revoke`, `/oauth2/userInfo`.
 *
 * As AWS documents them: every fault of the token endpoint is 400 with nothing but its name, one of the client at
 * revocation is 401; a refresh gives no refresh token unless the client rotates them, and to revoke what is no
 * token (any more) is a success; the truth values of userInfo are text.
 */
import { createHash, randomBytes, randomUUID } from 'node:crypto'
import type { IncomingHttpHeaders } from 'node:http'
import { leftHalf } from '../../src/providers/stage.fake.ts'
import { type Answer, type AppClient, clientOf, type Pool, type SignedIn } from './cognito-pool.ts'
import type { CognitoTokens } from './cognito-tokens.ts'

export interface Grants {
  token(headers: IncomingHttpHeaders, form: URLSearchParams): Answer
  revoke(headers: IncomingHttpHeaders, form: URLSearchParams): Answer
  userInfo(headers: IncomingHttpHeaders): Answer
}

const GRANTS = ['client_credentials', 'authorization_code', 'refresh_token']
const REFRESH_MS = 30 * 86_400_000

const refuse = (error: string, status = 400): Answer => ({ status, body: { error } })

/** `life` is in seconds. */
export function createGrants(pool: Pool, tokens: CognitoTokens, life: number): Grants {
  const bearer = { expires_in: life, token_type: 'Bearer' }

  const machine = (client: AppClient, form: URLSearchParams): Answer => {
    const scopes = form.get('scope')?.split(' ').filter(Boolean) ?? []
    if (!scopes.every((scope) => client.scopes.includes(scope)) || client.scopes.length === 0) return refuse('invalid_scope')
    return { status: 200, body: { access_token: tokens.machineToken(client.id, scopes.length === 0 ? client.scopes : scopes), ...bearer } }
  }

  /** The tokens of a sign-in now, with what the pool knows of the person now. */
  const give = (of: SignedIn, claims: object, refreshToken: string | undefined): Answer => {
    const user = pool.users.get(of.username)
    if (user === undefined) return refuse('invalid_grant')
    const shared = { origin_jti: of.originJti, auth_time: of.authTime }
    const access = tokens.userAccessToken(user, of.client, { claims: { ...shared, scope: of.scopes.join(' ') } })
    pool.accessTokens.set(access, of)
    const id = tokens.userIdToken(user, of.client, { claims: { ...shared, at_hash: leftHalf(access), ...claims } })
    return {
      status: 200,
      body: {
        ...(of.scopes.includes('openid') ? { id_token: id } : {}),
        access_token: access,
        ...(refreshToken === undefined ? {} : { refresh_token: refreshToken }),
        ...bearer,
      },
    }
  }

  const redeemCode = (client: AppClient, form: URLSearchParams): Answer => {
    const [code, redirectUri, verifier] = ['code', 'redirect_uri', 'code_verifier'].map((name) => form.get(name))
    if (!code || !redirectUri) return refuse('invalid_request')
    const found = pool.codes.get(code)
    pool.codes.delete(code)
    if (found === undefined || found.client !== client.id || found.redirectUri !== redirectUri || pool.now() >= found.until)
      return refuse('invalid_grant')
    const { challenge, nonce, username, scopes } = found
    if (
      challenge !== undefined &&
      createHash('sha256')
        .update(verifier ?? '')
        .digest('base64url') !== challenge
    )
      return refuse('invalid_grant')
    const authTime = Math.floor(pool.now() / 1000)
    const of = { username, client: client.id, scopes, originJti: randomUUID(), authTime, revoked: false }
    const refreshToken = makeRefreshToken()
    pool.refreshTokens.set(refreshToken, { of, until: pool.now() + REFRESH_MS })
    return give(of, { nonce }, refreshToken)
  }

  const refresh = (client: AppClient, form: URLSearchParams): Answer => {
    const shown = form.get('refresh_token')
    if (!shown) return refuse('invalid_request')
    const held = pool.refreshTokens.get(shown)
    if (held === undefined || held.of.client !== client.id || held.of.revoked || pool.now() >= held.until) return refuse('invalid_grant')
    if (client.rotation === undefined) return give(held.of, {}, undefined)
    const next = makeRefreshToken()
    pool.refreshTokens.set(next, { ...held })
    held.until = Math.min(held.until, pool.now() + client.rotation.graceSeconds * 1000)
    return give(held.of, {}, next)
  }

  return {
    token(headers, form) {
      if (!isForm(headers)) return refuse('invalid_request')
      const wanted = form.get('grant_type')
      if (wanted === null) return refuse('invalid_request')
      if (!GRANTS.includes(wanted)) return refuse('unsupported_grant_type')
      const client = provenClient(pool, headers, form)
      if (client === undefined) return refuse('invalid_client')
      if ((wanted === 'client_credentials') !== (client.grant === 'client_credentials')) return refuse('unauthorized_client')
      if (wanted === 'client_credentials') return machine(client, form)
      return wanted === 'refresh_token' ? refresh(client, form) : redeemCode(client, form)
    },

    revoke(headers, form) {
      const shown = form.get('token')
      if (!isForm(headers) || !shown) return refuse('invalid_request')
      const client = provenClient(pool, headers, form)
      if (client === undefined) return refuse('invalid_client', 401)
      if (client.revocation === false) return refuse('invalid_request')
      if (/^[^.]+\.[^.]+\.[^.]+$/.test(shown)) return refuse('unsupported_token_type')
      const held = pool.refreshTokens.get(shown)
      if (held?.of.client === client.id) held.of.revoked = true
      return { status: 200 }
    },

    userInfo({ authorization }) {
      const says = (status: number, error: string): Answer => ({
        status,
        headers: { 'www-authenticate': `error="${error}"` },
        body: { error },
      })
      const token = /^Bearer (\S+)$/i.exec(authorization ?? '')?.[1]
      if (token === undefined) return says(400, 'invalid_request')
      const of = pool.accessTokens.get(token)
      const user = of && pool.users.get(of.username)
      if (user === undefined || of?.revoked !== false || !of.scopes.includes('openid')) return says(401, 'invalid_token')
      const { sub, email, emailVerified = true, name, username } = user
      return { status: 200, body: { sub, email_verified: `${emailVerified}`, ...(name === undefined ? {} : { name }), email, username } }
    },
  }
}

/** Encrypted in a real pool (JWE): five parts that say nothing, nearly two kilobytes. */
function makeRefreshToken(): string {
  const header = Buffer.from('{"cty":"JWT","enc":"A256GCM","alg":"RSA-OAEP"}').toString('base64url')
  return [header, ...[256, 12, 900, 16].map((bytes) => randomBytes(bytes).toString('base64url'))].join('.')
}

function isForm(headers: IncomingHttpHeaders): boolean {
  return /^application\/x-www-form-urlencoded *(;|$)/i.test(headers['content-type'] ?? '')
}

/** By client_secret_basic or client_secret_post; one without a secret shows its id alone. */
function provenClient(pool: Pool, { authorization }: IncomingHttpHeaders, form: URLSearchParams): AppClient | undefined {
  const basic = /^Basic ([A-Za-z0-9+/=]+)$/i.exec(authorization ?? '')?.[1]
  const shown = Buffer.from(basic ?? '', 'base64').toString('utf8')
  const colon = shown.indexOf(':')
  const [id, secret] =
    basic === undefined
      ? [form.get('client_id'), form.get('client_secret') ?? undefined]
      : colon === -1
        ? []
        : [shown.slice(0, colon), shown.slice(colon + 1)]
  const client = clientOf(pool, id)
  return client?.secret === secret ? client : undefined
}

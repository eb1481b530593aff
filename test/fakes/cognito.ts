/**
 * A stand-in for one user pool of Amazon Cognito with a domain: what it publishes, its token endpoint for machines, and
 * tokens of people as sign-in would give them. It follows the wire format that AWS documents, and real pools where the
 * documents are silent: headers of `kid` and `alg` without `typ`, one key for ID tokens and another for access tokens,
 * no `aud` in access tokens, `version: 2` in those of machines, `sub` of a machine the client itself, and every fault
 * of the token endpoint as 400 with nothing but its name.
 */
import { generateKeyPairSync, type KeyObject, randomBytes, randomUUID, sign } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { leftHalf } from '../../src/providers/stage.fake.ts'

/** An app client of the pool. */
export interface AppClient {
  readonly id: string
  readonly secret: string
  /** A pool keeps machines and people apart: a client with client_credentials has no other grant. */
  readonly grant: 'client_credentials' | 'code'
  /** What it may ask for; a machine's are custom scopes, `resource-server/scope`. */
  readonly scopes: readonly string[]
}

export interface CognitoUser {
  readonly username: string
  readonly sub: string
  readonly email: string
  readonly groups: readonly string[]
}

export interface CognitoOptions {
  readonly clients: readonly AppClient[]
  readonly region?: string
  readonly userPoolId?: string
  /** Seconds that tokens live. Default: an hour. */
  readonly life?: number
  /** The time in milliseconds; default: that of the machine. */
  readonly now?: () => number
}

/** What a test wants different in a token: members that are undefined are left out. */
export interface Changes {
  readonly claims?: object
  readonly header?: object
}

export interface CognitoStandIn {
  /** Ends in the id of the pool, as real ones do. */
  readonly issuer: string
  /** Where its domain is: `/oauth2/token`. */
  readonly domain: string
  readonly userPoolId: string
  /** The access token that a machine would be given; all the scopes of its client unless they are named. */
  machineToken(client: string, scopes?: readonly string[], changes?: Changes): string
  userAccessToken(user: CognitoUser, client: string, changes?: Changes): string
  userIdToken(user: CognitoUser, client: string, changes?: Changes): string
  /** The keys by which access tokens are signed now. */
  accessKey(): { readonly kid: string; readonly privateKey: KeyObject; readonly publicKey: KeyObject }
  /** New keys; the old ones are published no more. */
  rotate(): void
  /** How often it was asked for a path that ends so. */
  asked(end: string): number
  close(): Promise<void>
}

type Answer = readonly [status: number, body: object]

export async function startCognito(options: CognitoOptions): Promise<CognitoStandIn> {
  const { clients, region = 'us-east-1', userPoolId = `${region}_Ex4mpl3`, life = 3600, now = () => Date.now() } = options
  const paths: string[] = []
  let keys = { id: makeKey(), access: makeKey() }
  const server = createServer((request, response) => void serve(request, response).catch(() => response.destroy()))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const domain = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const issuer = `${domain}/${userPoolId}`

  const stamp = () => {
    const seconds = Math.floor(now() / 1000)
    return { auth_time: seconds, iss: issuer, exp: seconds + life, iat: seconds, jti: randomUUID() }
  }
  const machineToken = (client: string, scopes = scopesOf(clients, client), { claims, header }: Changes = {}): string => {
    const said = { sub: client, token_use: 'access', scope: scopes.join(' '), ...stamp(), version: 2, client_id: client }
    return seal(keys.access, { ...said, ...claims }, header)
  }
  const session = () => ({ origin_jti: randomUUID(), event_id: randomUUID() })
  const userAccessToken: CognitoStandIn['userAccessToken'] = (user, client, { claims, header } = {}) => {
    const said = {
      sub: user.sub,
      ...(user.groups.length === 0 ? {} : { 'cognito:groups': user.groups }),
      ...stamp(),
      ...session(),
      version: 2,
      client_id: client,
      token_use: 'access',
      scope: scopesOf(clients, client).join(' '),
      username: user.username,
    }
    return seal(keys.access, { ...said, ...claims }, header)
  }

  const documents = (path: string): object | undefined => {
    if (path === `/${userPoolId}/.well-known/openid-configuration`) return metadata(issuer, domain)
    if (path === `/${userPoolId}/.well-known/jwks.json`) return { keys: [keys.id.jwk, keys.access.jwk] }
    return undefined
  }
  const serve = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const path = (request.url ?? '/').replace(/\?.*/s, '')
    paths.push(path)
    const form = new URLSearchParams(await text(request))
    const document = request.method === 'GET' ? documents(path) : undefined
    const [status, body]: Answer =
      document !== undefined
        ? [200, document]
        : path === '/oauth2/token' && request.method === 'POST'
          ? grant(clients, request, form, (client, scopes) => ({
              access_token: machineToken(client, scopes),
              expires_in: life,
              token_type: 'Bearer',
            }))
          : [404, { message: 'Not Found' }]
    response.writeHead(status, { 'content-type': 'application/json;charset=UTF-8', 'cache-control': 'no-store' }).end(JSON.stringify(body))
  }

  return {
    issuer,
    domain,
    userPoolId,
    machineToken,
    userAccessToken,
    userIdToken(user, client, { claims, header } = {}) {
      const said = {
        at_hash: leftHalf(userAccessToken(user, client)),
        sub: user.sub,
        ...(user.groups.length === 0 ? {} : { 'cognito:groups': user.groups }),
        email_verified: true,
        'cognito:username': user.username,
        ...stamp(),
        ...session(),
        aud: client,
        token_use: 'id',
        email: user.email,
      }
      return seal(keys.id, { ...said, ...claims }, header)
    },
    accessKey: () => keys.access,
    rotate() {
      keys = { id: makeKey(), access: makeKey() }
    },
    asked: (end) => paths.filter((path) => path.endsWith(end)).length,
    close: () =>
      new Promise((resolve) => {
        server.closeAllConnections()
        server.close(() => resolve())
      }),
  }
}

function metadata(issuer: string, domain: string): object {
  return {
    authorization_endpoint: `${domain}/oauth2/authorize`,
    end_session_endpoint: `${domain}/logout`,
    id_token_signing_alg_values_supported: ['RS256'],
    issuer,
    jwks_uri: `${issuer}/.well-known/jwks.json`,
    response_types_supported: ['code', 'token'],
    revocation_endpoint: `${domain}/oauth2/revoke`,
    scopes_supported: ['openid', 'email', 'phone', 'profile'],
    subject_types_supported: ['public'],
    token_endpoint: `${domain}/oauth2/token`,
    token_endpoint_auth_methods_supported: ['client_secret_basic', 'client_secret_post'],
    userinfo_endpoint: `${domain}/oauth2/userInfo`,
  }
}

const GRANTS = ['client_credentials', 'authorization_code', 'refresh_token']

/** The token endpoint, for client_credentials; nobody has a code or refresh token that it would know. */
function grant(
  clients: readonly AppClient[],
  request: IncomingMessage,
  form: URLSearchParams,
  give: (client: string, scopes: readonly string[]) => object,
): Answer {
  const refuse = (error: string): Answer => [400, { error }]
  if (!/^application\/x-www-form-urlencoded *(;|$)/i.test(request.headers['content-type'] ?? '')) return refuse('invalid_request')
  const wanted = form.get('grant_type')
  if (wanted === null) return refuse('invalid_request')
  if (!GRANTS.includes(wanted)) return refuse('unsupported_grant_type')
  const [id, secret] = shownBy(request, form)
  const client = clients.find((one) => one.id === id)
  if (client === undefined || client.secret !== secret) return refuse('invalid_client')
  if ((wanted === 'client_credentials') !== (client.grant === 'client_credentials')) return refuse('unauthorized_client')
  if (wanted !== 'client_credentials') return refuse('invalid_grant')
  const scopes = form.get('scope')?.split(' ').filter(Boolean) ?? []
  if (!scopes.every((scope) => client.scopes.includes(scope)) || client.scopes.length === 0) return refuse('invalid_scope')
  return [200, give(client.id, scopes.length === 0 ? client.scopes : scopes)]
}

/** client_secret_basic or client_secret_post. */
function shownBy({ headers }: IncomingMessage, form: URLSearchParams): readonly (string | undefined)[] {
  const basic = /^Basic ([A-Za-z0-9+/=]+)$/i.exec(headers.authorization ?? '')?.[1]
  if (basic === undefined) return [form.get('client_id') ?? undefined, form.get('client_secret') ?? undefined]
  const shown = Buffer.from(basic, 'base64').toString('utf8')
  const colon = shown.indexOf(':')
  return colon === -1 ? [undefined, undefined] : [shown.slice(0, colon), shown.slice(colon + 1)]
}

function scopesOf(clients: readonly AppClient[], id: string): readonly string[] {
  return clients.find((client) => client.id === id)?.scopes ?? []
}

interface Key {
  readonly kid: string
  readonly privateKey: KeyObject
  readonly publicKey: KeyObject
  readonly jwk: object
}

function makeKey(): Key {
  const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  // Plain base64: with + and / and =.
  const kid = randomBytes(32).toString('base64')
  const { n, e } = publicKey.export({ format: 'jwk' })
  return { kid, privateKey, publicKey, jwk: { alg: 'RS256', e, kid, kty: 'RSA', n, use: 'sig' } }
}

function seal({ kid, privateKey }: Key, claims: object, header: object = {}): string {
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')
  const input = `${part({ kid, alg: 'RS256', ...header })}.${part(claims)}`
  return `${input}.${sign('sha256', Buffer.from(input), privateKey).toString('base64url')}`
}

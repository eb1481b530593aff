/**
 * A stand-in for one user pool of Amazon Cognito with a domain: what it publishes, the hosted pages by which people sign in
 * and out, and the token endpoint for people and machines. It follows the wire format that AWS documents, and real pools
 * where the documents are silent; each file beside this one says which. The issuer and the domain are two hosts, as they
 * are in truth: metadata and keys come from the one, everything else from the other.
 */
import { once } from 'node:events'
import { createServer, type IncomingMessage, type OutgoingHttpHeaders, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { createDomain } from './cognito-domain.ts'
import { createGrants } from './cognito-grants.ts'
import type { Answer, AppClient, CognitoUser, Pool } from './cognito-pool.ts'
import { type CognitoTokens, createTokens } from './cognito-tokens.ts'

export type { AppClient, CognitoUser } from './cognito-pool.ts'

export interface CognitoOptions {
  readonly clients: readonly AppClient[]
  /** Who can sign in. */
  readonly users?: readonly CognitoUser[]
  readonly region?: string
  readonly userPoolId?: string
  /** Seconds that tokens live. Default: an hour. */
  readonly life?: number
  /** The time in milliseconds; default: that of the machine. */
  readonly now?: () => number
}

/** One answer of the token endpoint: which grant, and the error if it was refused. */
export interface Granted {
  readonly grant: string | null
  readonly error?: string
}

export interface CognitoStandIn extends Omit<CognitoTokens, 'published'> {
  /** Ends in the id of the pool, as real ones do. */
  readonly issuer: string
  /** Where its domain is: `/oauth2/authorize`, `/oauth2/token`, `/logout`. */
  readonly domain: string
  readonly userPoolId: string
  /** How often it was asked for a path that ends so. */
  asked(end: string): number
  /** What the token endpoint answered so far. */
  granted(): readonly Granted[]
  /** Changes what the pool knows of a person: seen in their next tokens. */
  change(user: CognitoUser): void
  /** AdminUserGlobalSignOut: no refresh token of the person is worth anything any more. */
  signOutEverywhere(username: string): void
  /** Has a path answer so until it is called without an answer. */
  fail(path: string, answer?: Answer): void
  /** Has the token endpoint give something else than it would; a machine's answers are changed as well. */
  spoil(change: (answer: Record<string, unknown>) => object): void
  close(): Promise<void>
}

export async function startCognito(options: CognitoOptions): Promise<CognitoStandIn> {
  const { clients, users = [], region = 'us-east-1', userPoolId = `${region}_Ex4mpl3`, life = 3600, now = () => Date.now() } = options
  const paths: string[] = []
  const granted: Granted[] = []
  const failing = new Map<string, Answer>()
  let spoilt = (answer: Record<string, unknown>): object => answer
  const servers: Server[] = []
  const listen = async (serve: (request: IncomingMessage, url: URL, form: URLSearchParams) => Answer | undefined): Promise<string> => {
    const answer = async (request: IncomingMessage, response: ServerResponse) => {
      const url = new URL(request.url ?? '/', 'http://pool')
      paths.push(url.pathname)
      const form = new URLSearchParams(await text(request))
      send(response, failing.get(url.pathname) ?? serve(request, url, form) ?? { status: 404, body: { message: 'Not Found' } })
    }
    const server = createServer((request, response) => void answer(request, response).catch(() => response.destroy()))
    servers.push(server.listen(0, '127.0.0.1'))
    await once(server, 'listening')
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  }

  const pool: Pool = {
    clients,
    users: new Map(users.map((user) => [user.username, user])),
    codes: new Map(),
    refreshTokens: new Map(),
    accessTokens: new Map(),
    browsers: new Map(),
    now,
  }
  const published = await listen((request, { pathname }) => {
    const path = request.method === 'GET' && pathname.startsWith(`/${userPoolId}/`) ? pathname.slice(userPoolId.length + 2) : ''
    if (path === '.well-known/openid-configuration') return { status: 200, body: metadata(issuer, domain) }
    return path === '.well-known/jwks.json' ? { status: 200, body: tokens.published() } : undefined
  })
  const issuer = `${published}/${userPoolId}`
  const tokens = createTokens(pool, issuer, life)
  const grants = createGrants(pool, tokens, life)
  const pages = createDomain(pool)
  const token = (request: IncomingMessage, form: URLSearchParams): Answer => {
    const { status, body } = grants.token(request.headers, form)
    const said = { ...(body as Record<string, unknown>) }
    granted.push({ grant: form.get('grant_type'), ...(status === 200 ? {} : { error: String(said['error']) }) })
    return { status, body: status === 200 ? spoilt(said) : said }
  }
  const domain: string = await listen((request, { pathname, searchParams }, form) => {
    switch (`${request.method} ${pathname}`) {
      case 'GET /oauth2/authorize':
        return pages.authorize(searchParams, request.headers)
      case 'GET /login':
        return pages.showLogin(searchParams)
      case 'POST /login':
        return pages.login(searchParams, request.headers, form)
      case 'GET /logout':
        return pages.logout(searchParams, request.headers)
      case 'GET /error':
        return pages.error(searchParams)
      case 'POST /oauth2/token':
        return token(request, form)
      case 'POST /oauth2/revoke':
        return grants.revoke(request.headers, form)
      case 'GET /oauth2/userInfo':
        return grants.userInfo(request.headers)
      default:
        return undefined
    }
  })

  return {
    ...tokens,
    issuer,
    domain,
    userPoolId,
    asked: (end) => paths.filter((path) => path.endsWith(end)).length,
    granted: () => granted,
    change: (user) => void pool.users.set(user.username, user),
    signOutEverywhere(username) {
      for (const { of } of pool.refreshTokens.values()) if (of.username === username) of.revoked = true
    },
    fail(path, answer) {
      if (answer === undefined) failing.delete(path)
      else failing.set(path, answer)
    },
    spoil(change) {
      spoilt = change
    },
    close: async () => {
      for (const server of servers) {
        server.closeAllConnections()
        server.close()
        await once(server, 'close')
      }
    },
  }
}

function send(response: ServerResponse, { status, headers, body }: Answer): void {
  const type = typeof body === 'string' ? 'text/html;charset=UTF-8' : 'application/json;charset=UTF-8'
  const lines: OutgoingHttpHeaders = { ...(body === undefined ? {} : { 'content-type': type }), 'cache-control': 'no-store', ...headers }
  response.writeHead(status, lines)
  response.end(typeof body === 'object' ? JSON.stringify(body) : body)
}

/** Nothing is said of PKCE, which it knows, nor of grants. */
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

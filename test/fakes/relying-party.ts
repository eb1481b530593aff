/**
 * The least that a client of an OpenID provider can be: a place to be redirected to, a place for logout tokens, and the
 * calls of the code flow with PKCE. For tests of issuers; Mandate's own sign-in is tested with Mandate itself.
 */
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import type { Browser } from './browser.ts'

export interface RelyingParty {
  readonly redirectUri: string
  readonly postLogoutRedirectUri: string
  readonly backchannelLogoutUri: string
  /** The logout tokens received so far. */
  readonly logoutTokens: readonly string[]
  close(): void
}

/** Listens on loopback and answers everything with 200 and its own path. */
export async function startRelyingParty(): Promise<RelyingParty> {
  const logoutTokens: string[] = []
  const answer = async (request: IncomingMessage, response: ServerResponse) => {
    const token = new URLSearchParams(await text(request)).get('logout_token')
    if (token !== null) logoutTokens.push(token)
    response.end(`relying party ${request.url}`)
  }
  const server = createServer((request, response) => void answer(request, response).catch(() => response.destroy()))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const origin = `http://localhost:${(server.address() as AddressInfo).port}`
  return {
    redirectUri: `${origin}/callback`,
    postLogoutRedirectUri: `${origin}/signed-out`,
    backchannelLogoutUri: `${origin}/backchannel`,
    logoutTokens,
    close() {
      server.closeAllConnections()
      server.close()
    },
  }
}

/** An authorization request (RFC 6749 section 4.1.1, RFC 7636) and the verifier that belongs to it. */
export function authorizationUrl(
  issuer: string,
  clientId: string,
  redirectUri: string,
  more: Readonly<Record<string, string | undefined>> = {},
): { readonly url: string; readonly verifier: string } {
  const verifier = randomBytes(32).toString('base64url')
  const parameters = {
    client_id: clientId,
    redirect_uri: redirectUri,
    response_type: 'code',
    scope: 'openid',
    state: 'a-state',
    nonce: 'a-nonce',
    code_challenge: createHash('sha256').update(verifier).digest('base64url'),
    code_challenge_method: 'S256',
    ...more,
  }
  const url = new URL('/auth', issuer)
  for (const [name, value] of Object.entries(parameters)) if (value !== undefined) url.searchParams.set(name, value)
  return { url: url.href, verifier }
}

/** What a token endpoint answered. */
export interface TokenAnswer {
  readonly status: number
  readonly access_token?: string
  readonly id_token?: string
  readonly refresh_token?: string
  readonly expires_in?: number
  readonly error?: string
  readonly error_description?: string
}

/** A call to the token endpoint. `secret` goes into HTTP Basic (RFC 6749 section 2.3.1). */
export async function callTokenEndpoint(
  browser: Browser,
  issuer: string,
  form: Readonly<Record<string, string>>,
  basic?: { readonly clientId: string; readonly secret: string },
): Promise<TokenAnswer> {
  const credentials = basic && Buffer.from(`${encodeURIComponent(basic.clientId)}:${encodeURIComponent(basic.secret)}`).toString('base64')
  const headers = {
    accept: 'application/json',
    ...(credentials === undefined ? {} : { authorization: `Basic ${credentials}` }),
  }
  const response = await browser.post(`${issuer}/token`, form, headers)
  return { status: response.status, ...JSON.parse(response.body) }
}

/**
 * What browsers see of the stand-in for a user pool: `/oauth2/authorize`, the hosted sign-in page `/login`, `/logout` and
 * the page for errors.
 *
 * As AWS documents them: a browser comes back with the code and the state and no `iss` (RFC 9207); PKCE knows S256 alone; a
 * code lives five minutes, the cookie of the pages an hour. Nobody is sent to an address that the client did not register: that is
 * the page for errors, 400. `/logout` is not RP-Initiated Logout 1.0: it wants `client_id` and `logout_uri`, or
 * the parameters of a new sign-in, knows neither `id_token_hint` nor `post_logout_redirect_uri`, and ends the session
 * first, also where it then has nowhere to send the browser.
 */
import { randomBytes, randomUUID } from 'node:crypto'
import type { IncomingHttpHeaders } from 'node:http'
import { escapeText } from '../../src/gateway/page.ts'
import { type Answer, type AppClient, clientOf, PASSWORD, type Pool } from './cognito-pool.ts'

export interface Domain {
  authorize(query: URLSearchParams, headers: IncomingHttpHeaders): Answer
  showLogin(query: URLSearchParams): Answer
  login(query: URLSearchParams, headers: IncomingHttpHeaders, form: URLSearchParams): Answer
  logout(query: URLSearchParams, headers: IncomingHttpHeaders): Answer
  error(query: URLSearchParams): Answer
}

const CODE_MS = 5 * 60_000
const COOKIE_MS = 3_600_000
const SESSION = 'cognito'
const CSRF = 'XSRF-TOKEN'

const redirect = (location: string, cookies: string[] = []): Answer => ({
  status: 302,
  headers: { location, ...(cookies.length === 0 ? {} : { 'set-cookie': cookies }) },
})

export function createDomain(pool: Pool): Domain {
  /** A client with the code flow and one of its callback URLs; both must be right before anybody is sent anywhere. */
  const registered = (query: URLSearchParams): { client: AppClient; back: string } | undefined => {
    const client = clientOf(pool, query.get('client_id'))
    const back = query.get('redirect_uri') ?? ''
    return client?.grant === 'code' && client.callbackUrls?.includes(back) ? { client, back } : undefined
  }
  const nowhere = (query: URLSearchParams, error?: string): Answer => {
    const onward = new URLSearchParams(query)
    if (error !== undefined) onward.set('error', error)
    return redirect(`/error?${onward}`)
  }
  const backTo = (address: string, query: URLSearchParams, more: Readonly<Record<string, string>>, cookies?: string[]): Answer => {
    const url = new URL(address)
    const state = query.get('state')
    for (const [name, value] of Object.entries({ ...more, ...(state === null ? {} : { state }) })) url.searchParams.set(name, value)
    return redirect(url.href, cookies)
  }
  const giveCode = (client: AppClient, back: string, query: URLSearchParams, username: string, cookies?: string[]): Answer => {
    const code = randomUUID()
    pool.codes.set(code, {
      username,
      client: client.id,
      redirectUri: back,
      scopes: scopesOf(query, client),
      challenge: query.get('code_challenge') ?? undefined,
      nonce: query.get('nonce') ?? undefined,
      until: pool.now() + CODE_MS,
    })
    return backTo(back, query, { code }, cookies)
  }
  const page = (query: URLSearchParams, problem = ''): Answer => {
    const csrf = randomUUID()
    const body = `<!doctype html><title>Signin</title><p>${problem}</p>
<form action="/login?${escapeText(query.toString())}" name="cognitoSignInForm" method="POST">
<input type="hidden" name="_csrf" value="${csrf}"/><input name="username" type="text"/><input name="password" type="password"/>
<input name="signInSubmitButton" type="Submit" value="Sign in"/></form>`
    return { status: 200, headers: { 'set-cookie': [`${CSRF}=${csrf}; Path=/; HttpOnly; SameSite=Lax`] }, body }
  }

  return {
    authorize(query, headers) {
      const found = registered(query)
      if (found === undefined) return nowhere(query, 'redirect_mismatch')
      const { client, back } = found
      const type = query.get('response_type')
      if (type === 'token') return backTo(back, query, { error: 'unauthorized_client' })
      const [challenge, method] = [query.get('code_challenge'), query.get('code_challenge_method')]
      if (type !== 'code' || (challenge === null) !== (method === null) || (method !== null && method !== 'S256'))
        return backTo(back, query, { error: 'invalid_request' })
      if (!scopesOf(query, client).every((scope) => client.scopes.includes(scope))) return backTo(back, query, { error: 'invalid_scope' })
      const signedIn = pool.browsers.get(cookiesOf(headers).get(SESSION) ?? '')
      if (signedIn === undefined || pool.now() >= signedIn.until) return redirect(`/login?${query}`)
      return giveCode(client, back, query, signedIn.username)
    },

    showLogin: (query) => (registered(query) === undefined ? nowhere(query, 'redirect_mismatch') : page(query)),

    login(query, headers, form) {
      const found = registered(query)
      if (found === undefined) return nowhere(query, 'redirect_mismatch')
      const csrf = form.get('_csrf')
      if (csrf === null || csrf !== cookiesOf(headers).get(CSRF)) return { status: 403, body: '<p>Forbidden</p>' }
      const user = pool.users.get(form.get('username') ?? '')
      if (user === undefined || form.get('password') !== PASSWORD) return page(query, 'Incorrect username or password.')
      const session = randomBytes(32).toString('base64url')
      pool.browsers.set(session, { username: user.username, until: pool.now() + COOKIE_MS })
      const cookie = `${SESSION}=${session}; Path=/; Max-Age=3600; HttpOnly; SameSite=Lax`
      return giveCode(found.client, found.back, query, user.username, [cookie])
    },

    logout(query, headers) {
      pool.browsers.delete(cookiesOf(headers).get(SESSION) ?? '')
      const gone = [`${SESSION}=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax`]
      const away = (answer: Answer): Answer => ({ ...answer, headers: { ...answer.headers, 'set-cookie': gone } })
      const logoutUri = query.get('logout_uri')
      if (logoutUri !== null && clientOf(pool, query.get('client_id'))?.logoutUrls?.includes(logoutUri)) return redirect(logoutUri, gone)
      if (logoutUri === null && query.has('response_type') && registered(query) !== undefined) return redirect(`/login?${query}`, gone)
      return away(nowhere(query))
    },

    error: (query) => ({
      status: 400,
      body: `<!doctype html><title>Error</title><p>${escapeText(query.get('error') ?? "Required String parameter 'redirect_uri' is not present")}</p>`,
    }),
  }
}

/** Those asked for, else all of the client's. */
function scopesOf(query: URLSearchParams, client: AppClient): readonly string[] {
  const scopes = query.get('scope')?.split(' ').filter(Boolean) ?? []
  return scopes.length === 0 ? client.scopes : scopes
}

function cookiesOf({ cookie = '' }: IncomingHttpHeaders): ReadonlyMap<string, string> {
  return new Map(
    cookie.split('; ').map((pair): [string, string] => {
      const equals = pair.indexOf('=')
      return [pair.slice(0, equals), pair.slice(equals + 1)]
    }),
  )
}

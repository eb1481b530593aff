/**
 * A person's browser without the window: keeps cookies, follows redirects over several hosts, fills in sign-in pages.
 * Plain node:http and node:https, so that a test sees every status and header as they came.
 */
import { request as httpRequest, type IncomingHttpHeaders } from 'node:http'
import { request as httpsRequest } from 'node:https'
import { isIP } from 'node:net'
import { text as readText } from 'node:stream/consumers'
import { type Cookie, type CookieJar, createCookieJar } from './cookie-jar.ts'
import { findForm, submitsItself } from './html-form.ts'

export interface BrowserOptions {
  /** PEM of the authorities it trusts besides Node's own. */
  readonly ca?: string
  /** Host name to address, for names that no DNS knows. `localhost` and what ends in `.localhost` are 127.0.0.1 already. */
  readonly hosts?: Readonly<Record<string, string>>
  /** Milliseconds for one request, 10 s if not given. */
  readonly timeout?: number
}

export interface RequestInit {
  readonly method?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string
}

export interface BrowserResponse {
  /** Where the answer came from. */
  readonly url: string
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: string
  /** The URLs that redirects and forms led over, the first one first, `url` last. */
  readonly trail: readonly string[]
}

export interface Browser {
  readonly jar: CookieJar
  /** One request, no redirects. */
  get(url: string, init?: RequestInit): Promise<BrowserResponse>
  /** One form sent, no redirects. */
  post(url: string, form: Readonly<Record<string, string>>, headers?: Readonly<Record<string, string>>): Promise<BrowserResponse>
  /** Follows redirects (RFC 9110 section 15.4) and forms that send themselves. Rejects after 20. */
  follow(url: string, init?: RequestInit): Promise<BrowserResponse>
  /** The cookies that would be sent to `url`. */
  cookies(url: string): readonly Cookie[]
  /**
   * Goes to `startUrl`, chooses `userName` on the embedded issuer's page and follows to the end. Where the issuer still
   * knows this browser and shows no page, that is the end already.
   */
  signIn(startUrl: string, userName: string): Promise<BrowserResponse>
  /** The same for Keycloak's user name and password page. */
  signInKeycloak(startUrl: string, user: string, password: string): Promise<BrowserResponse>
}

const MOST_HOPS = 20

export function createBrowser(options: BrowserOptions = {}): Browser {
  const jar = createCookieJar()

  const follow = async (url: string, init: RequestInit = {}): Promise<BrowserResponse> => {
    const trail: string[] = []
    for (let hop = { url, init }; ; ) {
      const response = await send(jar, options, hop.url, hop.init)
      trail.push(hop.url)
      const next = nextHop(response, hop.init)
      if (next === undefined) return { ...response, trail }
      if (trail.length > MOST_HOPS) throw new Error(`more than ${MOST_HOPS} redirects: ${trail.join(' -> ')}`)
      hop = next
    }
  }
  const submit = async (from: BrowserResponse, action: string, fields: Readonly<Record<string, string>>) => {
    const end = await follow(action, formInit(fields, { origin: new URL(from.url).origin }))
    return { ...end, trail: [...from.trail, ...end.trail] }
  }

  return {
    jar,
    follow,
    get: (url, init) => send(jar, options, url, init),
    post: (url, form, headers) => send(jar, options, url, formInit(form, headers)),
    cookies: (url) => jar.matching(new URL(url)),
    async signIn(startUrl, userName) {
      const page = await follow(startUrl)
      const form = findForm(page.body, page.url)
      if (form === undefined || !form.buttons.some(({ name }) => name === 'user')) return page
      return submit(page, form.action, { ...form.hidden, user: userName })
    },
    async signInKeycloak(startUrl, user, password) {
      const page = await follow(startUrl)
      const form = findForm(page.body, page.url, 'kc-form-login')
      if (form === undefined) return page
      return submit(page, form.action, { ...form.hidden, username: user, password })
    },
  }
}

function formInit(form: Readonly<Record<string, string>>, headers: Readonly<Record<string, string>> = {}): RequestInit {
  const body = new URLSearchParams(form).toString()
  return { method: 'POST', body, headers: { 'content-type': 'application/x-www-form-urlencoded', ...headers } }
}

function nextHop(response: BrowserResponse, init: RequestInit): { url: string; init: RequestInit } | undefined {
  const { location } = response.headers
  if (response.status >= 300 && response.status < 400 && location !== undefined) {
    const url = new URL(location, response.url).href
    return { url, init: response.status === 307 || response.status === 308 ? init : {} }
  }
  if (response.status !== 200 || !submitsItself(response.body)) return undefined
  const form = findForm(response.body, response.url)
  if (form === undefined) return undefined
  const [button] = form.buttons
  const fields = button === undefined ? form.hidden : { ...form.hidden, [button.name]: button.value }
  return { url: form.action, init: formInit(fields, { origin: new URL(response.url).origin }) }
}

async function send(jar: CookieJar, options: BrowserOptions, address: string, init: RequestInit = {}): Promise<BrowserResponse> {
  const url = new URL(address)
  const cookie = jar
    .matching(url)
    .map(({ name, value }) => `${name}=${value}`)
    .join('; ')
  const headers = { accept: 'text/html,*/*', ...(cookie === '' ? {} : { cookie }), host: url.host, ...init.headers }
  const { promise, resolve, reject } = Promise.withResolvers<BrowserResponse>()
  const host = url.hostname.replace(/^\[|\]$/g, '')
  const settings = {
    host: options.hosts?.[host] ?? (host === 'localhost' || host.endsWith('.localhost') ? '127.0.0.1' : host),
    ...(url.port === '' ? {} : { port: url.port }),
    path: url.pathname + url.search,
    method: init.method ?? 'GET',
    headers,
    agent: false as const,
    signal: AbortSignal.timeout(options.timeout ?? 30_000),
  }
  const tls = {
    ...(options.ca === undefined ? {} : { ca: options.ca }),
    ...(isIP(host) === 0 ? { servername: host } : {}),
  }
  const outgoing = url.protocol === 'https:' ? httpsRequest({ ...settings, ...tls }) : httpRequest(settings)
  outgoing.on('error', reject)
  outgoing.on('response', (incoming) => {
    jar.store(url, incoming.headers['set-cookie'] ?? [])
    const { statusCode: status = 0, headers: received } = incoming
    readText(incoming).then((body) => resolve({ url: url.href, status, headers: received, body, trail: [url.href] }), reject)
  })
  outgoing.end(init.body)
  return promise
}

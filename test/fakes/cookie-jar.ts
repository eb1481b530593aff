/**
 * A browser's cookie store, as far as tests of sign-in need it (RFC 6265bis): host and path matching, Domain, Secure,
 * Max-Age and Expires, and the `__Host-` and `__Secure-` prefixes. Ports do not separate cookies, as they do not in
 * browsers. Plain http on loopback counts as secure for `Secure`, as in Chromium and Firefox, but not for the prefixes,
 * which browsers treat differently there: code that relies on them must use https. SameSite is kept but not enforced: a test of cross-site requests wants to send the cookie and be refused.
 */
export interface Cookie {
  readonly name: string
  readonly value: string
  /** Without a leading dot. */
  readonly domain: string
  /** Set without a Domain attribute: sent to that very host only. */
  readonly hostOnly: boolean
  readonly path: string
  readonly secure: boolean
  readonly httpOnly: boolean
  readonly sameSite: string | undefined
  /** Milliseconds since 1970; infinite for a session cookie. */
  readonly expiresAt: number
}

export interface CookieJar {
  /** Takes the Set-Cookie lines of an answer from `url`. Cookies that a browser would refuse are dropped silently. */
  store(url: URL, setCookieLines: readonly string[]): void
  /** What is sent to `url`, in order. */
  matching(url: URL): readonly Cookie[]
  /** Puts a cookie in, as an attacker or an earlier visit would have. Replaces one of the same name, domain and path. */
  put(cookie: Cookie): void
  clear(): void
}

export function createCookieJar(): CookieJar {
  const cookies = new Map<string, Cookie>()
  const put = (cookie: Cookie): void => {
    const key = `${cookie.domain}\n${cookie.path}\n${cookie.name}`
    if (cookie.expiresAt <= Date.now()) cookies.delete(key)
    else cookies.set(key, cookie)
  }
  return {
    put,
    clear: () => cookies.clear(),
    store(url, lines) {
      for (const line of lines) {
        const cookie = parseSetCookie(url, line)
        if (cookie !== undefined) put(cookie)
      }
    },
    matching: (url) =>
      [...cookies.values()]
        .filter((cookie) => cookie.expiresAt > Date.now() && belongs(cookie, url))
        .sort((one, two) => two.path.length - one.path.length),
  }
}

function parseSetCookie(url: URL, line: string): Cookie | undefined {
  const [pair = '', ...rest] = line.split(';')
  const equals = pair.indexOf('=')
  if (equals < 1) return undefined
  const name = pair.slice(0, equals).trim()
  const value = pair.slice(equals + 1).trim()
  const attributes = new Map<string, string>()
  for (const attribute of rest) {
    const [key = '', ...words] = attribute.split('=')
    attributes.set(key.trim().toLowerCase(), words.join('=').trim())
  }
  const secure = attributes.has('secure')
  const domainAttribute = attributes.get('domain')?.replace(/^\./, '').toLowerCase()
  const pathAttribute = attributes.get('path')
  const prefixed = /^__(Host|Secure)-/i.test(name)
  if (secure && !isSecure(url)) return undefined
  if (prefixed && !(secure && url.protocol === 'https:')) return undefined
  if (domainAttribute && !domainMatches(url.hostname, domainAttribute)) return undefined
  if (/^__Host-/i.test(name) && (pathAttribute !== '/' || domainAttribute)) return undefined
  return {
    name,
    value,
    domain: domainAttribute || url.hostname,
    hostOnly: !domainAttribute,
    path: pathAttribute?.startsWith('/') ? pathAttribute : url.pathname.replace(/\/[^/]*$/, '') || '/',
    secure,
    httpOnly: attributes.has('httponly'),
    sameSite: attributes.get('samesite')?.toLowerCase(),
    expiresAt: expiry(attributes.get('max-age'), attributes.get('expires')),
  }
}

function expiry(maxAge: string | undefined, expires: string | undefined): number {
  if (maxAge !== undefined && /^-?\d+$/.test(maxAge)) return Date.now() + Number(maxAge) * 1000
  const date = Date.parse(expires ?? '')
  return Number.isNaN(date) ? Number.POSITIVE_INFINITY : date
}

function belongs(cookie: Cookie, url: URL): boolean {
  if (cookie.secure && !isSecure(url)) return false
  if (cookie.hostOnly ? cookie.domain !== url.hostname : !domainMatches(url.hostname, cookie.domain)) return false
  if (url.pathname === cookie.path) return true
  return url.pathname.startsWith(cookie.path.endsWith('/') ? cookie.path : `${cookie.path}/`)
}

function domainMatches(host: string, domain: string): boolean {
  return host === domain || (host.endsWith(`.${domain}`) && !/^[\d.]+$|:/.test(host))
}

function isSecure({ protocol, hostname }: URL): boolean {
  return protocol === 'https:' || hostname === '[::1]' || /^127\.|(^|\.)localhost$/.test(hostname)
}

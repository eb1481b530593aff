/**
 * The header boundary of a route: what passes between a caller and an HTTP service.
 *
 * Security: a service may define headers of its own, so here, unlike with the Kubernetes API, end-to-end headers pass
 * unless they are listed below. What is listed can say who asks, where the request came from or goes, or belongs to the
 * connection (RFC 9110 7.6.1), and whatever `Connection` names goes too. A name with an underscore never passes: the
 * service may read it as one with a hyphen (oauth2-proxy CVE-2025-64484). Ours are added after all of that and so are
 * not among what `Connection` can remove. Authorization and our cookies end here: they work at Mandate, and a service
 * that had them could act as the caller anywhere.
 */
import { type Credential, type HeaderLine, present } from '../credential.ts'

/** What Mandate says about the request besides who asks. */
export interface Arrival {
  readonly address: string
  /** `http` or `https`. */
  readonly protocol: string
  /** Host and port as the caller sees them. */
  readonly host: string
  readonly requestId: string
}

const HOP_BY_HOP = new Set(['connection', 'keep-alive', 'te', 'trailer', 'transfer-encoding', 'upgrade', 'proxy-connection', 'http2-settings'])

/** Ended here, or written anew by us. The last three would have a service act on another path or method than was decided on. */
const NOT_PASSED = new Set([
  'authorization',
  'host',
  'expect',
  'forwarded',
  'x-real-ip',
  'x-request-id',
  'remote-user',
  'x-user',
  'x-authorization',
  'x-original-url',
  'x-rewrite-url',
  'x-original-uri',
])

/** Ours, and those by which other proxies say who asks: a service behind several may believe each. */
const IDENTITY = [
  'x-mandate-',
  'x-forwarded-',
  'proxy-',
  'x-remote-',
  'remote-',
  'x-auth-request-',
  'x-authenticated-',
  'x-webauth-',
  'x-impersonate-',
  'x-ssl-client-',
  'ssl-client-',
  'x-client-cert',
  'x-goog-',
  'x-amzn-oidc-',
  'x-ms-client-principal',
  'cf-access-',
  'tailscale-',
] as const

/** Header lines for the service, flat as undici takes them: the caller's in their order, then ours, identity last. */
export function outboundRouteHeaders(rawHeaders: readonly string[], arrival: Arrival, credential: Credential): string[] {
  const named = namedByConnection(rawHeaders)
  const lines: string[] = []
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
    const name = rawHeaders[i] ?? ''
    const value = rawHeaders[i + 1] ?? ''
    const folded = name.toLowerCase()
    if (isWithheld(folded) || named?.has(folded) === true) continue
    if (folded !== 'cookie') lines.push(name, value)
    else {
      const others = withoutOurs(value)
      if (others !== '') lines.push(name, others)
    }
  }
  lines.push(
    ...['X-Forwarded-For', arrival.address, 'X-Forwarded-Proto', arrival.protocol, 'X-Forwarded-Host', arrival.host],
    ...['X-Request-Id', arrival.requestId],
  )
  for (const [name, value] of present(credential)) lines.push(name, value)
  return lines
}

function isWithheld(folded: string): boolean {
  if (HOP_BY_HOP.has(folded) || NOT_PASSED.has(folded) || folded.includes('_')) return true
  for (const prefix of IDENTITY) if (folded.startsWith(prefix)) return true
  return false
}

/** The names that `Connection` lists, or undefined for none beyond its usual words. */
function namedByConnection(rawHeaders: readonly string[]): ReadonlySet<string> | undefined {
  let named: Set<string> | undefined
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
    if (rawHeaders[i]?.toLowerCase() !== 'connection') continue
    const value = (rawHeaders[i + 1] ?? '').toLowerCase()
    if (value === 'keep-alive' || value === 'close') continue
    named ??= new Set()
    for (const word of value.split(',')) named.add(word.trim())
  }
  return named
}

/** Cookies of every Mandate on this host: on loopback several share one (`gateway/cookies.ts`). */
const OURS = /^(?:__Host-mandate.*|mandate-(?:browser-)?\d+)$/i

function withoutOurs(cookies: string): string {
  if (!/mandate/i.test(cookies)) return cookies
  return cookies
    .split(';')
    .filter((pair) => !isOurs(pair))
    .join(';')
    .trim()
}

/** True for a `name=value` pair that carries a cookie of ours. One without a name is its value to some parsers. */
function isOurs(pair: string): boolean {
  const [name = '', ...rest] = pair.split('=')
  return OURS.test(name.trim()) || (name.trim() === '' && OURS.test((rest[0] ?? '').trim()))
}

/** Not of the service to say: the connection, who asks, other hosts' cookies and storage, or where else this origin is served. */
const NOT_RETURNED = new Set([...HOP_BY_HOP, 'alt-svc', 'clear-site-data'])

/** Where two lines of one name would let us and the caller each believe another, the first alone is passed on. */
const ONE_LINE = new Set(['content-type', 'content-length', 'content-encoding', 'location', 'date', 'etag', 'last-modified'])

/** What Node takes as a header's value; a line with anything else is dropped rather than mended. */
const FIELD_VALUE = /^[\t\x20-\x7e\x80-\xff]*$/

/**
 * Header lines of the service's answer that reach the caller. Its cookies pass unless they would reach beyond its host
 * or stand in for ours; a `Location` within its own origin is turned into the same path of ours.
 */
export function inboundRouteHeaders(lines: readonly HeaderLine[], upstreamOrigin: string, origin: string): HeaderLine[] {
  const named = namedByConnection(lines.flat())
  const seen = new Set<string>()
  const passed: HeaderLine[] = []
  for (const [name, value] of lines) {
    const folded = name.toLowerCase()
    if (NOT_RETURNED.has(folded) || folded.startsWith('proxy-') || folded.startsWith('x-mandate-') || named?.has(folded) === true) continue
    if (!FIELD_VALUE.test(value) || (ONE_LINE.has(folded) && seen.has(folded))) continue
    seen.add(folded)
    if (folded === 'cache-control') passed.push([name, forOneCaller(value)])
    else if (folded === 'location') passed.push([name, relocated(value, upstreamOrigin, origin)])
    else if (folded !== 'set-cookie' || isItsOwn(value)) passed.push([name, value])
  }
  if (!seen.has('cache-control')) passed.push(['Cache-Control', 'private'])
  return passed
}

/** The answer was made for one caller; no cache may keep it for others. */
function forOneCaller(cacheControl: string): string {
  const kept = cacheControl
    .split(',')
    .map((directive) => directive.trim())
    .filter((directive) => directive !== '' && !/^(public|private|s-maxage)\b/i.test(directive))
  if (kept.some((directive) => /^no-store$/i.test(directive))) return kept.join(', ')
  return [...kept, 'private'].join(', ')
}

/** True for a cookie of its own host, under a name that is not ours (RFC 6265 5.2). */
function isItsOwn(setCookie: string): boolean {
  const [pair = '', ...attributes] = setCookie.split(';')
  return !isOurs(pair) && !attributes.some((attribute) => /^\s*domain\s*(?:=|$)/i.test(attribute))
}

function relocated(location: string, upstreamOrigin: string, origin: string): string {
  // A path, or a protocol-relative URL: either is read against our origin, not the service's.
  if (!/^https?:/i.test(location)) return location
  const url = URL.parse(location)
  if (url === null || url.origin !== upstreamOrigin) return location
  return origin + url.pathname + url.search + url.hash
}

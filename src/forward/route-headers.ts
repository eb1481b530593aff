/**
 * The header boundary of a route: what passes between a caller and an HTTP service.
 *
 * Security: a service may define headers of its own, so here, unlike with the Kubernetes API, end-to-end headers pass
 * unless `withheld-headers.ts` lists them. What is listed can say who asks, where the request came from or goes, or
 * belongs to the connection (RFC 9110 7.6.1), and whatever `Connection` names goes too, but for what describes the body. A
 * name with an underscore never passes: the service may read it as one with a hyphen (oauth2-proxy CVE-2025-64484). Ours
 * are added after all of that and so are not among what `Connection` can remove. Authorization and our cookies end here:
 * they work at Mandate, and a service that had them could act as the caller anywhere.
 */
import { type Credential, type HeaderLine, present } from '../credential.ts'
import { spelled } from '../header-names.ts'
import { FIELD_VALUE, forOneCaller } from './answer-lines.ts'
import { isNotReturned, isWithheld } from './withheld-headers.ts'

/** What Mandate says about the request besides who asks. */
export interface Arrival {
  readonly address: string
  /** `http` or `https`. */
  readonly protocol: string
  /** Host and port as the caller sees them. */
  readonly host: string
  readonly requestId: string
  /** Names of more headers, as `spelled` gives them, that this service does not get. */
  readonly withheld?: ReadonlySet<string> | undefined
}

/** The WebSocket handshake (RFC 6455 4.1) that a caller asks for, read and to be written anew. */
export interface AskedWebSocket {
  readonly key: string
  readonly version: string
  /** Those that the caller offers; a bearer is not among them. */
  readonly subprotocols: readonly string[]
  readonly extensions: string | undefined
}

/**
 * Header lines for the service, flat as undici takes them: the caller's in their order, then ours, those of a handshake
 * that is asked for among them, identity last.
 */
export function outboundRouteHeaders(
  rawHeaders: readonly string[],
  arrival: Arrival,
  credential: Credential,
  asked?: AskedWebSocket,
): string[] {
  const named = namedByConnection(rawHeaders)
  const lines: string[] = []
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
    const name = rawHeaders[i] ?? ''
    const value = rawHeaders[i + 1] ?? ''
    const fate = fateOf(name)
    if (fate === 'withheld' || arrival.withheld?.has(spelled(name)) === true || named?.has(name.toLowerCase()) === true) continue
    const left = fate === 'cookie' ? withoutOurs(value) : value
    if (fate === 'passed' || left !== '') lines.push(name, left)
  }
  lines.push(
    ...['X-Forwarded-For', arrival.address, 'X-Forwarded-Proto', arrival.protocol, 'X-Forwarded-Host', arrival.host],
    ...['X-Request-Id', arrival.requestId],
  )
  if (asked !== undefined) lines.push(...handshakeOf(asked))
  for (const [name, value] of present(credential)) lines.push(name, value)
  return lines
}

function handshakeOf({ key, version, subprotocols, extensions }: AskedWebSocket): string[] {
  const lines = ['Connection', 'Upgrade', 'Upgrade', 'websocket', 'Sec-WebSocket-Key', key, 'Sec-WebSocket-Version', version]
  if (subprotocols.length > 0) lines.push('Sec-WebSocket-Protocol', subprotocols.join(', '))
  if (extensions !== undefined) lines.push('Sec-WebSocket-Extensions', extensions)
  return lines
}

type Fate = 'passed' | 'withheld' | 'cookie'

/** The same names come with every request, so what becomes of each is found once. Bounded, since callers choose them. */
const known = new Map<string, Fate>()
const MOST_KNOWN = 1_000
const LONGEST_KNOWN = 40

function fateOf(name: string): Fate {
  const found = known.get(name)
  if (found !== undefined) return found
  const folded = name.toLowerCase()
  const fate = isWithheld(folded) ? 'withheld' : folded === 'cookie' ? 'cookie' : 'passed'
  if (known.size < MOST_KNOWN && name.length <= LONGEST_KNOWN) known.set(name, fate)
  return fate
}

/** What is for everybody on the way, and so never of one connection (RFC 9110 7.6.1): without it a body is framed or read otherwise. */
const OF_ALL = /^(?:content-|cache-control$)/

/** The names that `Connection` lists, or undefined for none beyond its usual words. */
function namedByConnection(rawHeaders: readonly string[]): Set<string> | undefined {
  let named: Set<string> | undefined
  for (let i = 0; i + 1 < rawHeaders.length; i += 2)
    if (isConnection(rawHeaders[i] ?? '')) named = withWords(named, rawHeaders[i + 1] ?? '')
  return named
}

function isConnection(name: string): boolean {
  return name.length === 'connection'.length && name.toLowerCase() === 'connection'
}

function withWords(named: Set<string> | undefined, connection: string): Set<string> | undefined {
  const value = connection.toLowerCase()
  if (value === 'keep-alive' || value === 'close') return named
  const all = named ?? new Set()
  for (const word of value.split(',')) {
    const name = word.trim()
    if (!OF_ALL.test(name)) all.add(name)
  }
  return all
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

/** Where two lines of one name would let us and the caller each believe another, the first alone is passed on. */
const ONE_LINE = new Set(['content-type', 'content-length', 'content-encoding', 'location', 'date', 'etag', 'last-modified'])

const PRIVATE: HeaderLine = Object.freeze(['Cache-Control', 'private'] as const)

/**
 * A browser may take a service worker's script from its cache (`updateViaCache: 'all'`), and what was kept as another
 * script was never asked for as that: with this line it asks (RFC 9111 4.1), and `gateway/routes.ts` can refuse.
 */
const NOT_FOR_SERVICE_WORKERS: HeaderLine = Object.freeze(['Vary', 'Service-Worker'] as const)

/**
 * Header lines of the service's answer that reach the caller. Its cookies pass unless they would reach beyond its host
 * or stand in for ours; a `Location` within an origin of its own is turned into the same path of ours. An answer of status
 * 204 has no length (RFC 9110 8.6).
 */
export function inboundRouteHeaders(
  lines: readonly HeaderLine[],
  upstreamOrigins: ReadonlySet<string>,
  origin: string,
  status: number,
): HeaderLine[] {
  let named: Set<string> | undefined
  for (const [name, value] of lines) if (isConnection(name)) named = withWords(named, value)
  const seen = new Set<string>()
  const passed: HeaderLine[] = []
  for (const [name, value] of lines) {
    const folded = name.toLowerCase()
    if (isNotReturned(folded) || named?.has(folded) === true || (folded === 'content-length' && status === 204)) continue
    if (!FIELD_VALUE.test(value) || (ONE_LINE.has(folded) && seen.has(folded))) continue
    seen.add(folded)
    if (folded === 'cache-control') passed.push([name, forOneCaller(value)])
    else if (folded === 'location') passed.push([name, relocated(value, upstreamOrigins, origin)])
    else if (isItsOwn(folded, value)) passed.push([name, value])
  }
  if (!seen.has('cache-control')) passed.push(PRIVATE)
  passed.push(NOT_FOR_SERVICE_WORKERS)
  return passed
}

/** What a 101 says beside its protocol (RFC 6455 4.2.2); a handshake may set cookies. */
const OF_HANDSHAKES = new Set(['sec-websocket-accept', 'sec-websocket-protocol', 'sec-websocket-extensions', 'set-cookie'])

/** Header lines of a service's 101 for the caller. */
export function switchedRouteHeaders(lines: readonly HeaderLine[]): HeaderLine[] {
  const passed = lines.filter(([name, value]) => {
    const folded = name.toLowerCase()
    return OF_HANDSHAKES.has(folded) && FIELD_VALUE.test(value) && isItsOwn(folded, value)
  })
  return [['Connection', 'Upgrade'], ['Upgrade', 'websocket'], ...passed]
}

/** True unless a line speaks for other hosts as well, or is a cookie under a name of ours (RFC 6265 5.2, RFC 6797 6.1.2). */
function isItsOwn(folded: string, value: string): boolean {
  if (folded === 'set-cookie') return isItsOwnCookie(value)
  return folded !== 'strict-transport-security' || !/includesubdomains/i.test(value)
}

function isItsOwnCookie(setCookie: string): boolean {
  const [pair = '', ...attributes] = setCookie.split(';')
  return !isOurs(pair) && !attributes.some((attribute) => /^\s*domain\s*(?:=|$)/i.test(attribute))
}

function relocated(location: string, upstreamOrigins: ReadonlySet<string>, origin: string): string {
  // A path, or a protocol-relative URL: either is read against our origin, not the service's.
  if (!/^https?:/i.test(location)) return location
  const url = URL.parse(location)
  if (url === null || !upstreamOrigins.has(url.origin)) return location
  return origin + url.pathname + url.search + url.hash
}

/** Requests as nobody would send them, several on one connection: drawn at random, yet the same ones for the same seed. */

/** Numbers from 0 up to 1 that look random (mulberry32). */
export function drawnFrom(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

export interface HostileCaller {
  /** The Host of the sign-in host. */
  readonly host: string
  /** A value of Authorization that is taken. */
  readonly authorization: string
}

const METHODS = ['GET', 'GET', 'GET', 'POST', 'POST', 'PUT', 'HEAD', 'DELETE', 'OPTIONS', 'CONNECT', 'TRACE', 'get']
const TARGETS = [
  '/',
  '/login',
  '/logout',
  '/whoami',
  '/callback/corp?state=x&code=y',
  '/back-channel-logout/corp',
  '/back-channel-logout/constructor',
  '/.mandate/session?code=x',
  '/clusters/',
  '/clusters/recorder-named/api',
  '/clusters/recorder-named/api/v1/pods?watch=1',
  '/clusters/recorder-named/api/v1/namespaces/a/pods/b/exec?command=x',
  '*',
  'x:1',
  '/x%2f',
]
const OFFERS = ['Upgrade: websocket', 'Upgrade: websocket', 'Upgrade: SPDY/3.1', 'Upgrade: h2c']
/** A body as its head announces it, whole or not, and now and then otherwise. */
const BODIES: ReadonlyArray<readonly [lines: readonly string[], body: string]> = [
  [[], ''],
  [[], ''],
  [[], ''],
  [['Content-Length: 0'], ''],
  [['Content-Length: 5'], 'hello'],
  [['Content-Length: 5'], 'hel'],
  [['Content-Length: 1'], ''],
  [['Content-Length: 1', 'Expect: 100-continue'], ''],
  [['Transfer-Encoding: chunked'], '5\r\nhello\r\n0\r\n\r\n'],
  [['Transfer-Encoding: chunked'], '5\r\nhello\r\n0\r\nX-A: b\r\n\r\n'],
  [['Transfer-Encoding: chunked'], '5\r\nhel'],
  [['Transfer-Encoding: chunked', 'Content-Length: 5'], 'hello'],
  [[], 'hello'],
]

/** What is sent over one connection: up to four requests, now and then cut short or with a byte changed. */
export function hostileHeads(draw: () => number, { host, authorization }: HostileCaller): string {
  const below = (bound: number) => Math.floor(draw() * bound)
  const pick = (from: readonly string[]) => from[below(from.length)] ?? ''
  const pickBody = () => BODIES[below(BODIES.length)] ?? [[], '']
  const lines = [
    'Expect: more',
    'Connection: close',
    'Connection: keep-alive',
    'Content-Type: application/x-www-form-urlencoded',
    'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
    'Sec-WebSocket-Version: 13',
    'Sec-WebSocket-Protocol: a, b',
    'Accept: text/html',
    'Trailer: X-A',
    `X-A: ${'a'.repeat(below(9_000))}`,
  ]
  const one = () => {
    const head = [`${pick(METHODS)} ${pick(TARGETS)} HTTP/1.${pick(['1', '1', '1', '1', '0'])}`]
    if (below(10) > 0) head.push(`Host: ${pick([host, host, host, 'x', ''])}`)
    if (below(2) > 0) head.push(`Authorization: ${authorization}`)
    if (below(2) > 0) head.push('Connection: Upgrade', pick(OFFERS))
    const [framing, body] = pickBody()
    head.push(...framing)
    for (let more = below(3); more > 0; more -= 1) head.push(pick(lines))
    return `${head.join('\r\n')}\r\n\r\n${body}`
  }
  const text = Array.from({ length: 1 + below(4) }, one).join('')
  const at = below(text.length)
  if (below(6) === 0) return text.slice(0, at)
  return below(8) === 0 ? `${text.slice(0, at)}${String.fromCharCode(below(256))}${text.slice(at + 1)}` : text
}

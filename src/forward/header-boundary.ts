/**
 * The header boundary: what passes from a caller to an upstream and back.
 *
 * Security: outbound headers are built from an allow-list, never by deleting from what came in. So a hop-by-hop trick
 * (`Connection: Impersonate-User`, capsule-proxy CVE-2022-23652), a folded spelling, an identity header of the
 * caller's own or a cookie has no way through. The credential's lines come last, from `present`, and no allowed name
 * can equal one of theirs. There is one builder, whatever the protocol of the request.
 */
import { type Credential, type HeaderLine, present } from '../credential.ts'
import { FIELD_VALUE, forOneCaller } from './answer-lines.ts'

/** What the API server and its clients say to each other and a proxy may repeat. Folded names. */
const TO_KUBERNETES = new Set([
  'accept',
  'accept-encoding',
  'accept-language',
  'content-type',
  'content-length',
  'content-encoding',
  'user-agent',
  'if-none-match',
  'if-match',
  'if-modified-since',
  'kubectl-command',
  'kubectl-session',
  'traceparent',
  'tracestate',
  'x-stream-protocol-version',
])

const FROM_KUBERNETES = new Set([
  'content-type',
  'content-length',
  'content-encoding',
  'cache-control',
  'etag',
  'last-modified',
  'expires',
  'vary',
  'date',
  'retry-after',
  'warning',
  'audit-id',
  'location',
  'x-kubernetes-pf-flowschema-uid',
  'x-kubernetes-pf-prioritylevel-uid',
  'allow',
])

/** A change of protocol that a request asks for. */
export interface AskedProtocol {
  /** As the Upgrade header names it. */
  readonly protocol: string
  /** Of WebSocket; the caller's bearer is not among them. */
  readonly subprotocols: readonly string[]
}

/** What of a request has no place in an upgrade, which has no body. */
const OF_A_BODY = new Set(['content-type', 'content-length', 'content-encoding'])
/**
 * The WebSocket handshake (RFC 6455 4.1). Extensions are not passed on: API servers know none. An API server opens no watch
 * to a client without an Origin, and asks for no particular one.
 */
const HANDSHAKE = new Set(['sec-websocket-key', 'sec-websocket-version', 'origin'])

/**
 * Header lines for the upstream, flat as undici takes them: allowed ones of the caller in their order, then those of the
 * change of protocol, written by us, then the credential's. Spellings with an underscore are never allowed ones.
 */
export function outboundHeaders(rawHeaders: readonly string[], credential: Credential, asked?: AskedProtocol): string[] {
  const lines: string[] = []
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
    const name = rawHeaders[i] ?? ''
    const value = rawHeaders[i + 1] ?? ''
    const folded = name.toLowerCase()
    const allowed =
      asked === undefined ? TO_KUBERNETES.has(folded) : HANDSHAKE.has(folded) || (TO_KUBERNETES.has(folded) && !OF_A_BODY.has(folded))
    if (allowed) lines.push(name, value)
  }
  if (asked !== undefined) {
    lines.push('Connection', 'Upgrade', 'Upgrade', asked.protocol)
    if (asked.subprotocols.length > 0) lines.push('Sec-WebSocket-Protocol', asked.subprotocols.join(', '))
  }
  for (const [name, value] of present(credential)) lines.push(name, value)
  return lines
}

/** What a 101 says beside its protocol. */
const FROM_SWITCHED = new Set(['sec-websocket-accept', 'sec-websocket-protocol', 'x-stream-protocol-version', 'audit-id'])

/** Header lines of a 101 for the caller. */
export function switchedHeaders(lines: readonly HeaderLine[], { protocol }: AskedProtocol): HeaderLine[] {
  const passed = lines.filter(([name, value]) => FROM_SWITCHED.has(name.toLowerCase()) && FIELD_VALUE.test(value))
  return [['Connection', 'Upgrade'], ['Upgrade', protocol], ...passed]
}

/** Where two lines of one name would let us and the caller each believe another, the first alone is passed on. */
const ONE_LINE = new Set([
  'content-type',
  'content-length',
  'content-encoding',
  'location',
  'date',
  'etag',
  'last-modified',
  'expires',
  'cache-control',
])

/**
 * Header lines of the upstream's answer that reach the caller. Cookies and hop-by-hop headers never do, and no store
 * may keep an answer for others.
 *
 * A `Location` is kept only when it is a path of the upstream, and then names the same thing below `mount`: clients
 * follow one with their bearer in hand, so an upstream must not be able to send them elsewhere (CVE-2022-3172).
 */
export function inboundHeaders(lines: readonly HeaderLine[], mount: string): HeaderLine[] {
  const seen = new Set<string>()
  const passed: HeaderLine[] = []
  for (const [name, value] of lines) {
    const folded = name.toLowerCase()
    if (!FROM_KUBERNETES.has(folded) || !FIELD_VALUE.test(value)) continue
    if (ONE_LINE.has(folded) && seen.has(folded)) continue
    seen.add(folded)
    if (folded === 'cache-control') passed.push([name, forOneCaller(value)])
    else if (folded !== 'location') passed.push([name, value])
    else if (/^\/(?![/\\])/.test(value)) passed.push([name, mount + value])
  }
  if (!seen.has('cache-control')) passed.push(['Cache-Control', 'no-cache, private'])
  return passed
}

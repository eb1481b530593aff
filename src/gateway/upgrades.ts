/**
 * Which requests may change the protocol of their connection, and what they show when they do.
 *
 * Security: an upgrade is one more way in, so it is none of its own: it goes through the same framing, the same journey
 * and the same header boundary as any request, below /clusters/ and to routes that take WebSockets alone. The listener
 * hands a connection over by host; whether its path is such a route's, the gateway decides as for any request. Browsers
 * cannot set Authorization on a WebSocket, so Kubernetes clients put their bearer into a subprotocol; here it counts as the
 * caller's bearer, together with an Authorization header it is two credentials, and it reaches neither API server nor
 * service.
 */
import type { IncomingMessage } from 'node:http'
import { Refusal } from '../errors.ts'
import type { AskedProtocol } from '../forward/header-boundary.ts'
import type { AskedWebSocket } from '../forward/route-headers.ts'
import { Secret } from '../secret.ts'
import { hostnameOf, type RequestHead } from './request-head.ts'

/** Protocols that Kubernetes streams over, as the Upgrade header names them. */
const PROTOCOL = /^(?:websocket|spdy\/3\.1)$/i
const BEARER = 'base64url.bearer.authorization.k8s.io.'

/** True when an Upgrade header offers a protocol that would leave HTTP. */
export function offersUpgrade(upgrade: string | undefined): boolean {
  return upgrade !== undefined && /\b(?:websocket|spdy)\b/i.test(upgrade)
}

/** Why an offer to leave HTTP that was not handed over is refused: for its body (`mayUpgrade`), or for its place. */
export function refusedOffer(head: RequestHead): Refusal {
  return bodyRefused(head) ?? new Refusal('upgrade_unsupported')
}

/** True for a request that would open a WebSocket (RFC 6455 4.1). */
export function asksWebSocket(method: string | undefined, upgrade: string | undefined): boolean {
  return method === 'GET' && upgrade?.toLowerCase() === 'websocket'
}

const NO_HOSTS: ReadonlySet<string> = new Set()

/**
 * True for what the listener hands over with its connection; everything else stays a request (HTTP/1.0 by RFC 9110 7.8),
 * and so does what has a body. No handshake has one, neither WebSocket's nor that of kubectl's SPDY, and with one Node hands
 * over a stand-in of the connection until the body is whole. `webSocketHosts` are the names of hosts with a route that takes
 * WebSockets.
 */
export function mayUpgrade(
  { url, headers, httpVersion, method }: Pick<IncomingMessage, 'url' | 'headers' | 'httpVersion' | 'method'>,
  webSocketHosts = NO_HOSTS,
): boolean {
  const { upgrade, host } = headers
  if (upgrade === undefined || httpVersion !== '1.1' || !PROTOCOL.test(upgrade)) return false
  if (headers['transfer-encoding'] !== undefined || (headers['content-length'] ?? '0') !== '0') return false
  if (url?.startsWith('/clusters/') === true) return true
  return asksWebSocket(method, upgrade) && webSocketHosts.has(hostnameOf(host))
}

/**
 * The subprotocols a WebSocket handshake offers (RFC 6455 11.3.4): those that may go on, and the bearer among them as the
 * Authorization value that it stands for. Throws Refusal `header_ambiguous` or `authorization_malformed`.
 */
export function readSubprotocols({ values }: RequestHead): { readonly offered: readonly string[]; readonly bearer: Secret | undefined } {
  const header = values.get('sec-websocket-protocol')
  if (header === undefined || values.get('upgrade')?.toLowerCase() !== 'websocket') return { offered: [], bearer: undefined }
  const all = header.split(',').map((protocol) => protocol.trim())
  // Subprotocols are tokens (RFC 9110 5.6.2): nothing else may stand in the line that we write.
  if (!all.every((protocol) => /^[A-Za-z0-9!#$%&'*+.^_`|~/-]+$/.test(protocol)))
    throw new Refusal('header_ambiguous', { detail: 'a subprotocol is not a token' })
  const [bearer, second] = all.filter((protocol) => protocol.toLowerCase().startsWith(BEARER))
  if (second !== undefined) throw new Refusal('header_ambiguous', { detail: 'the subprotocols hold two bearers' })
  return {
    offered: all.filter((protocol) => protocol !== bearer),
    bearer: bearer === undefined ? undefined : authorizationIn(bearer.slice(BEARER.length)),
  }
}

/** What an upgrade asks for. Throws Refusal `header_ambiguous` for one with a body, which nobody could tell from the stream. */
export function askedProtocol(head: RequestHead): AskedProtocol {
  const refusal = bodyRefused(head)
  if (refusal !== undefined) throw refusal
  return { protocol: head.values.get('upgrade') ?? '', subprotocols: readSubprotocols(head).offered }
}

/** The WebSocket handshake that is asked for. Throws Refusal `header_ambiguous` for one that is none, or that has a body. */
export function askedWebSocket(head: RequestHead): AskedWebSocket {
  const refusal = bodyRefused(head)
  if (refusal !== undefined) throw refusal
  const { values } = head
  const key = values.get('sec-websocket-key') ?? ''
  const version = values.get('sec-websocket-version') ?? ''
  const extensions = values.get('sec-websocket-extensions')
  // 16 bytes (RFC 6455 4.1). Which version it takes is the service's to say.
  if (!/^[A-Za-z0-9+/]{22}==$/.test(key) || !/^\d{1,3}$/.test(version) || !/^[\x20-\x7e]*$/.test(extensions ?? ''))
    throw new Refusal('header_ambiguous', { detail: 'it is no WebSocket handshake' })
  return { key, version, subprotocols: readSubprotocols(head).offered, extensions }
}

function bodyRefused({ values }: RequestHead): Refusal | undefined {
  const comes = values.has('transfer-encoding') || (values.get('content-length') ?? '0') !== '0'
  return comes ? new Refusal('header_ambiguous', { detail: 'an upgrade has no body' }) : undefined
}

/** The Authorization value it stands for. */
function authorizationIn(encoded: string): Secret {
  const token = Buffer.from(encoded, 'base64url')
  // Node skips what is not base64url; a token must not have two spellings.
  if (token.toString('base64url') !== encoded.replace(/=+$/, '') || token.length === 0)
    throw new Refusal('authorization_malformed', { detail: 'the bearer among the subprotocols is not base64url' })
  return new Secret(`Bearer ${token.toString('latin1')}`)
}

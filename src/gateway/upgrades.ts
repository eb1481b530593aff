/**
 * Which requests may change the protocol of their connection, and what they show when they do.
 *
 * Security: an upgrade is one more way in, so it is none of its own: it goes through the same framing, the same journey
 * and the same header boundary as any request, and only below /clusters/. Browsers cannot set Authorization on a
 * WebSocket, so Kubernetes clients put their bearer into a subprotocol; here it counts as the caller's bearer, together
 * with an Authorization header it is two credentials, and it never reaches the API server.
 */
import type { IncomingMessage } from 'node:http'
import { Refusal } from '../errors.ts'
import type { AskedProtocol } from '../forward/header-boundary.ts'
import { Secret } from '../secret.ts'
import type { RequestHead } from './request-head.ts'

/** Protocols that Kubernetes streams over, as the Upgrade header names them. */
const PROTOCOL = /^(?:websocket|spdy\/3\.1)$/i
const BEARER = 'base64url.bearer.authorization.k8s.io.'

/** True when an Upgrade header offers a protocol that would leave HTTP. */
export function offersUpgrade(upgrade: string | undefined): boolean {
  return upgrade !== undefined && /\b(?:websocket|spdy)\b/i.test(upgrade)
}

/** True for what the listener hands over with its connection; everything else stays a request (HTTP/1.0 by RFC 9110 7.8). */
export function mayUpgrade({ url, headers, httpVersion }: Pick<IncomingMessage, 'url' | 'headers' | 'httpVersion'>): boolean {
  const { upgrade } = headers
  return upgrade !== undefined && httpVersion === '1.1' && PROTOCOL.test(upgrade) && url?.startsWith('/clusters/') === true
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
  if (head.values.has('transfer-encoding') || (head.values.get('content-length') ?? '0') !== '0')
    throw new Refusal('header_ambiguous', { detail: 'an upgrade has no body' })
  return { protocol: head.values.get('upgrade') ?? '', subprotocols: readSubprotocols(head).offered }
}

/** The Authorization value it stands for. */
function authorizationIn(encoded: string): Secret {
  const token = Buffer.from(encoded, 'base64url')
  // Node skips what is not base64url; a token must not have two spellings.
  if (token.toString('base64url') !== encoded.replace(/=+$/, '') || token.length === 0)
    throw new Refusal('authorization_malformed', { detail: 'the bearer among the subprotocols is not base64url' })
  return new Secret(`Bearer ${token.toString('latin1')}`)
}

/** Refusals of what the gateway never got to see: which there are, and how they are written to the connection itself. */
import { type IncomingMessage, STATUS_CODES } from 'node:http'
import type { Duplex } from 'node:stream'
import { Refusal } from '../errors.ts'

const WRITTEN_WITHIN_MS = 5_000

/** HTTP/1.1 has a Host (RFC 9112 3.2); chunks before it are faulty framing (6.1); HTTP/0.9 has nothing to hold to. */
export function isMisframed({ httpVersion, headers }: IncomingMessage): boolean {
  if (httpVersion === '1.1') return headers.host === undefined
  return httpVersion !== '1.0' || headers['transfer-encoding'] !== undefined
}

/** What the parser or a bound of the connection refused. */
export function refusalOfParser(error: NodeJS.ErrnoException): Refusal {
  switch (error.code ?? '') {
    case 'HPE_HEADER_OVERFLOW':
      return new Refusal('headers_too_many')
    case 'ERR_HTTP_REQUEST_TIMEOUT':
    case 'ERR_TLS_HANDSHAKE_TIMEOUT':
      return new Refusal('request_timeout')
    case 'HPE_INVALID_URL':
      return new Refusal('path_ambiguous', { detail: 'it is no request target' })
    default:
      return misframed()
  }
}

/** The refusal of what is not HTTP/1.1 to the letter. */
export function misframed(): Refusal {
  return new Refusal('header_ambiguous', { detail: 'it is not HTTP/1.1 as RFC 9112 has it' })
}

/** Writes it and closes the connection with it, after `withinMs` in any case: what is not taken is never written to its end. */
export function writeRefusal(socket: Duplex, refusal: Refusal, withinMs = WRITTEN_WITHIN_MS): void {
  if (socket.destroyed) return
  const cut = setTimeout(() => socket.destroy(), withinMs)
  socket.once('close', () => clearTimeout(cut))
  const body = JSON.stringify({
    type: `urn:mandate:refusal:${refusal.code}`,
    title: refusal.title,
    status: refusal.status,
    code: refusal.code,
    mend: refusal.mend,
  })
  socket.end(
    `HTTP/1.1 ${refusal.status} ${STATUS_CODES[refusal.status] ?? ''}\r\nContent-Type: application/problem+json\r\nContent-Length: ${Buffer.byteLength(body)}\r\nCache-Control: no-store\r\nConnection: close\r\n\r\n${body}`,
    () => socket.destroy(),
  )
}

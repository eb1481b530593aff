/**
 * The listeners: node:http and node:https with bounds on everything a caller can make us wait for or hold.
 *
 * Security: Node's strict parser refuses bad framing before we see it; what it refuses is answered here without
 * quoting it. Header bytes, header count, time to the head and time to the body are bounded.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse, STATUS_CODES } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo, Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { SecretSource } from '../config/references.ts'
import { Refusal, type RefusalCode } from '../errors.ts'
import { describeError, type Log } from '../log.ts'
import type { Metrics } from '../metrics.ts'
import type { Gateway } from './gateway.ts'

const BOUNDS = {
  maxHeaderSize: 32_768,
  headersTimeout: 10_000,
  requestTimeout: 300_000,
  keepAliveTimeout: 60_000,
  connectionsCheckingInterval: 2_000,
  requireHostHeader: true,
  insecureHTTPParser: false,
  joinDuplicateHeaders: true,
} as const

export interface ListenOptions {
  readonly host: string
  readonly port: number
  readonly tls?: { readonly cert: SecretSource; readonly key: SecretSource }
}

export interface Listener {
  readonly port: number
  /** Stops accepting, lets answers finish for `graceMs`, then cuts what is left. */
  close(graceMs: number): Promise<void>
}

/** Listens and answers through the gateway. Rejects when the address cannot be bound or the certificate not be read. */
export async function listen(gateway: Gateway, options: ListenOptions, log: Log, metrics: Metrics): Promise<Listener> {
  const answer = (request: IncomingMessage, response: ServerResponse) => void gateway.answer(request, response)
  const server = options.tls === undefined ? createServer(BOUNDS, answer) : createTlsServer({ ...BOUNDS, ...readTls(options.tls), minVersion: 'TLSv1.2' }, answer)
  // 0 lifts Node's silent cut at 2,000 headers: we count and refuse, never drop.
  server.maxHeadersCount = 0
  server.on('upgrade', (request: IncomingMessage, socket: Duplex) => refuseUpgrade(gateway, request, socket))
  server.on('connect', (_request: IncomingMessage, socket: Duplex) => socket.destroy())
  server.on('clientError', (error: NodeJS.ErrnoException, socket: Duplex) => answerClientError(error, socket, metrics))
  const rotation = options.tls === undefined ? undefined : followRotation(server, options.tls, log)
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(options.port, options.host, () => {
      server.removeListener('error', reject)
      resolve()
    })
  })
  return {
    port: (server.address() as AddressInfo).port,
    close(graceMs) {
      clearInterval(rotation)
      return closeServer(server, graceMs)
    },
  }
}

/** Closes any HTTP server: idle connections at once, busy ones after the grace. */
export function closeServer(server: Server, graceMs: number): Promise<void> {
  return new Promise((resolve) => {
    const cut = setTimeout(() => server.closeAllConnections(), graceMs)
    server.close(() => {
      clearTimeout(cut)
      resolve()
    })
    server.closeIdleConnections()
  })
}

const ROTATION_EVERY_MS = 10_000

function readTls({ cert, key }: NonNullable<ListenOptions['tls']>): { cert: string; key: string } {
  return { cert: cert.read().expose(), key: key.read().expose() }
}

/** Takes a rotated certificate into use. One that cannot be read or parsed leaves the present one in place. */
function followRotation(server: Server, tls: NonNullable<ListenOptions['tls']>, log: Log): NodeJS.Timeout {
  let seen = `${tls.cert.version()} ${tls.key.version()}`
  const timer = setInterval(() => {
    try {
      const now = `${tls.cert.version()} ${tls.key.version()}`
      if (now === seen || !('setSecureContext' in server) || typeof server.setSecureContext !== 'function') return
      server.setSecureContext(readTls(tls))
      seen = now
      log.info('the TLS certificate was rotated')
    } catch (error) {
      log.warn('the rotated TLS certificate cannot be used yet', describeError(error))
    }
  }, ROTATION_EVERY_MS)
  timer.unref()
  return timer
}

function refuseUpgrade(gateway: Gateway, request: IncomingMessage, socket: Duplex): void {
  socket.on('error', () => undefined)
  writeRefusal(socket, gateway.refuseUpgrade(request))
}

function answerClientError(error: NodeJS.ErrnoException, socket: Duplex, metrics: Metrics): void {
  socket.on('error', () => undefined)
  if (error.code === 'ECONNRESET' || !socket.writable) return void socket.destroy()
  const code: RefusalCode = error.code === 'HPE_HEADER_OVERFLOW' ? 'headers_too_many' : 'header_ambiguous'
  metrics.count('mandate_refusals_total', { reason: code })
  // Once an answer has begun on this connection, a second head inside it could be read as part of the first.
  if ((socket as Socket).bytesWritten > 0 && error.code !== 'HPE_HEADER_OVERFLOW') return void socket.destroy()
  writeRefusal(socket, new Refusal(code, error.code === 'ERR_HTTP_REQUEST_TIMEOUT' ? { detail: 'the request did not arrive in time' } : {}))
}

function writeRefusal(socket: Duplex, refusal: Refusal): void {
  const body = JSON.stringify({ type: `urn:mandate:refusal:${refusal.code}`, title: refusal.title, status: refusal.status, code: refusal.code, mend: refusal.mend })
  socket.end(
    `HTTP/1.1 ${refusal.status} ${STATUS_CODES[refusal.status] ?? ''}\r\nContent-Type: application/problem+json\r\nContent-Length: ${Buffer.byteLength(body)}\r\nCache-Control: no-store\r\nConnection: close\r\n\r\n${body}`,
    () => socket.destroy(),
  )
}

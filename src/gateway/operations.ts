/**
 * /health, /ready and /metrics on a port of their own, so that nothing on the public port is exempt from the journey
 * (CVE-2026-34457: a health-check's User-Agent counted as authenticated).
 *
 * Security: it knows nobody, so whoever reaches it must not cost the people on the other ports anything. Requests of one
 * connection take turns (`turns.ts`), expositions are shared (`expositions.ts`), an answer that is not fetched ends its
 * connection, and one address alone cannot keep the platform's probes out.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type Clock, systemClock } from '../clock.ts'
import { describeError, type Log } from '../log.ts'
import type { Metrics } from '../metrics.ts'
import { DROPPED_FOR, limitConnections } from './connection-limit.ts'
import { shareExpositions } from './expositions.ts'
import { createGuard } from './guarded.ts'
import { closeServer, type Listener } from './server.ts'
import { createTurns } from './turns.ts'

/** What keeps this replica from serving, in fixed words; empty when it can. */
export type Readiness = () => readonly string[]

export interface OperationsOptions {
  readonly host: string
  readonly port: number
  readonly metrics: Metrics
  readonly readiness: Readiness
  readonly log: Log
  /** Replaces time in tests. */
  readonly clock?: Clock
  /** Replaces bounds in tests. */
  readonly bounds?: Partial<typeof BOUNDS>
}

/** Probes and scrapers are few, and quick. */
const CONNECTIONS = { total: 128, perAddress: 32, spared: () => false } as const
const BOUNDS = {
  maxHeaderSize: 8_192,
  headersTimeout: 5_000,
  requestTimeout: 10_000,
  connectionsCheckingInterval: 1_000,
  /** Milliseconds an asker may take to fetch what is left of an answer. */
  fetchTimeout: 10_000,
}

/** Serves the operations endpoints. */
export async function listenOperations(options: OperationsOptions): Promise<Listener> {
  const { host, port, metrics, readiness, log, clock = systemClock } = options
  const { fetchTimeout, ...bounds } = { ...BOUNDS, ...options.bounds }
  const guard = createGuard(log, () => metrics.count('mandate_refusals_total', { reason: 'fault', route: 'none' }))
  const turns = createTurns(fetchTimeout)
  const expose = shareExpositions(metrics, clock)
  const say = (request: IncomingMessage, response: ServerResponse) => {
    response.on('error', () => undefined)
    if (request.method !== 'GET' && request.method !== 'HEAD')
      return answer(response, 405, 'application/json', '{"status":"method not allowed"}\n')
    switch (request.url?.split('?', 1)[0] ?? '') {
      case '/health':
        return answer(response, 200, 'application/json', '{"status":"ok","service":"mandate"}\n')
      case '/ready': {
        const missing = readiness()
        const status = missing.length === 0 ? 'ready' : 'not ready'
        return answer(
          response,
          missing.length === 0 ? 200 : 503,
          'application/json',
          `${JSON.stringify({ status, service: 'mandate', missing })}\n`,
        )
      }
      case '/metrics':
        return expose().then(
          ({ contentType, body }) => answer(response, 200, contentType, body),
          () => answer(response, 500, 'text/plain', ''),
        )
      default:
        return answer(response, 404, 'application/json', '{"status":"not found"}\n')
    }
  }
  const take = (request: IncomingMessage, response: ServerResponse) => {
    const { socket } = request
    // The rest of what was read at once still arrives after the connection was cut.
    if (socket.destroyed) return
    if (turns.take(socket, response, () => guard(socket, () => (socket.destroyed ? undefined : say(request, response))))) return
    metrics.count('mandate_refusals_total', { reason: 'too_many_requests', route: 'none' })
    socket.destroy()
  }
  const server = createServer(bounds, (request, response) => guard(request.socket, () => take(request, response)))
  for (const bound of DROPPED_FOR) metrics.begin('mandate_connections_dropped_total', { listener: 'operations', bound })
  limitConnections(server, {
    ...CONNECTIONS,
    dropped: (bound) => metrics.count('mandate_connections_dropped_total', { listener: 'operations', bound }),
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, host, resolve)
  })
  server.on('error', (error) => log.warn('a connection could not be accepted', describeError(error)))
  return { port: (server.address() as AddressInfo).port, close: (graceMs) => closeServer(server, graceMs) }
}

function answer(response: ServerResponse, status: number, type: string, body: string | Buffer): void {
  response.writeHead(status, { 'Content-Type': type, 'Content-Length': Buffer.byteLength(body), 'Cache-Control': 'no-store' })
  response.end(body)
}

/**
 * /health, /ready and /metrics on a port of their own, so that nothing on the public port is exempt from the journey
 * (CVE-2026-34457: a health-check's User-Agent counted as authenticated).
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { describeError, type Log } from '../log.ts'
import type { Metrics } from '../metrics.ts'
import { limitConnections } from './connection-limit.ts'
import { createGuard } from './guarded.ts'
import { closeServer, type Listener } from './server.ts'

/** What keeps this replica from serving, in fixed words; empty when it can. */
export type Readiness = () => readonly string[]

export interface OperationsOptions {
  readonly host: string
  readonly port: number
  readonly metrics: Metrics
  readonly readiness: Readiness
  readonly log: Log
}

/** Probes and scrapers are few. */
const MOST_CONNECTIONS = 128

/** Serves the operations endpoints. */
export async function listenOperations({ host, port, metrics, readiness, log }: OperationsOptions): Promise<Listener> {
  const guard = createGuard(log, () => metrics.count('mandate_refusals_total', { reason: 'fault', route: 'none' }))
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
        return metrics.expose().then(
          ({ contentType, body }) => answer(response, 200, contentType, body),
          () => answer(response, 500, 'text/plain', ''),
        )
      default:
        return answer(response, 404, 'application/json', '{"status":"not found"}\n')
    }
  }
  const server = createServer({ maxHeaderSize: 8_192, requestTimeout: 10_000 }, (request, response) =>
    guard(request.socket, () => say(request, response)),
  )
  metrics.begin('mandate_connections_dropped_total', { listener: 'operations', bound: 'total' })
  limitConnections(server, {
    total: MOST_CONNECTIONS,
    perAddress: MOST_CONNECTIONS,
    spared: () => true,
    dropped: (bound) => metrics.count('mandate_connections_dropped_total', { listener: 'operations', bound }),
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, host, resolve)
  })
  server.on('error', (error) => log.warn('a connection could not be accepted', describeError(error)))
  return { port: (server.address() as AddressInfo).port, close: (graceMs) => closeServer(server, graceMs) }
}

function answer(response: ServerResponse, status: number, type: string, body: string): void {
  response.writeHead(status, { 'Content-Type': type, 'Content-Length': Buffer.byteLength(body), 'Cache-Control': 'no-store' })
  response.end(body)
}

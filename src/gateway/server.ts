/**
 * The listeners: node:http and node:https with bounds on everything a caller can make us wait for or hold.
 *
 * Security: Node's strict parser refuses bad framing before we see it; what it refuses is answered here without
 * quoting it. Requests of one connection are answered one after the other, so that nothing hidden behind a request
 * whose framing was refused is ever acted on: the refusal closes the connection first. Header bytes, header count,
 * requests that wait for their turn, and the time to the handshake (`handshakes.ts`), for the head, for the body and for
 * fetching a finished answer are bounded, and so are the connections themselves (`connection-limit.ts`). A request to change the
 * protocol is handed over with its connection only where the gateway serves that, and only as the first that is under way
 * there; anywhere else it is a request like any other. What a listener here throws costs one connection (`guarded.ts`).
 */
import { X509Certificate } from 'node:crypto'
import { createServer, type IncomingMessage, type Server, ServerResponse } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import { type AddressInfo, Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { SecretSource } from '../config/references.ts'
import { Refusal } from '../errors.ts'
import { describeError, type Log } from '../log.ts'
import { type ConnectionLimit, limitConnections } from './connection-limit.ts'
import type { Gateway } from './gateway.ts'
import { createGuard } from './guarded.ts'
import { boundHandshakes } from './handshakes.ts'
import { createTurns } from './turns.ts'
import { isMisframed, misframed, refusalOfParser, writeRefusal } from './unread-refusals.ts'
import { mayUpgrade } from './upgrades.ts'

/** How long and how much a connection may make us wait and hold. */
export interface Bounds {
  readonly maxHeaderSize: number
  readonly headersTimeout: number
  readonly requestTimeout: number
  readonly keepAliveTimeout: number
  readonly connectionsCheckingInterval: number
  /** Milliseconds a TLS handshake may take. */
  readonly handshakeTimeout: number
  /** Milliseconds a caller may take to fetch what is left of a finished answer. */
  readonly fetchTimeout: number
  /** Milliseconds after which it is looked whether the certificate was rotated. */
  readonly rotationInterval: number
}

const BOUNDS: Bounds = {
  maxHeaderSize: 32_768,
  headersTimeout: 10_000,
  requestTimeout: 300_000,
  keepAliveTimeout: 60_000,
  connectionsCheckingInterval: 2_000,
  handshakeTimeout: 10_000,
  fetchTimeout: 60_000,
  rotationInterval: 10_000,
}
// Node answers a missing Host by itself, yet hands on what is pipelined behind it: we refuse it ourselves.
const FRAMING = { requireHostHeader: false, insecureHTTPParser: false, joinDuplicateHeaders: true } as const
// A caller that vanished without a word is noticed after this and ten probes of a second, if its stream is quiet. Bytes on
// their way to it are sent again for as long as the kernel tries (net.ipv4.tcp_retries2).
const VANISHED = { keepAlive: true, keepAliveInitialDelay: 30_000 } as const
const TLS = { minVersion: 'TLSv1.2' } as const

/** Files, or variables of the environment. */
export interface TlsPlaces {
  readonly cert: string
  readonly key: string
}

export interface ListenOptions {
  readonly host: string
  readonly port: number
  /** `places` names where the two are, for the log. */
  readonly tls?: { readonly cert: SecretSource; readonly key: SecretSource; readonly places?: TlsPlaces }
  /** Whose requests are taken, by the address of the connection. Default: everybody's. */
  readonly from?: (peer: string | undefined) => boolean
  /** Names of hosts where a WebSocket may be opened elsewhere than below /clusters/. Default: none. */
  readonly webSocketHosts?: ReadonlySet<string>
  /** How many connections it holds. Default: as many as there are. */
  readonly connections?: ConnectionLimit
  /** Replaces bounds in tests. */
  readonly bounds?: Partial<Bounds>
}

export interface Listener {
  readonly port: number
  /** When the certificate that is served now ends, in milliseconds since the epoch; undefined without TLS. */
  readonly certificateEndsAt?: number | undefined
  /** Stops accepting, lets answers finish for `graceMs`, then cuts what is left. */
  close(graceMs: number): Promise<void>
}

/** Listens and answers through the gateway. Rejects when the address cannot be bound or the certificate not be read. */
export async function listen(gateway: Gateway, options: ListenOptions, log: Log): Promise<Listener> {
  const { fetchTimeout, rotationInterval, ...limits } = { ...BOUNDS, ...options.bounds }
  const turns = createTurns(fetchTimeout)
  // To be called before the connection is cut: afterwards nobody knows from where it came.
  const unread = (connection: Duplex, refusal: Refusal) =>
    gateway.refuseUnread(connection instanceof Socket ? connection.remoteAddress : undefined, refusal)
  const guard = createGuard(log, (connection) => unread(connection, new Refusal('fault')))
  const refuse = async (socket: Duplex, refusal: Refusal) => {
    socket.on('error', () => undefined)
    const counting = unread(socket, refusal)
    // Within an answer that has begun, a second head would be read as part of the first.
    if (turns.answering(socket)) socket.destroy()
    else writeRefusal(socket, refusal)
    await counting
  }
  const answer = (request: IncomingMessage, response: ServerResponse) => {
    const { socket } = request
    // The rest of what was read at once still arrives after the connection was cut.
    if (socket.destroyed) return
    const begin = () => {
      if (socket.destroyed || socket.writableEnded) return
      const refusal = refusedUnread(request)
      return refusal === undefined ? gateway.answer(request, response) : refuse(socket, refusal)
    }
    if (turns.take(socket, response, () => guard(socket, begin))) return
    const counting = unread(socket, new Refusal('too_many_requests', { detail: 'on one connection' }))
    socket.destroy()
    return counting
  }
  const refusedUnread = (request: IncomingMessage): Refusal | undefined => {
    if (options.from?.(request.socket.remoteAddress) === false) return new Refusal('peer_refused')
    return isMisframed(request) ? misframed() : undefined
  }
  const mayBeHandedOver = (request: IncomingMessage) => mayUpgrade(request, options.webSocketHosts)
  const handedOver = new Set<Duplex>()
  const handOver = (request: IncomingMessage, early: Buffer) => {
    const { socket } = request
    if (socket.destroyed) return
    const refusal = refusedUnread(request) ?? refusedUpgrade(mayBeHandedOver(request), turns.busy(socket))
    if (refusal !== undefined) return refuse(socket, refusal)
    return gateway.answer(request, lastAnswer(request, socket, fetchTimeout), { socket, early })
  }
  const askedOf = (request: IncomingMessage, response: ServerResponse) => guard(request.socket, () => answer(request, response))
  /**
   * For what Node hands over. With a body that is not whole yet it gives a stand-in, which fails with its connection; what
   * is under way is known of the connection itself, so that alone is looked at and spoken on.
   */
  const handing =
    (given: (request: IncomingMessage, early: Buffer) => unknown) => (request: IncomingMessage, standIn: Duplex, early: Buffer) =>
      guard(request.socket, () => {
        handedOver.add(request.socket)
        request.socket.once('close', () => handedOver.delete(request.socket))
        for (const each of new Set([standIn, request.socket])) each.on('error', () => undefined)
        return given(request, early)
      })
  const bounds = { ...limits, ...FRAMING, ...VANISHED, shouldUpgradeCallback: mayBeHandedOver }
  const server =
    options.tls === undefined ? createServer(bounds, askedOf) : createTlsServer({ ...bounds, ...TLS, ...readTls(options.tls) }, askedOf)
  // 0 lifts Node's silent cut at 2,000 headers: we count and refuse, never drop.
  server.maxHeadersCount = 0
  // Whoever waits for `100 Continue` gets it once somebody wants the body, so that a refusal can come before.
  server.on('checkContinue', askedOf)
  server.on('checkExpectation', askedOf)
  server.on('upgrade', handing(handOver))
  server.on(
    'connect',
    handing(({ socket }) => refuse(socket, new Refusal('path_ambiguous', { detail: 'it is not of the origin form' }))),
  )
  server.on('clientError', (error: NodeJS.ErrnoException, socket: Duplex) =>
    guard(socket, () => {
      if (error.code !== 'ECONNRESET' && socket.writable) return refuse(socket, refusalOfParser(error))
      socket.destroy()
    }),
  )
  const unshaken = (connection: Duplex, error: NodeJS.ErrnoException) =>
    guard(connection, () => (error.code === 'ECONNRESET' ? undefined : unread(connection, refusalOfParser(error))))
  const handshakes = options.tls === undefined ? undefined : boundHandshakes(server, unshaken)
  if (options.connections !== undefined) limitConnections(server, options.connections)
  const certificate = options.tls === undefined ? undefined : followRotation(server, options.tls, rotationInterval, log)
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(options.port, options.host, () => {
      server.removeListener('error', reject)
      resolve()
    })
  })
  // The system may have no room for one more connection: that is no fault, and those that are there go on.
  server.on('error', (error) => log.warn('a connection could not be accepted', describeError(error)))
  return {
    port: (server.address() as AddressInfo).port,
    get certificateEndsAt() {
      return certificate?.endsAt
    },
    close(graceMs) {
      clearInterval(certificate?.timer)
      const closing = closeServer(server, graceMs)
      handshakes?.cut()
      // The server has let go of these, yet waits for them.
      const cut = setTimeout(() => handedOver.forEach((socket) => socket.destroy()), graceMs)
      return closing.finally(() => clearTimeout(cut))
    },
  }
}

/** Asked once more of what was handed over: a Node that does not know the callback hands over everything. */
function refusedUpgrade(mayBeHandedOver: boolean, isBusy: boolean): Refusal | undefined {
  if (!mayBeHandedOver) return new Refusal('upgrade_unsupported')
  return isBusy ? new Refusal('header_ambiguous', { detail: 'an upgrade came before the answer it follows' }) : undefined
}

/** The answer on a connection that was handed over: the last one there, unless the protocol is changed. */
function lastAnswer(request: IncomingMessage, socket: Socket, fetchWithinMs: number): ServerResponse {
  const response = new ServerResponse(request)
  response.shouldKeepAlive = false
  response.assignSocket(socket)
  // Absolute: a byte now and then must not keep the connection, nor an answer that is not fetched to its end.
  response.once('prefinish', () => {
    if (response.socket !== socket) return
    const cut = setTimeout(() => socket.destroy(), fetchWithinMs)
    socket.once('close', () => clearTimeout(cut))
  })
  response.once('finish', () => {
    // Somebody else speaks on the connection by now.
    if (response.socket !== socket) return
    response.detachSocket(socket)
    // Read on, or its end would never be seen.
    socket.resume()
    socket.end()
  })
  return response
}

/** Closes any HTTP server: idle connections at once, busy ones after the grace. */
export function closeServer(server: Server, graceMs: number): Promise<void> {
  return new Promise((resolve) => {
    const cut = setTimeout(() => server.closeAllConnections(), graceMs)
    // A connection whose answer ends later is idle only then.
    const again = setInterval(() => server.closeIdleConnections(), 50)
    server.close(() => {
      clearTimeout(cut)
      clearInterval(again)
      resolve()
    })
    server.closeIdleConnections()
  })
}

function readTls({ cert, key }: NonNullable<ListenOptions['tls']>): { cert: string; key: string } {
  return { cert: cert.read().expose(), key: key.read().expose() }
}

/** The certificate that a server presents. */
interface Served {
  endsAt: number
  readonly timer: NodeJS.Timeout
}

/** Takes a rotated certificate into use. One that cannot be read or parsed leaves the present one in place. */
function followRotation(server: Server, tls: NonNullable<ListenOptions['tls']>, everyMs: number, log: Log): Served {
  let seen = `${tls.cert.version()} ${tls.key.version()}`
  const timer = setInterval(() => {
    try {
      const now = `${tls.cert.version()} ${tls.key.version()}`
      if (now === seen || !('setSecureContext' in server) || typeof server.setSecureContext !== 'function') return
      const rotated = readTls(tls)
      server.setSecureContext(rotated)
      served.endsAt = endOf(rotated)
      seen = now
      log.info('the TLS certificate was rotated')
    } catch (error) {
      log.warn('the rotated TLS certificate cannot be used yet', { ...tls.places, ...describeError(error) })
    }
  }, everyMs)
  timer.unref()
  const served: Served = { endsAt: endOf(readTls(tls)), timer }
  return served
}

/** The end of the first certificate: that is the server's own, authorities follow it. */
function endOf({ cert }: { readonly cert: string }): number {
  return new X509Certificate(cert).validToDate.getTime()
}

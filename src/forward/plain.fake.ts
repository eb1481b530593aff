/** An act on a service between two sockets, with a grant that writes down what it is asked: for tests of routes without the gateway. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type RequestListener, ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { TestContext } from 'node:test'
import { eventually } from '../../test/fakes/raw-http.ts'
import { type Clock, systemClock } from '../clock.ts'
import { asRefusal, type Refusal } from '../errors.ts'
import type { Acted, Grant } from '../grant.ts'
import { loginCaller } from '../principal.fake.ts'
import { createHttpUpstream } from './http.ts'
import { type PlainUpstream, plainAct } from './plain.ts'
import { plainUpgradeAct } from './plain-upgrade.ts'
import { createPool, createServer as createPoolServer } from './pool.ts'

export interface PlainStageOptions extends Partial<Pick<PlainUpstream, 'answerWithinMs' | 'pauseMs' | 'retries'>> {
  readonly maxAgeMs?: number
  readonly connectWithinMs?: number
  readonly bodyLimit?: number
  readonly writes?: boolean
  readonly grant?: Partial<Grant>
  readonly clock?: Clock
  /** What the gateway reads of a handshake. */
  readonly subprotocols?: readonly string[]
}

/** Acts on a service of one or several servers; struck when the test ends. */
export async function stageAct(t: TestContext, origins: string | readonly string[], options: PlainStageOptions = {}) {
  const clock = options.clock ?? systemClock
  const servers = [origins].flat().map((origin) =>
    createPoolServer(origin, clock, (onReached) =>
      createHttpUpstream({
        origin,
        onReached,
        ...(options.connectWithinMs === undefined ? {} : { connectWithinMs: options.connectWithinMs }),
      }),
    ),
  )
  const [ended, stopping] = [new AbortController(), new AbortController()]
  const ends: Array<Acted | Refusal> = []
  const recorded: string[] = []
  let live = 0
  const grant: Grant = {
    caller: loginCaller({ ended: ended.signal }),
    credential: { kind: 'identity', lines: [['X-Mandate-Subject', 'alice']], expiresAt: Number.POSITIVE_INFINITY },
    effect: async (what) => void recorded.push(`effect ${what}`),
    refused: () => true,
    renew: async () => assert.fail('there is no token to renew'),
    streamOpened: async () => void recorded.push('stream opened'),
    ...options.grant,
  }
  const target: PlainUpstream = {
    servers: createPool(servers, clock),
    origins: new Set(servers.map(({ origin }) => origin)),
    streamMaxAgeMs: options.maxAgeMs ?? 60_000,
    answerWithinMs: options.answerWithinMs ?? 5_000,
    ...(options.pauseMs === undefined ? {} : { pauseMs: options.pauseMs }),
    retries: options.retries ?? 0,
    retried: () => void recorded.push('retried'),
    webSockets: true,
    liveStreams: (change: 1 | -1) => {
      live += change
    },
    stopping: stopping.signal,
  }
  const settle = (acting: Promise<Acted>, response: ServerResponse) => {
    acting.then(
      (acted) => ends.push(acted),
      (error: unknown) => {
        const refusal = asRefusal(error)
        ends.push(refusal)
        if (response.headersSent) response.destroy()
        else response.writeHead(refusal.status, { 'content-length': refusal.code.length }).end(refusal.code)
      },
    )
  }
  const askedOf = (request: IncomingMessage, response: ServerResponse) => {
    const arrival = { address: '192.0.2.1', protocol: 'https', host: 'app.example', requestId: 'r-1' }
    return { request, response, path: request.url ?? '/', arrival, writes: options.writes ?? false, effect: 'x' }
  }
  const answer: RequestListener = (request, response) => {
    settle(plainAct(target, { ...askedOf(request, response), bodyLimit: options.bodyLimit ?? 1_000_000_000 })(grant), response)
  }
  const server = createServer(answer)
  server.on('checkContinue', answer)
  const connections = new Set<Duplex>()
  server.on('upgrade', (request, connection, early) => {
    connections.add(connection)
    connection.on('error', () => undefined)
    const response = new ServerResponse(request)
    response.shouldKeepAlive = false
    response.assignSocket(connection as Socket)
    response.once('finish', () => connection.end())
    const { headers } = request
    const asked = {
      key: headers['sec-websocket-key'] ?? '',
      version: headers['sec-websocket-version'] ?? '',
      subprotocols: options.subprotocols ?? [],
      extensions: headers['sec-websocket-extensions'],
    }
    settle(plainUpgradeAct(target, { ...askedOf(request, response), connection, early, asked })(grant), response)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(async () => {
    server.closeAllConnections()
    for (const connection of connections) connection.destroy()
    await Promise.all([new Promise((resolve) => server.close(resolve)), ...servers.map(({ upstream }) => upstream.close())])
  })
  const { port } = server.address() as AddressInfo
  const over = () =>
    eventually(
      () => ends,
      (all) => all.length === 1,
    ).then(([first]) => first)
  return {
    port,
    servers,
    ends,
    recorded,
    live: () => live,
    endCaller: () => ended.abort(),
    stop: () => stopping.abort(),
    over,
  }
}

/** An act on a Kubernetes API server between two sockets, with a grant that writes down what it is asked: for tests of the forward path alone. */
import { once } from 'node:events'
import { createServer, type IncomingMessage, type RequestListener, ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { Readable } from 'node:stream'
import type { TestContext } from 'node:test'
import { bearerCredential } from '../credential.ts'
import { asRefusal, Refusal } from '../errors.ts'
import type { Acted, Grant } from '../grant.ts'
import type { Caller, Proof } from '../principal.ts'
import { Secret } from '../secret.ts'
import { createHttpUpstream } from './http.ts'
import { type KubernetesRequest, kubernetesAct } from './kubernetes.ts'
import { kubernetesUpgradeAct } from './kubernetes-upgrade.ts'

export const LOGIN: Proof = { kind: 'login', loginId: 'login-of-the-test' }
export const BEARER: Proof = {
  kind: 'bearer',
  token: new Secret('t'),
  digest: 'd',
  audiences: [],
  scopes: [],
  expiresAt: Number.MAX_SAFE_INTEGER,
}

export interface ActStage {
  /** Where the caller asks. */
  readonly port: number
  readonly origin: string
  /** How each attempt ended, in the order of their ends. */
  readonly ends: ReadonlyArray<Acted | Refusal>
  /** What the grant recorded. */
  readonly recorded: readonly string[]
  /** Streams open by the gauge. */
  live(): number
  /** Ends the caller, as a logout does. */
  endCaller(reason?: unknown): void
  /** Stops the replica. */
  stop(): void
}

export interface ActStageOptions {
  readonly upstream: string
  readonly proof?: Proof
  readonly asked?: (request: IncomingMessage) => Partial<KubernetesRequest>
  readonly maxAgeMs?: number
  readonly answerWithinMs?: number
  readonly grant?: Partial<Grant>
}

/** Sets it up; struck when the test ends. */
export async function stageAct(t: TestContext, options: ActStageOptions): Promise<ActStage> {
  const upstream = createHttpUpstream({ origin: options.upstream })
  const ended = new AbortController()
  const stopping = new AbortController()
  const ends: Array<Acted | Refusal> = []
  const recorded: string[] = []
  let live = 0
  let tokens = 0
  const credential = () => bearerCredential(new Secret(`token-${tokens}`), Number.MAX_SAFE_INTEGER)
  const caller: Caller = {
    principal: { kind: 'person', provider: 'corp', issuer: 'i', subject: 's', groups: [] },
    proof: options.proof ?? BEARER,
    ended: ended.signal,
  }
  const grant = (): Grant => ({
    caller,
    credential: credential(),
    effect: async (what) => void recorded.push(`effect ${what}`),
    refused: () => true,
    async renew() {
      tokens += 1
      recorded.push('renewed')
      return credential()
    },
    streamOpened: async () => void recorded.push('stream opened'),
    ...options.grant,
  })
  const target = {
    upstream,
    streamMaxAgeMs: options.maxAgeMs ?? 60_000,
    answerWithinMs: options.answerWithinMs ?? 5_000,
    liveStreams: (change: 1 | -1) => {
      live += change
    },
    stopping: stopping.signal,
  }
  const answer: RequestListener = (request, response) => {
    const asked = {
      request,
      response,
      path: request.url ?? '/',
      mount: '/clusters/prod',
      stream: false,
      piecewise: true,
      writes: false,
      effect: 'x',
      bodyLimit: 1_000_000_000,
      ...options.asked?.(request),
    }
    settle(kubernetesAct(target, asked)(grant()), response)
  }
  const settle = (acting: Promise<Acted>, response: ServerResponse) => {
    acting.then(
      (acted) => ends.push(acted),
      (error: unknown) => {
        const refusal = error instanceof Refusal ? error : asRefusal(error)
        ends.push(refusal)
        if (response.headersSent) response.destroy()
        else response.writeHead(refusal.status, { 'Content-Type': 'text/plain' }).end(refusal.code)
      },
    )
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
    const asked = { protocol: request.headers.upgrade ?? '', subprotocols: [] }
    const path = request.url ?? '/'
    const upgrade = { request, response, connection, early, path, mount: '/clusters/prod', writes: true, effect: 'x', asked }
    settle(kubernetesUpgradeAct(target, upgrade)(grant()), response)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(async () => {
    server.closeAllConnections()
    for (const connection of connections) connection.destroy()
    await Promise.all([new Promise((resolve) => server.close(resolve)), upstream.close()])
  })
  const { port } = server.address() as AddressInfo
  return {
    port,
    origin: `http://127.0.0.1:${port}`,
    ends,
    recorded,
    live: () => live,
    endCaller: (reason) => ended.abort(reason),
    stop: () => stopping.abort(),
  }
}

/** An ordinary HTTP server as upstream. */
export async function startUpstream(t: TestContext, answer: (...exchange: Parameters<RequestListener>) => unknown): Promise<string> {
  const server = createServer((request, response) => void answer(request, response))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

export const JSON_TYPE = { 'content-type': 'application/json' }
export const codeOf = (end: unknown) => (end instanceof Refusal ? end.code : end)
export const STREAM = { asked: () => ({ stream: true }) }
export const PIECE = Buffer.alloc(65_536, 'x')

/** A body of so many pieces, made only as fast as it is taken. */
export const pieces = (count: number) =>
  Readable.from(
    (function* () {
      for (let i = 0; i < count; i += 1) yield PIECE
    })(),
    { objectMode: false },
  )

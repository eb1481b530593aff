/**
 * An issuer's bad days: a reverse proxy on loopback in front of a good issuer, with faults that a test switches on and off
 * for each endpoint while everything runs. The issuer behind must announce the proxy's URL: the embedded one is told by
 * `issuerUrl`, Keycloak by `--hostname` (or by nothing, since the Host header goes through unchanged).
 */
import { once } from 'node:events'
import { createServer, request as httpRequest, type IncomingMessage, type OutgoingHttpHeaders, type ServerResponse } from 'node:http'
import { request as httpsRequest } from 'node:https'
import type { AddressInfo } from 'node:net'
import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { pipeline } from 'node:stream/promises'
import { setTimeout as sleep } from 'node:timers/promises'

export type FaultyEndpoint = 'discovery' | 'jwks' | 'token' | 'authorization' | 'introspection' | 'revocation' | 'logout' | 'other'

/** What goes wrong. Faults marked (asked) reach the issuer first: it has acted, only its answer suffers. */
export type Fault = { readonly times?: number } & (
  | { readonly kind: 'slow'; readonly ms: number }
  | { readonly kind: 'status'; readonly status: number; readonly retryAfter?: string }
  | { readonly kind: 'html' }
  /** (asked) Half of the announced bytes, then a reset. */
  | { readonly kind: 'half-body' }
  /** A reset before the request was passed on. */
  | { readonly kind: 'reset' }
  /** (asked) A reset instead of the answer: the caller cannot know what happened. */
  | { readonly kind: 'lost-answer' }
  | { readonly kind: 'redirect'; readonly location: string; readonly status?: number }
  | { readonly kind: 'huge-body'; readonly bytes: number }
  /** (asked) The right body under another media type. */
  | { readonly kind: 'content-type'; readonly contentType: string }
  /** (asked) The JSON answer, changed. */
  | { readonly kind: 'rewrite'; readonly rewrite: (answer: Record<string, unknown>) => unknown }
  | { readonly kind: 'hang' }
)

export interface FaultyIssuer {
  /** The URL to use as the issuer. */
  readonly url: string
  /** The issuer behind. Until it is set, everything is answered with 503. */
  setTarget(url: string): void
  /** Replaces the fault of an endpoint. With `times` it ends after so many requests. */
  inject(endpoint: FaultyEndpoint | 'all', fault: Fault): void
  /** Back to good days, at one endpoint or at all. Requests that hang stay hanging. */
  heal(endpoint?: FaultyEndpoint | 'all'): void
  /** Connections are refused until `accept`; those that are open are cut. */
  refuse(): Promise<void>
  /** Listens again on the same port. */
  accept(): Promise<void>
  /** The requests so far, those that failed too. */
  requests(): Readonly<Record<FaultyEndpoint, number>>
  close(): Promise<void>
}

interface Answer {
  readonly status: number
  readonly headers: OutgoingHttpHeaders
  readonly body: Buffer
}

const ENDPOINT_PATTERNS: readonly (readonly [FaultyEndpoint, RegExp])[] = [
  ['discovery', /\/\.well-known\/(openid-configuration|oauth-authorization-server)$/],
  ['jwks', /\/(jwks|certs)$/],
  ['introspection', /\/token\/introspect(ion)?$/],
  ['revocation', /\/(token\/revocation|revoke)$/],
  ['token', /\/token$/],
  ['authorization', /\/auth(\/[^/]*)?$/],
  ['logout', /\/(logout|session\/end)/],
]

export async function startFaultyIssuer(target?: string): Promise<FaultyIssuer> {
  const faults = new Map<FaultyEndpoint | 'all', { readonly fault: Fault; left: number }>()
  const counts: Record<FaultyEndpoint, number> = {
    discovery: 0,
    jwks: 0,
    token: 0,
    authorization: 0,
    introspection: 0,
    revocation: 0,
    logout: 0,
    other: 0,
  }
  let behind = target
  const server = createServer((request, response) => {
    const path = (request.url ?? '/').replace(/\?.*/s, '')
    const endpoint = ENDPOINT_PATTERNS.find(([, pattern]) => pattern.test(path))?.[0] ?? 'other'
    counts[endpoint]++
    const active = faults.get(endpoint) ?? faults.get('all')
    const fault = active !== undefined && active.left-- > 0 ? active.fault : undefined
    serve(behind, fault, request, response).catch(() => response.destroy())
  })
  const listen = async (port: number) => {
    server.listen(port, '127.0.0.1')
    await once(server, 'listening')
  }
  const stop = async () => {
    const closed = once(server, 'close')
    server.close()
    server.closeAllConnections()
    await closed
  }
  await listen(0)
  const { port } = server.address() as AddressInfo
  return {
    url: `http://localhost:${port}`,
    setTarget: (url) => {
      behind = url
    },
    inject: (endpoint, fault) => void faults.set(endpoint, { fault, left: fault.times ?? Number.POSITIVE_INFINITY }),
    heal(endpoint) {
      if (endpoint === undefined) faults.clear()
      else faults.delete(endpoint)
    },
    refuse: stop,
    accept: () => listen(port),
    requests: () => ({ ...counts }),
    close: async () => {
      if (server.listening) await stop()
    },
  }
}

async function serve(target: string | undefined, fault: Fault | undefined, request: IncomingMessage, response: ServerResponse) {
  const answer = (): Promise<Answer> => ask(target, request)
  switch (fault?.kind) {
    case undefined:
      return send(response, await answer())
    case 'slow':
      await sleep(fault.ms)
      return send(response, await answer())
    case 'status': {
      const headers = {
        'content-type': 'text/plain',
        ...(fault.retryAfter === undefined ? {} : { 'retry-after': fault.retryAfter }),
      }
      return send(response, { status: fault.status, headers, body: Buffer.from('a bad day') })
    }
    case 'html':
      return send(response, {
        status: 200,
        headers: { 'content-type': 'text/html' },
        body: Buffer.from('<h1>We will be back soon</h1>'),
      })
    case 'redirect':
      return send(response, {
        status: fault.status ?? 302,
        headers: { location: fault.location },
        body: Buffer.alloc(0),
      })
    case 'huge-body':
      return sendHuge(response, fault.bytes)
    case 'content-type': {
      const good = await answer()
      return send(response, { ...good, headers: { ...good.headers, 'content-type': fault.contentType } })
    }
    case 'rewrite': {
      const good = await answer()
      return send(response, {
        ...good,
        body: Buffer.from(JSON.stringify(fault.rewrite(JSON.parse(good.body.toString('utf8'))))),
      })
    }
    case 'half-body': {
      const { status, headers, body } = await answer()
      response.writeHead(status, { ...headers, 'content-length': body.length })
      response.write(body.subarray(0, Math.floor(body.length / 2)), () => request.socket.resetAndDestroy())
      return
    }
    case 'lost-answer':
      await answer()
      return void request.socket.resetAndDestroy()
    case 'reset':
      return void request.socket.resetAndDestroy()
    case 'hang':
      return
  }
}

async function ask(target: string | undefined, request: IncomingMessage): Promise<Answer> {
  if (target === undefined) return { status: 503, headers: {}, body: Buffer.from('no issuer behind yet') }
  const url = new URL(target)
  const body = await buffer(request)
  // The name in the URL may resolve to an address nobody listens at; everything here is on 127.0.0.1.
  const settings = {
    host: '127.0.0.1',
    port: url.port,
    path: request.url,
    method: request.method,
    headers: request.headers,
    agent: false,
  }
  const call = url.protocol === 'https:' ? httpsRequest({ ...settings, rejectUnauthorized: false }) : httpRequest(settings)
  call.end(body)
  const [incoming] = (await once(call, 'response')) as [IncomingMessage]
  return { status: incoming.statusCode ?? 502, headers: incoming.headers, body: await buffer(incoming) }
}

function send(response: ServerResponse, { status, headers, body }: Answer): void {
  const { 'transfer-encoding': _chunked, connection: _hop, ...rest } = headers
  response.writeHead(status, { ...rest, 'content-length': body.length }).end(body)
}

/** A JSON string that goes on and on, written no faster than it is read. */
function sendHuge(response: ServerResponse, bytes: number): Promise<void> {
  const start = Buffer.from('{"keys":"')
  function* content() {
    yield start.subarray(0, bytes)
    const chunk = Buffer.alloc(64 * 1024, 'a')
    for (let left = bytes - start.length; left > 0; left -= chunk.length) yield chunk.subarray(0, Math.min(left, chunk.length))
  }
  response.writeHead(200, { 'content-type': 'application/json', 'content-length': bytes })
  return pipeline(Readable.from(content()), response)
}

/**
 * One API server as the clients of this room reach it.
 *
 * Security: who asks shows a token, so the origin is https, or http on loopback, or open by a key that says so.
 * `ask` and `stream` are functions of this module and reach the connections through a private field: they stand on no
 * class or object that could be had from an exported one, so nobody can put another in their place and see credentials.
 * They are for this room; the package does not export them.
 */
import { isLoopbackHost } from '../config/loopback.ts'
import { type Answer, type Asker, type Question, Transport, type TransportOptions } from './transport.ts'

export interface ApiServerOptions extends TransportOptions {
  /** Such as `https://prod.k8s.example:6443`. */
  readonly origin: string
  /** Takes http to another machine: whoever is on the way reads every token and changes every answer. */
  readonly plaintextOpen?: boolean
  /** Milliseconds that only go forward: the age of proofs is measured with it. */
  readonly monotonic?: () => number
  /** Milliseconds since the epoch: the end of a credential is measured with it. */
  readonly now?: () => number
}

interface Inside {
  readonly transport: Transport
  readonly monotonic: () => number
  readonly now: () => number
}

/** What an API server holds; set below, where its private field can be read. */
let inside: (server: ApiServer) => Inside

/** An API server, told apart from others by identity: a proof of one is nothing at another. */
class ApiServer {
  readonly origin: string
  readonly #inside: Inside

  static {
    inside = (server) => server.#inside
    Object.freeze(ApiServer.prototype)
  }

  constructor(options: ApiServerOptions) {
    this.origin = originOf(options)
    const { monotonic = () => performance.now(), now = Date.now } = options
    this.#inside = { transport: new Transport(this.origin, { ...options }), monotonic, now }
    Object.freeze(this)
  }

  /** Ends the connections; what is under way fails. */
  close(): Promise<void> {
    return this.#inside.transport.close()
  }
}

export type { ApiServer }

/**
 * Opens connections as they are needed. Throws a TypeError when `origin` is not an origin of https, or of http on
 * loopback; with `plaintextOpen: true` http to other hosts is taken as well.
 */
export function createApiServer(options: ApiServerOptions): ApiServer {
  return new ApiServer(options)
}

/** Asks once, and gives the whole answer. Throws a Refusal when there is none. */
export function ask(server: ApiServer, as: Asker, question: Question): Promise<Answer> {
  return inside(server).transport.ask(as, question)
}

/** The body of a 200 as it comes, or an answer that is none. */
export function stream(server: ApiServer, as: Asker, question: Question): Promise<Answer | AsyncIterable<Buffer>> {
  return inside(server).transport.stream(as, question)
}

/** Milliseconds that only go forward. */
export function monotonic(server: ApiServer): number {
  return inside(server).monotonic()
}

/** Milliseconds since the epoch. */
export function now(server: ApiServer): number {
  return inside(server).now()
}

/** The origin, looked at as it is written: what a parser would drop was meant for something. No message quotes it. */
function originOf({ origin, plaintextOpen }: ApiServerOptions): string {
  const url = typeof origin === 'string' ? URL.parse(origin) : null
  if (url === null || !/^https?:\/\//i.test(origin))
    throw new TypeError('the origin is not an http or https URL: write https://host[:port]')
  if (origin.includes('@')) throw new TypeError('the origin carries a user name or password: remove them')
  if (/[?#]/.test(origin)) throw new TypeError('the origin carries a query or fragment: remove it')
  if (!/^https?:\/\/[^/\\\s]+\/?$/i.test(origin)) throw new TypeError('the origin has a path: remove it')
  if (url.protocol === 'http:' && !isLoopbackHost(url.hostname) && plaintextOpen !== true) {
    throw new TypeError('the origin is http to a host that is not loopback: use https, or write plaintextOpen: true')
  }
  return url.origin
}

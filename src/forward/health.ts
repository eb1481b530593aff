/**
 * Asks every server of a pool, again and again, whether it is well.
 *
 * Security: a check is a request of Mandate's own. It carries nobody's credential and nothing of any caller, on connections
 * that serve nothing else, and of its answer only the status is looked at: the rest is dropped with its connection. One
 * check of a server is under way at a time, within its bound, so a server that hangs holds one socket. The first checks
 * are spread over the interval, and with them all later ones, so that many routes and replicas do not ask as one.
 */
import type { Clock, Timer } from '../clock.ts'
import type { HealthConfig } from '../config/route-upstream.ts'
import { Refusal } from '../errors.ts'
import type { Log } from '../log.ts'
import type { Cut, Upstream } from './upstream.ts'

/** A server, and where the verdict on it is kept. */
export interface CheckedServer {
  readonly origin: string
  well: boolean
}

export interface HealthOptions {
  /** Of which route the servers are, for the log. */
  readonly route: string
  readonly servers: readonly CheckedServer[]
  /** Connections to a server for checks alone. */
  readonly connect: (origin: string) => Upstream
  readonly health: HealthConfig
  readonly clock: Clock
  readonly log: Log
  /** Told of each verdict: the first one, and each change. */
  readonly observe: (server: string, up: boolean) => void
  /** From 0 up to 1; for tests. */
  readonly random?: () => number
}

export interface HealthChecks {
  /** Ends the checks, those under way included. */
  stop(): Promise<void>
}

const HEADERS = ['User-Agent', 'mandate-health-check', 'Accept', '*/*']

/** Starts them. Until its first verdict a server counts as well. */
export function checkHealth(options: HealthOptions): HealthChecks {
  const all = options.servers.map((server) => checkServer(server, options))
  return { stop: async () => void (await Promise.all(all.map((stop) => stop()))) }
}

function checkServer(server: CheckedServer, options: HealthOptions): () => Promise<void> {
  const { health, clock, random = Math.random } = options
  const upstream = options.connect(server.origin)
  const stopping = new Stop()
  const judge = judgeOf(server, options)
  let timer: Timer | undefined
  const check = async () => {
    const problem = await ask(upstream, health, stopping)
    if (stopping.over) return
    judge(problem)
    timer = clock.after(health.every, run)
  }
  const run = () => void check()
  timer = clock.after(random() * health.every, run)
  return () => {
    timer?.cancel()
    stopping.now()
    return upstream.close()
  }
}

/** What is wrong with the server, in a few fixed words; undefined for nothing. Never throws. */
async function ask(upstream: Upstream, { path, within }: HealthConfig, cut: Cut): Promise<string | undefined> {
  let status = 0
  const request = { method: 'GET', path, headers: [...HEADERS], body: undefined, cut, answerWithinMs: within }
  try {
    await upstream.forward(request, (head) => {
      status = head.status
      return undefined
    })
  } catch (error) {
    return error instanceof Refusal ? (error.detail ?? error.title) : 'it could not be asked'
  }
  return status >= 200 && status < 400 ? undefined : `it answered ${status}`
}

function judgeOf(server: CheckedServer, { route, health, log, observe }: HealthOptions): (problem: string | undefined) => void {
  let inRow = 0
  let wasGood = true
  let judged = false
  return (problem) => {
    const good = problem === undefined
    inRow = good === wasGood ? inRow + 1 : 1
    wasGood = good
    const changes = good !== server.well && inRow >= (good ? health.upAfter : health.downAfter)
    if (changes) {
      server.well = good
      if (good) log.info('a server of a route is well again', { route, server: server.origin })
      else log.warn('a server of a route is not well and gets no more requests', { route, server: server.origin, problem })
    }
    if (!changes && (judged || !good)) return
    judged = true
    observe(server.origin, server.well)
  }
}

class Stop implements Cut {
  #listener: (() => void) | undefined
  over = false

  listen(listener: (() => void) | undefined): void {
    this.#listener = listener
  }

  now(): void {
    this.over = true
    this.#listener?.()
  }
}

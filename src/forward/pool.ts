/**
 * Several servers that serve alike and take turns.
 *
 * A server that could not be reached is passed over for a while; then one request tries it, and the others follow once it
 * can be reached again. This is advice: where every server is passed over, the one that was so the longest is tried, since
 * a moment without a network must not become an outage of its own. What health checks say is no advice: a server that is
 * not well gets nothing, and where none is well the answer is a refusal at once.
 */
import type { Clock } from '../clock.ts'
import { Refusal } from '../errors.ts'
import type { Servers, Upstream, UpstreamRequest } from './upstream.ts'

/** One server of a pool, and what is known of it. */
export interface Server {
  /** As configured, by which it is named in metrics and the log. */
  readonly origin: string
  readonly upstream: Upstream
  /** What the health checks say; true without any. */
  well: boolean
  /** Until when it is passed over, by the clock; 0 when it was reached last. */
  passedOverUntil: number
}

const PASSED_OVER_FOR_MS = 5_000

/**
 * A server of a pool that `connect` makes the upstream of; that has to say each time a connection was tried whether one
 * could be had.
 */
export function createServer(origin: string, clock: Clock, connect: (onReached: (reached: boolean) => void) => Upstream): Server {
  const upstream = connect((reached) => {
    server.passedOverUntil = reached ? 0 : clock.now() + PASSED_OVER_FOR_MS
  })
  const server: Server = { origin, upstream: observed(upstream, () => server, clock), well: true, passedOverUntil: 0 }
  return server
}

/**
 * Learns from the requests of a server that is passed over. An answer on a connection that was still open counts as well as
 * a new one. A request whose caller left before anything was known has tried nothing: the next one does.
 */
function observed(upstream: Upstream, of: () => Server, clock: Clock): Upstream {
  const watched = async <T>({ cut }: Pick<UpstreamRequest, 'cut'>, asking: () => Promise<T>): Promise<T> => {
    const server = of()
    const until = server.passedOverUntil
    return asking().finally(() => {
      if (cut.over && server.passedOverUntil === until) server.passedOverUntil = clock.now()
    })
  }
  return {
    forward(request, onHead) {
      const server = of()
      if (server.passedOverUntil === 0) return upstream.forward(request, onHead)
      return watched(request, () =>
        upstream.forward(request, (head) => {
          server.passedOverUntil = 0
          return onHead(head)
        }),
      )
    },
    upgrade: (request) => (of().passedOverUntil === 0 ? upstream.upgrade(request) : watched(request, () => upstream.upgrade(request))),
    close: () => upstream.close(),
  }
}

/** The pool of these servers, at least one. A single one is neither passed over nor looked for. */
export function createPool(servers: readonly Server[], clock: Clock): Servers {
  const [only] = servers
  if (only !== undefined && servers.length === 1) return alone(only)
  let turn = 0
  return {
    next(after) {
      let best: Server | undefined
      for (let step = 0; step < servers.length; step += 1) {
        const server = servers[(turn + step) % servers.length]
        if (server === undefined || !server.well) continue
        if (server.upstream !== after && isToBeTried(server, clock)) {
          turn = (turn + step + 1) % servers.length
          // One request at a time tries it: a server that swallows packets would keep each of them waiting.
          if (server.passedOverUntil !== 0) server.passedOverUntil = clock.now() + PASSED_OVER_FOR_MS
          return server.upstream
        }
        if (best === undefined || isBetter(server, best, after)) best = server
      }
      return wellOr(best)
    },
  }
}

function alone(server: Server): Servers {
  return { next: () => wellOr(server.well ? server : undefined) }
}

function wellOr(server: Server | undefined): Upstream {
  if (server === undefined) throw new Refusal('upstream_unavailable', { detail: 'none of its servers is well' })
  return server.upstream
}

function isToBeTried({ passedOverUntil }: Server, clock: Clock): boolean {
  return passedOverUntil === 0 || passedOverUntil <= clock.now()
}

/** Of those that are not to be tried: the one that has just failed is the last resort, unless it was reached. */
function isBetter(one: Server, other: Server, after: Upstream | undefined): boolean {
  const waits = ({ upstream, passedOverUntil }: Server) =>
    upstream === after && passedOverUntil !== 0 ? Number.POSITIVE_INFINITY : passedOverUntil
  return waits(one) < waits(other)
}

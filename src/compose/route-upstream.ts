/** Where a route leads: its servers, what is known of them, and how long they may take. */
import type { Clock } from '../clock.ts'
import type { Config } from '../config/config.ts'
import { secretSource } from '../config/references.ts'
import type { RouteConfig } from '../config/route.ts'
import { checkHealth } from '../forward/health.ts'
import { createHttpUpstream } from '../forward/http.ts'
import type { PlainUpstream } from '../forward/plain.ts'
import { createPool, createServer } from '../forward/pool.ts'
import type { Lifecycle } from '../lifecycle.ts'
import type { Log } from '../log.ts'
import type { Metrics } from '../metrics.ts'
import type { Connect } from './connections.ts'

export interface UpstreamSurroundings {
  readonly connect: Connect
  readonly clock: Clock
  readonly log: Log
  readonly metrics: Metrics
  readonly lifecycle: Lifecycle
  readonly stopping: AbortSignal
}

/** Where a route leads; undefined for one that a proxy forwards by itself. Throws when its CA cannot be read. */
export function composeRouteUpstream(route: RouteConfig, config: Config, surroundings: UpstreamSurroundings): PlainUpstream | undefined {
  const { name, upstream: pool, ca, timeouts, retries, websockets } = route
  if (pool === undefined) return undefined
  const { connect, clock, log, metrics, lifecycle, stopping } = surroundings
  const id = `route/${name}`
  const way = { connectWithinMs: timeouts.connect, ca }
  const several = pool.servers.length > 1
  const servers = pool.servers.map((origin) =>
    createServer(origin, clock, (onReached) => connect({ origin, ...way }, several ? onReached : undefined)),
  )
  if (pool.health !== undefined) {
    const checks = checkHealth({
      route: id,
      servers,
      // Of their own: what they find must not wait for callers' requests.
      connect: (origin) =>
        createHttpUpstream({
          origin,
          connectWithinMs: timeouts.connect,
          ...(ca === undefined ? {} : { ca: () => secretSource(ca).read().expose() }),
        }),
      health: pool.health,
      clock,
      log,
      observe: (server, up) => metrics.set('mandate_upstream_up', { route: id, server }, up ? 1 : 0),
    })
    lifecycle.onStop(`${id} health`, () => checks.stop())
  }
  return {
    servers: createPool(servers, clock),
    origins: new Set(pool.servers),
    streamMaxAgeMs: config.streams.maxAge,
    answerWithinMs: timeouts.answer ?? config.limits.answerWithin,
    pauseMs: timeouts.idle,
    retries,
    retried: () => metrics.count('mandate_upstream_retries_total', { route: id }),
    webSockets: websockets,
    liveStreams: (change) => metrics.add('mandate_live_streams', { route: id }, change),
    stopping,
  }
}

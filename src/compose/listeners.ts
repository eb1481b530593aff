/** Where the gateway listens, and to which host names. */
import { resolve } from 'node:path'
import type { Config } from '../config/config.ts'
import { isLoopbackHost } from '../config/loopback.ts'
import { secretSource } from '../config/references.ts'
import { aliasesOf } from '../config/unsafe/route-faults.ts'
import type { Reference } from '../config/values.ts'
import { peerCheck } from '../gateway/address.ts'
import { type ConnectionLimit, DROPPED_FOR } from '../gateway/connection-limit.ts'
import { type Listener, listen } from '../gateway/server.ts'
import type { Lifecycle } from '../lifecycle.ts'
import type { Log } from '../log.ts'
import type { Metrics } from '../metrics.ts'

const STREAM_GRACE_MS = 5_000

/** Host names, without ports, that are ours. */
export function hostnamesOf(config: Config): ReadonlySet<string> {
  return new Set([new URL(config.publicUrl).hostname, ...aliasesOf(config), ...config.routes.map(({ match }) => match.host)])
}

/** The part of a configuration that says how many connections there may be. */
export interface BoundConnections {
  readonly limits: Pick<Config['limits'], 'connections'>
}

/** The bound on a listener's connections, and its count of those that were dropped. */
export function boundConnections(
  { connections: { plain, tls, perAddress } }: BoundConnections['limits'],
  listener: string,
  hasTls: boolean,
  spared: ConnectionLimit['spared'],
  metrics: Metrics,
): ConnectionLimit {
  const total = hasTls ? tls : plain
  for (const bound of DROPPED_FOR) metrics.begin('mandate_connections_dropped_total', { listener, bound })
  return { total, perAddress, spared, dropped: (bound) => metrics.count('mandate_connections_dropped_total', { listener, bound }) }
}

function placeOf(reference: Reference): string {
  return 'env' in reference ? `$${reference.env}` : resolve(reference.file)
}

/** Binds the configured addresses; they close with the lifecycle. `bound` is told of each. */
export async function composeListeners(
  { listen: on, routes, limits }: Config,
  gateway: Parameters<typeof listen>[0],
  log: Log,
  metrics: Metrics,
  lifecycle: Lifecycle,
  bound: (listener: Listener) => void,
) {
  const webSocketHosts = new Set(routes.filter(({ websockets }) => websockets).map(({ match }) => match.host))
  const spared = peerCheck(on.behind)
  const start = async (name: string, options: Parameters<typeof listen>[1]): Promise<number> => {
    const connections = boundConnections(limits, name, options.tls !== undefined, spared, metrics)
    const listener: Listener = await listen(gateway, { ...options, webSocketHosts, connections }, log)
    lifecycle.onStop(name, () => listener.close(STREAM_GRACE_MS))
    bound(listener)
    return listener.port
  }
  return {
    http: on.http && (await start('http', { ...on.http, ...(isLoopbackHost(on.http.host) ? {} : { from: spared }) })),
    https:
      on.https &&
      (await start('https', {
        host: on.https.host,
        port: on.https.port,
        tls: {
          cert: secretSource(on.https.cert),
          key: secretSource(on.https.key),
          places: { cert: placeOf(on.https.cert), key: placeOf(on.https.key) },
        },
      })),
  }
}

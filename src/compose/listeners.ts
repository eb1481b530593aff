/** Where the gateway listens, and to which host names. */
import type { Config } from '../config/config.ts'
import { isLoopbackHost } from '../config/loopback.ts'
import { secretSource } from '../config/references.ts'
import { aliasesOf } from '../config/route-faults.ts'
import { peerCheck } from '../gateway/address.ts'
import { type Listener, listen } from '../gateway/server.ts'
import type { Lifecycle } from '../lifecycle.ts'
import type { Log } from '../log.ts'

const STREAM_GRACE_MS = 5_000

/** Host names, without ports, that are ours. */
export function hostnamesOf(config: Config): ReadonlySet<string> {
  return new Set([new URL(config.publicUrl).hostname, ...aliasesOf(config), ...config.routes.map(({ match }) => match.host)])
}

/** Binds the configured addresses; they close with the lifecycle. `bound` is told of each. */
export async function composeListeners(
  { listen: on, routes }: Config,
  gateway: Parameters<typeof listen>[0],
  log: Log,
  lifecycle: Lifecycle,
  bound: (listener: Listener) => void,
) {
  const webSocketHosts = new Set(routes.filter(({ websockets }) => websockets).map(({ match }) => match.host))
  const start = async (name: string, options: Parameters<typeof listen>[1]): Promise<number> => {
    const listener: Listener = await listen(gateway, { ...options, webSocketHosts }, log)
    lifecycle.onStop(name, () => listener.close(STREAM_GRACE_MS))
    bound(listener)
    return listener.port
  }
  return {
    http: on.http && (await start('http', { ...on.http, ...(isLoopbackHost(on.http.host) ? {} : { from: peerCheck(on.behind) }) })),
    https:
      on.https &&
      (await start('https', {
        host: on.https.host,
        port: on.https.port,
        tls: { cert: secretSource(on.https.cert), key: secretSource(on.https.key) },
      })),
  }
}

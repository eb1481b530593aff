/** Where proxies ask before they forward. */
import type { Config } from '../config/config.ts'
import { secretSource } from '../config/references.ts'
import { addressReader, listedPeers } from '../gateway/address.ts'
import { createForwardAuth, type ForwardAuthParts } from '../gateway/forward-auth.ts'
import { type Listener, listen } from '../gateway/server.ts'
import type { Lifecycle } from '../lifecycle.ts'
import type { Log } from '../log.ts'
import { type BoundConnections, boundConnections } from './listeners.ts'

const GRACE_MS = 5_000

/** Binds the configured address, if there is one, and resolves to its port; it closes with the lifecycle. `bound` is told of it. */
export async function composeForwardAuth(
  { listen: { forwardAuth: on }, limits }: Pick<Config, 'listen'> & BoundConnections,
  parts: Omit<ForwardAuthParts, 'headers' | 'addressOf'>,
  log: Log,
  lifecycle: Lifecycle,
  bound: (listener: Listener) => void,
): Promise<number | undefined> {
  if (on === undefined) return undefined
  const { host, port, trusted, headers, cert, key } = on
  const tls = cert === undefined || key === undefined ? {} : { tls: { cert: secretSource(cert), key: secretSource(key) } }
  const door = createForwardAuth({ ...parts, headers, addressOf: addressReader(trusted) })
  const from = listedPeers(trusted)
  const connections = boundConnections(limits, 'forward-auth', 'tls' in tls, from, parts.metrics)
  const listener: Listener = await listen(door, { host, port, from, connections, ...tls }, log)
  lifecycle.onStop('forward-auth', () => listener.close(GRACE_MS))
  bound(listener)
  return listener.port
}

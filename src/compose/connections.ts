/** Connections to services. Routes that lead to the same server in the same way share them: each route of its own would be cold. */
import { secretSource } from '../config/references.ts'
import type { Reference } from '../config/values.ts'
import { createHttpUpstream } from '../forward/http.ts'
import type { Upstream } from '../forward/upstream.ts'
import type { Lifecycle } from '../lifecycle.ts'
import type { Log } from '../log.ts'

export interface Connecting {
  readonly origin: string
  readonly connectWithinMs: number
  /** PEM certificates to trust instead of the system's. */
  readonly ca: Reference | undefined
}

/** The upstream of a server. `onReached` is told each time a connection was tried, by whichever of its routes. */
export type Connect = (to: Connecting, onReached?: (reached: boolean) => void) => Upstream

/** Upstreams that close with the lifecycle; the log says when one cannot be reached and why, and when it can again. Throws, when one is made, if its CA cannot be read. */
export function createConnections(lifecycle: Lifecycle, log: Log): Connect {
  const made = new Map<string, { readonly upstream: Upstream; readonly told: Array<(reached: boolean) => void> }>()
  return ({ origin, connectWithinMs, ca }, onReached) => {
    const key = JSON.stringify([origin, connectWithinMs, ca])
    let shared = made.get(key)
    if (shared === undefined) {
      const told: Array<(reached: boolean) => void> = []
      let wasReached = true
      const upstream = createHttpUpstream({
        origin,
        connectWithinMs,
        ...(ca === undefined ? {} : { ca: () => secretSource(ca).read().expose() }),
        onReached: (reached, fault) => {
          if (reached !== wasReached) {
            if (reached) log.info('a service can be reached again', { server: origin })
            else log.warn('a service cannot be reached', { server: origin, ...fault })
          }
          wasReached = reached
          for (const tell of told) tell(reached)
        },
      })
      lifecycle.onStop(`connections to ${origin}`, () => upstream.close())
      shared = { upstream, told }
      made.set(key, shared)
    }
    if (onReached !== undefined) shared.told.push(onReached)
    return shared.upstream
  }
}

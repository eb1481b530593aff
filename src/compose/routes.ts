/** The HTTP services that routes lead to, by their hosts. */
import { createNone } from '../assume/none.ts'
import type { Config } from '../config/config.ts'
import { secretSource } from '../config/references.ts'
import type { RouteConfig } from '../config/route.ts'
import { createHttpUpstream } from '../forward/http.ts'
import { spelled } from '../forward/withheld-headers.ts'
import type { Cookies } from '../gateway/cookies.ts'
import { presentedBy } from '../gateway/gateway.ts'
import { createRouteHosts, type Route, type RouteHost } from '../gateway/routes.ts'
import type { Lifecycle } from '../lifecycle.ts'
import type { Metrics } from '../metrics.ts'

export interface RouteSurroundings {
  readonly cookies: Cookies
  readonly metrics: Metrics
  readonly lifecycle: Lifecycle
  readonly stopping: AbortSignal
}

/** All routes, ready to be found by host name. */
export function composeRouteHosts(config: Config, surroundings: RouteSurroundings): ReadonlyMap<string, RouteHost> {
  const routes = config.routes.map((route) => composeRoute(route, config, surroundings))
  return createRouteHosts(routes, config.publicUrl, (self) => presentedBy(surroundings.cookies, self))
}

function composeRoute(route: RouteConfig, config: Config, { metrics, lifecycle, stopping }: RouteSurroundings): Route {
  const { name, match, allow, upstream: origin, ca, serviceWorkerOpen, withhold } = route
  const upstream = createHttpUpstream({ origin, ...(ca === undefined ? {} : { ca: () => secretSource(ca).read().expose() }) })
  const id = `route/${name}`
  lifecycle.onStop(id, () => upstream.close())
  return {
    name,
    host: match.host,
    path: match.path,
    upstream: {
      upstream,
      origin,
      streamMaxAgeMs: config.streams.maxAge,
      answerWithinMs: config.limits.answerWithin,
      liveStreams: (change) => metrics.add('mandate_live_streams', { route: id }, change),
      stopping,
    },
    // Not in a cache: it makes the credential of a caller once by itself.
    source: createNone(),
    sourceName: 'none',
    target: { id, audience: '', scopes: [] },
    persons: allow.callers.includes('person'),
    serviceWorkerOpen,
    withheld: withhold.length === 0 ? undefined : new Set(withhold.map(spelled)),
  }
}

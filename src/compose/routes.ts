/** The HTTP services that routes lead to, by their hosts. */
import { type IdentityHeader, identified, M2M_HEADERS, MANDATE_HEADERS } from '../assume/identified.ts'
import { createNone } from '../assume/none.ts'
import type { Config } from '../config/config.ts'
import type { RouteConfig } from '../config/route.ts'
import { isForPeople } from '../config/unsafe/route-faults.ts'
import { isWithheld } from '../forward/withheld-headers.ts'
import type { Cookies } from '../gateway/cookies.ts'
import { presentedBy } from '../gateway/gateway.ts'
import { createRouteHosts, type Route, type RouteHost } from '../gateway/routes.ts'
import { spelled } from '../header-names.ts'
import { createConnections } from './connections.ts'
import { composeRouteUpstream, type UpstreamSurroundings } from './route-upstream.ts'
import { composeAssuming, type SourceSurroundings } from './sources.ts'

export interface RouteSurroundings extends Omit<UpstreamSurroundings, 'connect'>, SourceSurroundings {
  readonly cookies: Cookies
}

/** All routes, ready to be found by host name. */
export function composeRouteHosts(config: Config, surroundings: RouteSurroundings): ReadonlyMap<string, RouteHost> {
  const connect = createConnections(surroundings.lifecycle, surroundings.log)
  const routes = config.routes.map((route) => composeRoute(route, config, { ...surroundings, connect }))
  return createRouteHosts(routes, config.publicUrl, (self) => presentedBy(surroundings.cookies, self))
}

function composeRoute(route: RouteConfig, config: Config, surroundings: RouteSurroundings & UpstreamSurroundings): Route {
  const { name, match, serviceWorkerOpen } = route
  const headers = identityHeaders(route)
  const assuming = assumingOf(`route/${name}`, route, config, surroundings)
  return {
    name,
    host: match.host,
    path: match.path,
    methods: match.methods,
    upstream: composeRouteUpstream(route, config, surroundings),
    ...assuming,
    source: identified(assuming.source, headers),
    persons: isForPeople(route),
    serviceWorkerOpen,
    bearerHeader: route.bearerHeader?.toLowerCase(),
    bodyLimit: route.body ?? config.limits.body,
    withheld: withheldBy(route, headers),
  }
}

function assumingOf(id: string, { as }: RouteConfig, config: Config, surroundings: RouteSurroundings) {
  if (as.kind !== 'none') return composeAssuming(id, as, config, surroundings)
  // Not in a cache: the lines that say who asks are made once for each caller.
  return { source: createNone(), sourceName: as.kind, target: { id, audience: '', scopes: [] } }
}

function identityHeaders({ identity }: RouteConfig): readonly IdentityHeader[] {
  const chosen = identity.headers && Object.entries(identity.headers).map(([name, says]): IdentityHeader => ({ name, says }))
  return [...(chosen ?? MANDATE_HEADERS), ...(identity.m2m ? M2M_HEADERS : [])]
}

/** Names that the service does not get from callers: those that say who asks, that carry the bearer, and that the operator lists. */
function withheldBy({ withhold, bearerHeader }: RouteConfig, headers: readonly IdentityHeader[]): ReadonlySet<string> | undefined {
  const names = [...withhold, ...headers.map(({ name }) => name), ...(bearerHeader === undefined ? [] : [bearerHeader])]
  // Most of them no service gets anyway, and each name that is left costs every request something.
  const more = names.map(spelled).filter((name) => !isWithheld(name))
  return more.length === 0 ? undefined : new Set(more)
}

/**
 * Routes: a host and a path that lead to an HTTP service, as the caller.
 *
 * Security: host, path and service come from the configuration; nothing in a request chooses another. Paths are compared
 * segment by segment as they were decoded, and sent on as the bytes they were (promise 6). Each host has an origin of
 * its own, and a cookie writes only from that one. Unlike under /clusters, where the answer is of one kind and the link
 * could choose the cluster, a page may be opened by a link of another site; what such a site frames, embeds or fetches
 * has nobody's cookie behind it. No script may become a service worker over `/.mandate/`, where codes arrive
 * (`host-sessions.ts`), unless its route says so.
 */
import type { Attempt } from '../access.ts'
import type { CredentialSource, Target } from '../assume/credential-source.ts'
import type { Presented } from '../authenticate/authenticator.ts'
import { Refusal } from '../errors.ts'
import { type PlainUpstream, plainAct } from '../forward/plain.ts'
import { plainUpgradeAct } from '../forward/plain-upgrade.ts'
import type { Act } from '../grant.ts'
import { type FindRoute, indexRoutes, type RoutePath } from './route-index.ts'
import { askedWebSocket } from './upgrades.ts'
import { ledByAnotherSite, requireMethod, type Visit, wantsPage } from './visit.ts'

export interface Route {
  readonly name: string
  readonly host: string
  /** As configured: segments, at the end `**` for everything below. */
  readonly path: string
  /** Methods that it takes; undefined for all that no other route of its path takes. */
  readonly methods: readonly string[] | undefined
  /** Where it leads; undefined when a proxy forwards by itself. */
  readonly upstream: PlainUpstream | undefined
  readonly source: CredentialSource
  readonly sourceName: string
  readonly target: Target
  /** True when people may use it, so that a browser is led to sign in. */
  readonly persons: boolean
  /** True when its scripts may become service workers over the whole host. */
  readonly serviceWorkerOpen: boolean
  /** A header, in lower case, that is taken for Authorization. */
  readonly bearerHeader: string | undefined
  /** Bytes of a request's body at most. */
  readonly bodyLimit: number
  /** Names of headers, as `spelled` gives them, that this service does not get, besides those that none gets. */
  readonly withheld: ReadonlySet<string> | undefined
}

/** The routes of one host, and how it presents itself. */
export interface RouteHost {
  /** Host name without a port. */
  readonly hostname: string
  readonly origin: string
  /** Host and port as callers see them. */
  readonly host: string
  /** `http` or `https`. */
  readonly protocol: string
  /** True for the host that people sign in on, which serves more than routes. */
  readonly isSignInHost: boolean
  /** True when people may use at least one of its routes. */
  readonly persons: boolean
  readonly routes: readonly Route[]
  /** `bearerHeader`, in lower case, is taken for Authorization as well. */
  readonly presentedOf: (visit: Visit, writes: boolean, bearerHeader?: string) => Presented
  readonly find: FindRoute
}

export interface RouteAttempt {
  readonly attempt: Attempt
  readonly act: Act
  /** True for a WebSocket. An answer is counted with what goes on once it does. */
  readonly stream: boolean
  /** True when the caller asks for events, so that the answer may go on. */
  readonly mayGoOn: boolean
}

// TRACE would answer with the request's own headers, CONNECT would leave HTTP. A service may have methods of its own.
const NOT_PASSED = new Set(['TRACE', 'CONNECT'])
const USUAL_METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'] as const
/** Characters of a path that are recorded. */
export const MOST_RECORDED = 256

/** Routes by host name. Their origins differ from `publicUrl` in the host name alone. */
export function createRouteHosts(
  routes: readonly Route[],
  publicUrl: string,
  presentedAs: (origin: string) => RouteHost['presentedOf'],
): ReadonlyMap<string, RouteHost> {
  const hosts = new Map<string, RouteHost>()
  for (const hostname of new Set(routes.map((route) => route.host))) {
    const own = routes.filter((route) => route.host === hostname)
    const url = new URL(publicUrl)
    url.hostname = hostname
    hosts.set(hostname, {
      hostname,
      origin: url.origin,
      host: url.host,
      protocol: url.protocol.slice(0, -1),
      isSignInHost: url.origin === publicUrl,
      persons: own.some(({ persons }) => persons),
      routes: own,
      presentedOf: presentedAs(url.origin),
      find: indexRoutes(own),
    })
  }
  return hosts
}

/** The route that a request is for. */
export interface AskedRoute {
  readonly route: Route
  /** Why it is refused whoever asks, once it is known who does: nobody learns the methods of a path without showing who they are. */
  readonly refusal?: Refusal
}

/** The route that was found, or another one of the path when that has not the method. Throws Refusal `not_found`. */
export function requireRoute(found: RoutePath | undefined): AskedRoute {
  if (found === undefined) throw new Refusal('not_found')
  if (found.route !== undefined) return { route: found.route }
  return { route: found.any, refusal: new Refusal('method_unsupported', { methods: found.methods }) }
}

/** What is decided about a request, whoever forwards it. */
export interface RouteQuestion {
  readonly attempt: Attempt
  /** True when the request can change something. */
  readonly writes: boolean
  /** What is recorded as the effect of a write. */
  readonly effect: string
}

/**
 * Puts one request before the journey. `opensChannel` says that more than its method can write: it opens one in both
 * directions. Throws Refusal `method_unsupported`, `service_worker_refused`, `origin_refused` or what `presentedOf` throws.
 */
export function routeQuestion(host: RouteHost, { route, refusal }: AskedRoute, visit: Visit, opensChannel: boolean): RouteQuestion {
  const method = visit.request.method ?? 'GET'
  // Where the path has methods of its own it is refused as any other, with these.
  if (NOT_PASSED.has(method) && refusal === undefined) requireMethod(visit, ...USUAL_METHODS)
  if (!route.serviceWorkerOpen && coversAll(visit)) throw new Refusal('service_worker_refused')
  const writes = opensChannel || (method !== 'GET' && method !== 'HEAD')
  const presented = host.presentedOf(visit, writes, route.bearerHeader)
  // A write needs the Origin of this host anyway, and who tried one is recorded by name.
  if (!writes && presented.cookie !== undefined && ledByAnotherSite(presented.fetchSite) && !opensDocument(visit))
    throw new Refusal('origin_refused', { detail: 'a page of another site fetches or frames it' })
  const path = visit.target.path.slice(0, MOST_RECORDED)
  const attempt: Attempt = {
    id: visit.requestId,
    address: visit.address,
    traceparent: visit.head.values.get('traceparent'),
    presented,
    refusal,
    action: { name: method.toLowerCase(), writes },
    resource: { type: 'route', id: route.name, properties: { path } },
    target: route.target,
    source: route.source,
    sourceName: route.sourceName,
  }
  return { attempt, writes, effect: `${method} ${path}` }
}

/** Prepares one request that Mandate forwards. Throws Refusal `not_found`, or what `routeQuestion` throws. */
export function routeAttempt(host: RouteHost, found: AskedRoute, visit: Visit): RouteAttempt {
  const { target: asked, request, response, upgrade } = visit
  const { route } = found
  const { upstream, bodyLimit } = route
  if (upstream === undefined) throw new Refusal('not_found', { detail: 'this route is decided on listen.forwardAuth' })
  const { attempt, writes, effect } = routeQuestion(host, found, visit, upgrade !== undefined)
  const forwarded = {
    request,
    response,
    path: asked.raw,
    arrival: {
      address: visit.address,
      protocol: host.protocol,
      host: host.host,
      requestId: visit.requestId,
      withheld: route.withheld,
    },
    writes,
    effect,
  }
  if (upgrade !== undefined) {
    const changed = { connection: upgrade.socket, early: upgrade.early, asked: askedWebSocket(visit.head) }
    return { attempt, act: plainUpgradeAct(upstream, { ...forwarded, ...changed }), stream: true, mayGoOn: false }
  }
  const act = plainAct(upstream, { ...forwarded, bodyLimit })
  // Anybody may ask for events; whether there are any, the answer's type says.
  const mayGoOn = request.method === 'GET' && visit.head.values.get('accept')?.includes('text/event-stream') === true
  return { attempt, act, stream: false, mayGoOn }
}

/** True when a browser opens a page and is nobody yet: it is led to sign in. A tool, and who showed a bearer, is told. */
export function isLed(visit: Visit, { persons }: Route, { authorization }: Presented, { status }: Refusal): boolean {
  return status === 401 && persons && authorization === undefined && opensPage(visit)
}

/** True when a browser opens a page, not when a script of one asks for HTML: it could not follow to another origin. */
function opensPage(visit: Visit): boolean {
  const mode = visit.head.values.get('sec-fetch-mode')
  return wantsPage(visit) && (mode === undefined || mode === 'navigate')
}

/**
 * True when a browser fetches a script that would be a service worker for every path: its scope is the directory of the
 * script (Service Workers 4.2.3), since `Service-Worker-Allowed` never reaches it. Both headers are a browser's own: no
 * page can set or remove them.
 */
function coversAll({ head, target }: Visit): boolean {
  if (target.segments.length > 1) return false
  return head.values.has('service-worker') || head.values.get('sec-fetch-dest') === 'serviceworker'
}

/** True when what is asked for becomes a page of its own, as when a link is followed: whoever led here cannot look into it. */
function opensDocument({ head }: Visit): boolean {
  return head.values.get('sec-fetch-mode') === 'navigate' && head.values.get('sec-fetch-dest') === 'document'
}

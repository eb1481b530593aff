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
import type { Act } from '../grant.ts'
import { ledByAnotherSite, requireMethod, type Visit } from './visit.ts'

export interface Route {
  readonly name: string
  readonly host: string
  /** As configured: segments, at the end `**` for everything below. */
  readonly path: string
  readonly upstream: PlainUpstream
  readonly source: CredentialSource
  readonly sourceName: string
  readonly target: Target
  /** True when people may use it, so that a browser is led to sign in. */
  readonly persons: boolean
  /** True when its scripts may become service workers over the whole host. */
  readonly serviceWorkerOpen: boolean
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
  readonly presentedOf: (visit: Visit, writes: boolean) => Presented
  /** The route for decoded segments: the longest that fits. */
  find(segments: readonly string[]): Route | undefined
}

export interface RouteAttempt {
  readonly attempt: Attempt
  readonly act: Act
  /** False: an answer is counted with what goes on once it does. */
  readonly stream: false
  /** True when the caller asks for events, so that the answer may go on. */
  readonly mayGoOn: boolean
}

// TRACE would answer with the request's own headers, CONNECT would leave HTTP. A service may have methods of its own.
const NOT_PASSED = new Set(['TRACE', 'CONNECT'])
const USUAL_METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'] as const
const MOST_RECORDED = 256

interface Compiled {
  readonly segments: readonly string[]
  /** True for a path with everything below it. */
  readonly open: boolean
  readonly route: Route
}

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
      find: finder(own),
    })
  }
  return hosts
}

function finder(routes: readonly Route[]): RouteHost['find'] {
  const compiled = routes
    .map(compile)
    .sort((one, other) => other.segments.length - one.segments.length || Number(one.open) - Number(other.open))
  return (segments) => {
    for (const candidate of compiled) if (fits(candidate, segments)) return candidate.route
    return undefined
  }
}

function compile(route: Route): Compiled {
  const segments = route.path.slice(1).split('/')
  const open = segments.at(-1) === '**'
  return { segments: open ? segments.slice(0, -1) : segments, open, route }
}

function fits({ segments, open }: Compiled, asked: readonly string[]): boolean {
  // To most services a path and the same with a slash behind it are one.
  const beyond = asked.length - segments.length
  if (beyond < 0 || (!open && beyond > 0 && (beyond > 1 || asked.at(-1) !== ''))) return false
  for (let at = 0; at < segments.length; at += 1) if (segments[at] !== asked[at]) return false
  return true
}

/**
 * Prepares one request for the journey. Throws Refusal `method_unsupported`, `service_worker_refused`, `origin_refused`
 * or what `presentedOf` throws.
 */
export function routeAttempt(host: RouteHost, route: Route, visit: Visit, bodyLimit: number): RouteAttempt {
  const { target: asked, request, response } = visit
  const method = request.method ?? 'GET'
  if (NOT_PASSED.has(method)) requireMethod(visit, ...USUAL_METHODS)
  if (!route.serviceWorkerOpen && coversAll(visit)) throw new Refusal('service_worker_refused')
  const writes = method !== 'GET' && method !== 'HEAD'
  const presented = host.presentedOf(visit, writes)
  // A write needs the Origin of this host anyway, and who tried one is recorded by name.
  if (!writes && presented.cookie !== undefined && ledByAnotherSite(presented.fetchSite) && !opensDocument(visit))
    throw new Refusal('origin_refused', { detail: 'a page of another site fetches or frames it' })
  const path = asked.path.slice(0, MOST_RECORDED)
  const act = plainAct(route.upstream, {
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
    effect: `${method} ${path}`,
    bodyLimit,
  })
  const attempt: Attempt = {
    id: visit.requestId,
    address: visit.address,
    presented,
    action: { name: method.toLowerCase(), writes },
    resource: { type: 'route', id: route.name, properties: { path } },
    target: route.target,
    source: route.source,
    sourceName: route.sourceName,
  }
  // Anybody may ask for events; whether there are any, the answer's type says.
  const mayGoOn = method === 'GET' && visit.head.values.get('accept')?.includes('text/event-stream') === true
  return { attempt, act, stream: false, mayGoOn }
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

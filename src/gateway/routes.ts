/**
 * Routes: a host and a path that lead to an HTTP service, as the caller.
 *
 * Security: host, path and service come from the configuration; nothing in a request chooses another. Paths are compared
 * segment by segment as they were decoded, and sent on as the bytes they were (promise 6). Each host has an origin of
 * its own, and a cookie writes only from that one. Unlike under /clusters, where the answer is of one kind and the link
 * could choose the cluster, a page may be opened by a link of another site.
 */
import type { Attempt } from '../access.ts'
import type { CredentialSource, Target } from '../assume/credential-source.ts'
import type { Presented } from '../authenticate/authenticator.ts'
import { type PlainUpstream, plainAct } from '../forward/plain.ts'
import type { Act } from '../grant.ts'
import { requireMethod, type Visit } from './visit.ts'

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
  readonly presentedOf: (visit: Visit, writes: boolean) => Presented
  /** The route for decoded segments: the longest that fits. */
  find(segments: readonly string[]): Route | undefined
}

export interface RouteAttempt {
  readonly attempt: Attempt
  readonly act: Act
  readonly stream: boolean
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
  if (open ? asked.length < segments.length : asked.length !== segments.length) return false
  for (let at = 0; at < segments.length; at += 1) if (segments[at] !== asked[at]) return false
  return true
}

/** Prepares one request for the journey. Throws Refusal `method_unsupported` or what `presentedOf` throws. */
export function routeAttempt(host: RouteHost, route: Route, visit: Visit, bodyLimit: number): RouteAttempt {
  const { target: asked, request, response } = visit
  const method = request.method ?? 'GET'
  if (NOT_PASSED.has(method)) requireMethod(visit, ...USUAL_METHODS)
  const writes = method !== 'GET' && method !== 'HEAD'
  const path = asked.path.slice(0, MOST_RECORDED)
  const act = plainAct(route.upstream, {
    request,
    response,
    path: asked.raw,
    arrival: { address: visit.address, protocol: host.protocol, host: host.host, requestId: visit.requestId },
    writes,
    effect: `${method} ${path}`,
    bodyLimit,
  })
  const attempt: Attempt = {
    id: visit.requestId,
    address: visit.address,
    presented: host.presentedOf(visit, writes),
    action: { name: method.toLowerCase(), writes },
    resource: { type: 'route', id: route.name, properties: { path } },
    target: route.target,
    source: route.source,
    sourceName: route.sourceName,
  }
  // What asks for events is counted with what goes on; whether it does, the answer's type says.
  const stream = method === 'GET' && visit.head.values.get('accept')?.includes('text/event-stream') === true
  return { attempt, act, stream }
}

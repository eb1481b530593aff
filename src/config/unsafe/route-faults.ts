/**
 * Routes that must not be configured.
 *
 * Security: the login cookie lives on the sign-in host, so a service there could do with it what it likes; and nothing
 * may stand where people sign in. Every host whose cookies Mandate sets is one that it can protect: https, or loopback.
 */
import { isDeepStrictEqual } from 'node:util'
import type { Config } from '../config.ts'
import type { Fault } from '../faults/faults.ts'
import { isLoopbackHost } from '../loopback.ts'
import type { RouteConfig } from '../route.ts'
import { faultsOfService } from './route-service-faults.ts'

/** First segments that are Mandate's own on the sign-in host. */
export const RESERVED: ReadonlySet<string> = new Set([
  '',
  '**',
  'login',
  'logout',
  'callback',
  'whoami',
  'clusters',
  '.mandate',
  'back-channel-logout',
])

type Parts = Pick<Config, 'routes' | 'publicUrl' | 'listen' | 'providers'>

/** The faults of all routes; none where there are none. */
export function routeFaults(config: Parts): Fault[] {
  return [
    ...twins(config.routes),
    ...almostTwins(config.routes),
    ...config.routes.flatMap((route, at) => [
      ...faultsOfHost(config, route, at),
      ...faultsOfPath(config, route, at),
      ...faultsOfService(config, route, at),
    ]),
  ]
}

/** Host names by which the sign-in host is reached besides its own. */
export function aliasesOf({ publicUrl, listen }: Pick<Config, 'publicUrl' | 'listen'>): ReadonlySet<string> {
  const { hostname } = new URL(publicUrl)
  const all = new Set([...listen.names, ...(isLoopbackHost(hostname) ? ['localhost', '127.0.0.1', '[::1]'] : [])])
  all.delete(hostname)
  return all
}

function twins(routes: readonly RouteConfig[]): Fault[] {
  const names = new Map<string, number>()
  const matches = new Map<string, number>()
  const second = (seen: Map<string, number>, key: string, at: number) => {
    const first = seen.get(key)
    if (first === undefined) seen.set(key, at)
    return first === at ? undefined : first
  }
  return routes.flatMap(({ name, match }, at): Fault[] => {
    const faults: Fault[] = []
    const likeName = second(names, name, at)
    if (likeName !== undefined)
      faults.push({
        code: 'duplicate',
        path: `routes.${at}.name`,
        problem: `is that of routes.${likeName} as well`,
        mend: 'give each route its own name',
      })
    // Of one path each method has one route, and one route may take all others.
    const likeMatch = (match.methods ?? ['*'])
      .map((method) => second(matches, `${match.host} ${match.path} ${method}`, at))
      .find((other) => other !== undefined)
    if (likeMatch !== undefined)
      faults.push({
        code: 'duplicate',
        path: `routes.${at}.match`,
        problem: `is that of routes.${likeMatch} as well`,
        mend: 'keep one of the two',
      })
    return faults
  })
}

/** Most services take `/a` and `/a/` for one: whoever may use the one has then the other as well. */
function almostTwins(routes: readonly RouteConfig[]): Fault[] {
  const bare = ({ match }: RouteConfig) => match.path.replace(/\/$/, '')
  return routes.flatMap((route, at): Fault[] => {
    const first = routes.findIndex(
      (other, place) =>
        place < at &&
        other.match.host === route.match.host &&
        other.match.path !== route.match.path &&
        bare(other) === bare(route) &&
        isDeepStrictEqual(other.upstream, route.upstream) &&
        meet(other.match.methods, route.match.methods) &&
        !isDeepStrictEqual(other.allow, route.allow),
    )
    if (first === -1) return []
    const problem = `is that of routes.${first} but for the last slash, and allows others: most services take the two for one`
    return [{ path: `routes.${at}.match.path`, problem, mend: 'let in the same callers on both, or write one of them' }]
  })
}

/** True when two routes share a method; one without a list takes all, and GET takes HEAD. */
function meet(one: RouteConfig['match']['methods'], other: RouteConfig['match']['methods']): boolean {
  const all = (methods: readonly string[]) => new Set(methods.includes('GET') ? [...methods, 'HEAD'] : methods)
  return one === undefined || other === undefined || !all(one).isDisjointFrom(all(other))
}

function faultsOfHost(config: Parts, { match, allow, sameOriginOpen, serviceWorkerOpen }: RouteConfig, at: number): Fault[] {
  const { protocol, hostname } = new URL(config.publicUrl)
  const path = `routes.${at}.match.host`
  const faults = allow.flatMap(({ providers = [] }, rule) =>
    [...new Set(providers)]
      .filter((name) => !Object.hasOwn(config.providers, name))
      .map(
        (name): Fault => ({
          code: 'unknown_name',
          path: `routes.${at}.allow.${rule}.providers`,
          problem: `names ${name}, which is not configured`,
          mend: 'name a configured provider',
        }),
      ),
  )
  if (aliasesOf(config).has(match.host)) {
    return [...faults, { path, problem: 'is another name of the sign-in host', mend: `write ${hostname}, or a host of its own` }]
  }
  if (match.host === hostname && isForPeople({ allow }) && !sameOriginOpen) {
    faults.push({
      path,
      problem: 'is the sign-in host: a page there could use the login cookie of whoever opens it',
      mend: 'give it a host of its own, allow machines alone, or write sameOriginOpen: true',
    })
  }
  if (match.host === hostname && serviceWorkerOpen) {
    faults.push({
      path: `routes.${at}.serviceWorkerOpen`,
      problem: 'is on the sign-in host, where such a script would stand over every sign-in',
      mend: 'remove it, or give the route a host of its own',
    })
  }
  if (protocol === 'http:' && !isLoopbackHost(match.host) && !match.host.endsWith('.localhost')) {
    faults.push({
      path,
      problem: 'would be served over plain http, as publicUrl is, to other machines',
      mend: 'use https in publicUrl, or a host such as app.localhost',
    })
  }
  return faults
}

function faultsOfPath(config: Parts, { match }: RouteConfig, at: number): Fault[] {
  const [first = ''] = match.path.slice(1).split('/')
  const onSignInHost = match.host === new URL(config.publicUrl).hostname
  if (onSignInHost ? !RESERVED.has(first) : first !== '.mandate') return []
  const problem = 'covers a path that is reserved for Mandate itself'
  const mend = onSignInHost ? 'write a path below a first segment of its own, such as /app/**' : 'choose another path'
  return [{ path: `routes.${at}.match.path`, problem, mend }]
}

/** True when people may use a route. */
export function isForPeople({ allow }: Pick<RouteConfig, 'allow'>): boolean {
  return allow.some(({ callers }) => callers.includes('person'))
}

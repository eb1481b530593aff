/** What is legal but unwise about routes (`advice.ts`). */
import { isDeepStrictEqual } from 'node:util'
import type { Config } from '../config.ts'
import type { Fault } from '../faults/faults.ts'
import { isLoopbackHost } from '../loopback.ts'
import type { RouteConfig } from '../route.ts'

export function routeAdvice({ routes, providers }: Pick<Config, 'routes' | 'providers'>): Fault[] {
  const several = Object.keys(providers).length > 1
  return routes.flatMap((route, at) => [
    ...adviceOn(route, at, several),
    ...withoutMachines(route, at, providers),
    ...narrower(routes, route, at),
  ])
}

/** Rules for machines that no machine can meet. */
function withoutMachines({ allow }: RouteConfig, at: number, all: Config['providers']): Fault[] {
  return allow.flatMap(({ callers, providers = Object.keys(all) }, rule): Fault[] => {
    const known = providers.some((name) => (Object.hasOwn(all, name) ? (all[name]?.machineClients.length ?? 0) : 0) > 0)
    if (known || !callers.includes('machine')) return []
    return [
      {
        path: allow.length === 1 ? `routes.${at}.allow` : `routes.${at}.allow.${rule}`,
        problem: 'takes machines, and no provider of it lists any: no machine can come',
        mend: `list their client ids in machineClients of ${providers.map((name) => `providers.${name}`).join(' or ')}`,
      },
    ]
  })
}

function adviceOn(route: RouteConfig, at: number, severalProviders: boolean): Fault[] {
  const { upstream, sameOriginOpen, serviceWorkerOpen, plaintextOpen, as, allow } = route
  const found: Fault[] = []
  if (plaintextOpen && as.kind !== 'none') {
    found.push({
      path: `routes.${at}.plaintextOpen`,
      problem: "sends callers' credentials over plain http: whoever is on that network can use them",
      mend: 'use https and remove it',
    })
  }
  if (as.kind === 'forward-token' && as.passThroughOpen) {
    found.push({
      path: `routes.${at}.as.passThroughOpen`,
      problem: "sends a caller's bearer on: the service could use it against Mandate",
      mend: 'use token-exchange, or let people sign in',
    })
  }
  if (upstream?.servers.some((server) => server.startsWith('http:') && !isLoopbackHost(new URL(server).hostname)) === true) {
    found.push({
      path: `routes.${at}.upstream`,
      problem: 'is plain http: whoever is on that network reads what passes, and can call the service as anybody',
      mend: 'use https, and let the service take requests from Mandate alone',
    })
  }
  if (sameOriginOpen) {
    found.push({
      path: `routes.${at}.sameOriginOpen`,
      problem:
        'makes the pages of the service pages of Mandate: they can act as whoever opens them at every cluster and route of this host',
      mend: 'give the service a host of its own',
    })
  }
  if (serviceWorkerOpen) {
    found.push({
      path: `routes.${at}.serviceWorkerOpen`,
      problem: 'lets a script of the service see the codes by which people sign in on this host, so that somebody else could use them',
      mend: 'serve the script from below a directory, such as /app/sw.js, and remove it',
    })
  }
  if (allow.some(({ callers, scopes }) => scopes !== undefined && callers.includes('person'))) {
    found.push({
      path: `routes.${at}.allow.scopes`,
      problem: 'keeps out people who signed in: a login has no scopes',
      mend: 'allow machines alone in that rule, and give people one of their own',
    })
  }
  return severalProviders ? [...found, ...ofAnyProvider(allow, `routes.${at}.allow`)] : found
}

/** Whether a rule lets in the people of every provider, and says nothing of them but that they are people. */
export function isForAnybody({ callers, providers, ...said }: RouteConfig['allow'][number]): boolean {
  return callers.includes('person') && providers === undefined && Object.values(said).every((value) => value === undefined)
}

/** What is wrong with such a rule where there are several providers. */
export const FOR_ANYBODY = {
  problem: 'takes people of any provider, and of every one that is configured later',
  mend: 'name the providers whose people are meant in allow.providers',
} as const

const SAID = { groups: 'a group', claims: 'a claim', scopes: 'a scope' } as const

/** Rules that rest on what one issuer says and take the word of all of them, or let in whoever any of them vouches for. */
function ofAnyProvider(allow: RouteConfig['allow'], path: string): Fault[] {
  const open = allow.flatMap((rule, at) =>
    isForAnybody(rule) ? [{ path: allow.length === 1 ? path : `${path}.${at}`, ...FOR_ANYBODY }] : [],
  )
  const said = (['groups', 'claims', 'scopes'] as const)
    .filter((key) => allow.some((rule) => rule[key] !== undefined && rule.providers === undefined))
    .map((key) => ({
      path: `${path}.${key}`,
      problem: `counts ${SAID[key]} of this name from any provider`,
      mend: `name the providers in allow.providers whose ${key} are meant`,
    }))
  return [...open, ...said]
}

/** A path under one that others may use: in a spelling that the service takes for the same, they come in by the wider one. */
function narrower(routes: readonly RouteConfig[], { match, allow, upstream }: RouteConfig, at: number): Fault[] {
  const wider = routes.findIndex(
    (other, place) =>
      place !== at &&
      other.match.host === match.host &&
      (upstream?.servers ?? []).some((server) => other.upstream?.servers.includes(server)) &&
      covers(other.match.path, match.path) &&
      !isDeepStrictEqual(other.allow, allow),
  )
  if (wider === -1) return []
  return [
    {
      path: `routes.${at}.match.path`,
      problem: `lies under that of routes.${wider}, which lets in others: they reach it by any spelling that the service takes for the same`,
      mend: 'give it a host of its own, or have the service look at X-Mandate-* itself',
    },
  ]
}

function covers(wide: string, narrow: string): boolean {
  if (!wide.endsWith('/**') || wide === narrow) return false
  const stem = wide.slice(0, -'**'.length)
  return `${narrow}/`.startsWith(stem)
}

/**
 * What only the file itself shows, once it was read and completed: names that were given, keys that have a shorter form,
 * and groups that were written without anything in them.
 */
import type { Fault, RouteNames } from './faults.ts'
import { name } from './values.ts'

/** The names that routes are given. What is no name is not repeated: it may be anything. */
export function routeNamesOf(root: unknown): RouteNames {
  return routesOf(root).map((route) => {
    const { success, data } = name.safeParse(own(route, 'name'))
    return success ? data : undefined
  })
}

const PROVIDERS_OF_A_RULE = /^routes\.(\d+)\.allow\.(\d+)\.providers$/

/** A fault at the key that stands in the file: a rule need not be in a list, and `provider` is short for `providers`. */
export function asWritten(fault: Fault, root: unknown): Fault {
  const [, at, place] = PROVIDERS_OF_A_RULE.exec(fault.path) ?? []
  if (at === undefined || place === undefined) return fault
  const allow = own(routesOf(root)[Number(at)], 'allow')
  const [rule, path] = Array.isArray(allow) ? [allow[Number(place)], `routes.${at}.allow.${place}`] : [allow, `routes.${at}.allow`]
  return { ...fault, path: `${path}.${own(rule, 'provider') === undefined ? 'providers' : 'provider'}` }
}

/** Whoever writes a limit without any means one: silence would leave the route without. */
export function emptyLimits(root: unknown): Fault[] {
  return routesOf(root).flatMap((route, at): Fault[] => {
    const limit = own(route, 'limit')
    if (typeof limit !== 'object' || limit === null || Object.keys(limit).length > 0) return []
    return [{ path: `routes.${at}.limit`, problem: 'limits nothing', mend: 'write perPrincipal: 60/minute or total in it, or remove it' }]
  })
}

function routesOf(root: unknown): unknown[] {
  const routes = own(root, 'routes')
  return Array.isArray(routes) ? routes : []
}

function own(value: unknown, key: string): unknown {
  return typeof value === 'object' && value !== null ? Object.getOwnPropertyDescriptor(value, key)?.value : undefined
}

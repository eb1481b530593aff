/** By which names routes are told of before a configuration is known to be right. */

import { hostName, routePath } from '../route.ts'
import { name } from '../values.ts'
import type { RouteNames } from './faults.ts'

/** The names that routes are given, else their host and path. What is neither is not repeated: it may be anything. */
export function routeNamesOf(root: unknown): RouteNames {
  const routes = own(root, 'routes')
  if (!Array.isArray(routes)) return []
  return routes.map((route: unknown) => {
    const given = name.safeParse(own(route, 'name'))
    if (given.success) return given.data
    const match = own(route, 'match')
    const host = hostName.safeParse(own(match, 'host'))
    const path = routePath.safeParse(own(match, 'path'))
    return host.success && path.success ? `${host.data}${path.data}` : undefined
  })
}

/** The name of the route that a path is within; undefined for other paths, and for routes without a name. */
export function routeAt(path: string, names: RouteNames): string | undefined {
  const [, at] = /^routes\.(\d+)(?:\.|$)/.exec(path) ?? []
  return at === undefined ? undefined : names[Number(at)]
}

function own(value: unknown, key: string): unknown {
  return typeof value === 'object' && value !== null ? Object.getOwnPropertyDescriptor(value, key)?.value : undefined
}

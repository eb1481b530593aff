/** The limits of routes, on the rules that say who may use them. */
import type { Authorizer } from '../authorize/authorizer.ts'
import { createLimits, type Limit } from '../authorize/limits.ts'
import type { Clock } from '../clock.ts'
import type { Config } from '../config/config.ts'
import type { Lifecycle } from '../lifecycle.ts'
import type { Metrics } from '../metrics.ts'
import type { Store } from '../store/store.ts'

export interface LimitSurroundings {
  readonly store: Pick<Store, 'draw'>
  readonly clock: Clock
  readonly metrics: Metrics
  readonly lifecycle: Lifecycle
}

/** The rules, and the limits of the routes that have some. */
export function composeLimits(
  { routes }: Pick<Config, 'routes'>,
  rules: Authorizer,
  { store, clock, metrics, lifecycle }: LimitSurroundings,
): Authorizer {
  const limits = new Map(routes.flatMap(({ name, limit }): [string, Limit][] => (isOne(limit) ? [[`route/${name}`, limit]] : [])))
  if (limits.size === 0) return rules
  const limited = createLimits(rules, { limits, store, clock, observe: (route) => metrics.count('mandate_limited_total', { route }) })
  lifecycle.onStop('limits', () => limited.stop())
  return limited
}

function isOne({ perPrincipal, total }: Limit): boolean {
  return perPrincipal !== undefined || total !== undefined
}

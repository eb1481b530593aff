/**
 * Targets that are sent exchanged tokens: a token that is made for a target must be for that target.
 *
 * Security: a token that names Mandate is one that Mandate takes as a bearer, and whoever controls the target could
 * come back with it and be that person everywhere.
 */
import type { Config } from '../config.ts'
import type { Fault } from '../faults/faults.ts'
import { exchange } from './route-service-faults.ts'

/** What is wrong with token exchange for clusters, and with whom clusters and routes ask a token for. */
export function exchangeFaults({ clusters, routes, providers }: Pick<Config, 'clusters' | 'routes' | 'providers'>): Fault[] {
  return [
    ...Object.values(clusters).flatMap(({ name, as, allow }) =>
      as.kind === 'token-exchange'
        ? [...exchange(providers, as, [allow], `clusters.${name}`), ...forMandate(providers, as, `clusters.${name}`)]
        : [],
    ),
    ...routes.flatMap(({ as }, at) => (as.kind === 'token-exchange' ? forMandate(providers, as, `routes.${at}`) : [])),
  ]
}

function forMandate(
  providers: Config['providers'],
  as: { readonly audience?: string | undefined; readonly resource?: string | undefined },
  path: string,
): Fault[] {
  return (['audience', 'resource'] as const).flatMap((key): Fault[] => {
    const whose = Object.values(providers).find(({ audience }) => audience !== '' && audience === as[key])
    if (whose === undefined) return []
    return [
      {
        path: `${path}.as.${key}`,
        problem: `is what Mandate takes as bearers of providers.${whose.name}, so the target could come back with the token`,
        mend: 'name the target alone, by an audience of its own',
      },
    ]
  })
}

/** Clusters and routes that are sent tokens, and whom those tokens name. */
import type { ClusterConfig } from '../cluster.ts'
import type { Config } from '../config.ts'
import type { ProviderConfig } from '../provider.ts'
import type { RouteConfig } from '../route.ts'

type Sent = Extract<ClusterConfig['as'] | RouteConfig['as'], { kind: 'forward-token' | 'token-exchange' }>
type Parts = Pick<Config, 'clusters' | 'routes' | 'providers'>

/** A cluster or route that is sent tokens. */
export interface TokenTarget {
  /** Where it stands in the file. */
  readonly path: string
  readonly as: Sent
  /** The providers whose tokens it may be sent: those of logins, and of bearers what they are exchanged for, or themselves. */
  readonly providers: readonly ProviderConfig[]
  /** Where the tokens go. Targets that share one of these are one service. */
  readonly services: readonly string[]
}

export function tokenTargets({ clusters, routes, providers }: Parts): TokenTarget[] {
  const all = Object.values(providers)
  const allowed = (as: Sent, names: ReadonlySet<string> | undefined) =>
    all.filter(({ name, signIn }) => (signIn || takesBearers(as)) && names?.has(name) !== false)
  return [
    ...Object.values(clusters).flatMap(({ name, as, allow, server }): TokenTarget[] =>
      as.kind === 'impersonate'
        ? []
        : [{ path: `clusters.${name}`, as, providers: allowed(as, allow.providers && new Set(allow.providers)), services: [server] }],
    ),
    ...routes.flatMap(({ as, allow, upstream, match }, at): TokenTarget[] =>
      as.kind === 'none'
        ? []
        : // Where a proxy forwards to, it alone knows: a host is one service.
          [{ path: `routes.${at}`, as, providers: allowed(as, namedIn(allow)), services: upstream?.servers ?? [`host ${match.host}`] }],
    ),
  ]
}

/** Whether a bearer gets as far as the target: exchanged for another, or as it is. */
function takesBearers(as: Sent): boolean {
  return as.kind === 'token-exchange' || as.passThroughOpen
}

/** Providers of whom one rule at least speaks; undefined for all. */
function namedIn(rules: RouteConfig['allow']): ReadonlySet<string> | undefined {
  return rules.some(({ providers }) => providers === undefined) ? undefined : new Set(rules.flatMap(({ providers = [] }) => providers))
}

/** What `aud` of a token contains that the target takes. */
export function takenAudiences(as: Sent, { clientId }: Pick<ProviderConfig, 'clientId'>): string[] {
  const named = as.kind === 'forward-token' ? [as.audience ?? clientId] : [as.audience, as.resource]
  return named.filter((audience): audience is string => audience !== undefined && audience !== '')
}

/** Whom a token names that the target is sent. An ID token names the client whatever else it names (OpenID Connect Core 2). */
export function sentAudiences(as: Sent, provider: Pick<ProviderConfig, 'clientId'>): string[] {
  const more = as.kind === 'forward-token' && as.token === 'id-token' ? [provider.clientId] : []
  return [...takenAudiences(as, provider), ...more]
}

/** Whether one of these audiences is that of another target than this one, for which it takes tokens of the provider. */
export function namesAnother(
  config: Parts,
  own: { readonly audience?: string | undefined; readonly resource?: string | undefined },
  provider: string,
  audiences: readonly string[],
): boolean {
  const taken = takenOf(config).get(provider)
  return audiences.some((audience) => audience !== own.audience && audience !== own.resource && taken?.has(audience))
}

/** By provider, every audience that some target takes of it. Made once: there may be a thousand targets. */
function takenOf(config: Parts): ReadonlyMap<string, ReadonlySet<string>> {
  const before = known.get(config)
  if (before !== undefined) return before
  const all = new Map<string, Set<string>>()
  for (const { as, providers } of tokenTargets(config)) {
    for (const provider of providers) {
      const taken = all.get(provider.name) ?? new Set()
      for (const audience of takenAudiences(as, provider)) taken.add(audience)
      all.set(provider.name, taken)
    }
  }
  known.set(config, all)
  return all
}

const known = new WeakMap<Parts, ReadonlyMap<string, ReadonlySet<string>>>()

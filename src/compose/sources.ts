/** The credential sources that `as` of a cluster or route names, each in the cache and measured. */
import { type CacheObserver, cached } from '../assume/cached.ts'
import type { CredentialSource, Target } from '../assume/credential-source.ts'
import { createForwardToken } from '../assume/forward-token.ts'
import { createKubernetesImpersonation } from '../assume/kubernetes-impersonation.ts'
import { patient } from '../assume/patient.ts'
import { createTokenExchangeSource } from '../assume/token-exchange.ts'
import { takenAsBearer } from '../authenticate/taken-as-bearer.ts'
import type { Clock } from '../clock.ts'
import type { ClusterConfig } from '../config/cluster.ts'
import type { Config } from '../config/config.ts'
import { secretSource } from '../config/references.ts'
import type { RouteConfig } from '../config/route.ts'
import { namesAnother } from '../config/unsafe/token-targets.ts'
import { Refusal } from '../errors.ts'
import type { Log } from '../log.ts'
import type { LoginTokens } from '../logins/login-tokens.ts'
import type { Metrics } from '../metrics.ts'
import type { Provider } from '../providers/provider.ts'

/** Every way to be sent a credential. */
type As = Exclude<ClusterConfig['as'] | RouteConfig['as'], { readonly kind: 'none' }>

type Parts = Pick<Config, 'providers' | 'clusters' | 'routes'>

export interface SourceSurroundings {
  readonly loginTokens: LoginTokens
  readonly providers: Readonly<Record<string, Pick<Provider, 'exchange'>>>
  readonly clock: Clock
  readonly log: Log
  readonly metrics: Metrics
}

/** What the third step needs of a target. */
export interface Assuming {
  readonly source: CredentialSource
  /** Names it in metrics and audit. */
  readonly sourceName: As['kind']
  readonly target: Target
}

/** The source of a target, such as `cluster/prod` or `route/app`, and what it is asked for. */
export function composeAssuming(id: string, as: As, config: Parts, surroundings: SourceSurroundings): Assuming {
  const { clock, metrics } = surroundings
  const source = as.kind
  const observer: CacheObserver = {
    hit: () => metrics.count('mandate_credential_cache_hits_total', { source }),
    acquired: (result) => metrics.count('mandate_credential_acquisitions_total', { source, result }),
  }
  return {
    source: cached(composeSource(as, config, surroundings), clock, observer),
    sourceName: source,
    target: targetOf(id, as),
  }
}

function targetOf(id: string, as: As): Target {
  switch (as.kind) {
    case 'forward-token':
      return { id, audience: as.audience ?? '', scopes: [] }
    case 'token-exchange':
      return { id, audience: as.audience ?? '', scopes: as.scopes, ...(as.resource === undefined ? {} : { resource: as.resource }) }
    case 'impersonate':
      return { id, audience: '', scopes: [] }
  }
}

function composeSource(as: As, config: Parts, surroundings: SourceSurroundings): CredentialSource {
  const { providers } = config
  const { loginTokens: logins, clock, log } = surroundings
  switch (as.kind) {
    case 'forward-token':
      return createForwardToken({
        token: as.token,
        passThroughOpen: as.passThroughOpen,
        logins,
        audienceFor: (provider) => as.audience ?? providers[provider]?.clientId ?? '',
        takenAsBearer: (provider, token) => takenAsBearer(providers[provider], token),
      })
    case 'token-exchange':
      return patient(
        createTokenExchangeSource({
          token: as.token,
          logins,
          issuerOf(provider) {
            const running = surroundings.providers[provider]
            const configured = providers[provider]
            return running && configured && { exchange: running.exchange, accept: configured.accept }
          },
          takenAsBearer: (provider, token) => takenAsBearer(providers[provider], token),
          namesAnother: (provider, audiences) => namesAnother(config, as, provider, audiences),
          log,
        }),
        clock,
      )
    case 'impersonate':
      return createKubernetesImpersonation(
        {
          token: secretSource(as.token),
          prefixOf: (provider) => {
            const found = providers[provider]
            // A made-up prefix could be one that the cluster has bound rights to.
            if (found === undefined) throw new Refusal('identity_unusable')
            return found.prefix
          },
          prefixes: Object.values(providers).map((provider) => provider.prefix),
          reservedAllowed: as.reservedAllowed,
          log,
        },
        () => clock.now(),
      )
  }
}

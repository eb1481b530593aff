/** What Mandate forwards to, each with the credential source that its configuration names. */
import { type CacheObserver, cached } from '../assume/cached.ts'
import type { CredentialSource } from '../assume/credential-source.ts'
import { createForwardToken } from '../assume/forward-token.ts'
import { createKubernetesImpersonation } from '../assume/kubernetes-impersonation.ts'
import { takenAsBearer } from '../authenticate/taken-as-bearer.ts'
import type { Clock } from '../clock.ts'
import type { ClusterConfig } from '../config/cluster.ts'
import type { Config } from '../config/config.ts'
import { secretSource } from '../config/references.ts'
import { Refusal } from '../errors.ts'
import { createHttpUpstream } from '../forward/http.ts'
import type { Cluster } from '../gateway/clusters.ts'
import type { Lifecycle } from '../lifecycle.ts'
import type { Log } from '../log.ts'
import type { LoginTokens } from '../logins/login-tokens.ts'
import type { Metrics } from '../metrics.ts'

export interface TargetSurroundings {
  readonly loginTokens: LoginTokens
  readonly clock: Clock
  readonly log: Log
  readonly metrics: Metrics
  readonly lifecycle: Lifecycle
  readonly stopping: AbortSignal
}

/** One Kubernetes API server. */
export function composeCluster(
  cluster: ClusterConfig,
  config: Config,
  { loginTokens, clock, log, metrics, lifecycle, stopping }: TargetSurroundings,
): Cluster {
  const { ca } = cluster
  const upstream = createHttpUpstream({
    origin: cluster.server,
    ...(ca === undefined ? {} : { ca: () => secretSource(ca).read().expose() }),
  })
  lifecycle.onStop(`cluster ${cluster.name}`, () => upstream.close())
  const source = cluster.as.kind
  const observer: CacheObserver = {
    hit: () => metrics.count('mandate_credential_cache_hits_total', { source }),
    acquired: (result) => metrics.count('mandate_credential_acquisitions_total', { source, result }),
  }
  const route = `cluster/${cluster.name}`
  return {
    name: cluster.name,
    upstream: {
      upstream,
      streamMaxAgeMs: config.streams.maxAge,
      answerWithinMs: config.limits.answerWithin,
      liveStreams: (change) => metrics.add('mandate_live_streams', { route }, change),
      stopping,
    },
    source: cached(composeSource(cluster, config, loginTokens, clock, log), clock, observer),
    sourceName: source,
    target: { id: route, audience: cluster.as.kind === 'forward-token' ? (cluster.as.audience ?? '') : '', scopes: [] },
  }
}

function composeSource({ as }: ClusterConfig, { providers }: Config, logins: LoginTokens, clock: Clock, log: Log): CredentialSource {
  switch (as.kind) {
    case 'forward-token':
      return createForwardToken({
        token: as.token,
        passThroughOpen: as.passThroughOpen,
        logins,
        audienceFor: (provider) => as.audience ?? providers[provider]?.clientId ?? '',
        takenAsBearer: (provider, token) => takenAsBearer(providers[provider], token),
      })
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

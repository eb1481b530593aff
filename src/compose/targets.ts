/** The Kubernetes API servers that Mandate forwards to, each with the credential source that its configuration names. */
import type { ClusterConfig } from '../config/cluster.ts'
import type { Config } from '../config/config.ts'
import { secretSource } from '../config/references.ts'
import { createHttpUpstream } from '../forward/http.ts'
import type { Cluster } from '../gateway/clusters.ts'
import type { Lifecycle } from '../lifecycle.ts'
import { composeAssuming, type SourceSurroundings } from './sources.ts'

export interface TargetSurroundings extends SourceSurroundings {
  readonly lifecycle: Lifecycle
  readonly stopping: AbortSignal
}

/** One Kubernetes API server. */
export function composeCluster(cluster: ClusterConfig, config: Config, surroundings: TargetSurroundings): Cluster {
  const { metrics, lifecycle, stopping } = surroundings
  const { ca } = cluster
  const upstream = createHttpUpstream({
    origin: cluster.server,
    ...(ca === undefined ? {} : { ca: () => secretSource(ca).read().expose() }),
  })
  lifecycle.onStop(`cluster ${cluster.name}`, () => upstream.close())
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
    ...composeAssuming(route, cluster.as, config, surroundings),
  }
}

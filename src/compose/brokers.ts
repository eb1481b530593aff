/** The brokers, each with the cluster it works in and the account it writes with. */
import type { AuditSink } from '../audit/audit-sink.ts'
import { compileBroker } from '../broker/compile.ts'
import type { Broker } from '../broker/operation.ts'
import type { BrokerConfig } from '../config/broker.ts'
import type { ClusterConfig } from '../config/cluster.ts'
import type { Config } from '../config/config.ts'
import { secretSource } from '../config/references.ts'
import { Refusal } from '../errors.ts'
import type { Brokered } from '../gateway/brokered.ts'
import type { Cluster } from '../gateway/clusters.ts'
import { type ApiServer, createApiServer } from '../kubernetes/api-server.ts'
import { serviceAccountClient } from '../kubernetes/service-account-client.ts'
import type { Lifecycle } from '../lifecycle.ts'
import type { Log } from '../log.ts'

export interface BrokerSurroundings {
  readonly clusters: ReadonlyMap<string, Cluster>
  readonly audit: AuditSink
  readonly log: Log
  readonly lifecycle: Lifecycle
  /** Why the account of a broker must not be used now. */
  readonly closed: (broker: string) => Refusal | undefined
}

/** All brokers. The configuration has been checked: a cluster that it names is there. */
export function composeBrokers(config: Config, surroundings: BrokerSurroundings): readonly Brokered[] {
  const { hostname } = new URL(config.publicUrl)
  return Object.values(config.brokered).flatMap((broker) => {
    const cluster = surroundings.clusters.get(broker.cluster)
    const configured = config.clusters[broker.cluster]
    return cluster === undefined || configured === undefined ? [] : [composeBroker(broker, hostname, configured, cluster, surroundings)]
  })
}

function composeBroker(
  config: BrokerConfig,
  hostname: string,
  to: ClusterConfig,
  cluster: Cluster,
  surroundings: BrokerSurroundings,
): Brokered {
  const { audit, log, lifecycle, closed } = surroundings
  const broker = compileBroker(config, hostname)
  const apiServer = apiServerOf(to)
  lifecycle.onStop(`broker ${config.name}`, () => apiServer.close())
  return {
    cluster,
    target: {
      broker,
      apiServer,
      audit,
      account: accountOf(config, broker, apiServer),
      closed: () => closed(config.name),
      log,
      now: () => performance.now(),
    },
  }
}

/** An API server as its configuration has it, with connections of its own. */
export function apiServerOf({ server, ca }: ClusterConfig): ApiServer {
  const trusted = ca === undefined ? undefined : secretSource(ca)
  return createApiServer({ origin: server, ...(trusted === undefined ? {} : { ca: () => trusted.read().expose() }) })
}

function accountOf(
  { account, name }: BrokerConfig,
  { mayWrite, rightsOpen, onReviewOf }: Broker,
  apiServer: ApiServer,
): Brokered['target']['account'] {
  if (account === undefined) {
    return () => {
      throw new Refusal('credential_unavailable')
    }
  }
  const token = secretSource(account.token)
  const resource = `brokered/${name}`
  const open = rightsOpen.filter((kind) => mayWrite.includes(kind))
  return (audit) => serviceAccountClient(apiServer, { token, audit, resource, mayWrite, rightsOpen: open, onReviewOf })
}

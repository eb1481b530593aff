/**
 * What Mandate does with accounts of its own, without being asked.
 *
 * Security: the capability for it is made here and handed to what runs by itself; no door and no step may import this
 * file or the one it is made from (`biome.json`).
 */
import type { AuditSink } from '../audit/audit-sink.ts'
import type { Clock } from '../clock.ts'
import type { Config } from '../config/config.ts'
import { secretSource } from '../config/references.ts'
import type { Refusal } from '../errors.ts'
import { createApiServer } from '../kubernetes/api-server.ts'
import { watchBrokerRights } from '../kubernetes/broker-rights.ts'
import { OWN_TASKS } from '../kubernetes/own-tasks.ts'
import { createOwnWork } from '../kubernetes/own-work.ts'
import type { Lifecycle } from '../lifecycle.ts'
import type { Log } from '../log.ts'
import type { Metrics } from '../metrics.ts'

export interface OwnWorkSurroundings {
  readonly audit: AuditSink
  readonly clock: Clock
  readonly log: Log
  readonly metrics: Metrics
  readonly lifecycle: Lifecycle
}

/** What is known of the accounts that brokers write with. */
export interface Accounts {
  /** Why a broker's account must not be used now; undefined when it may. */
  closed(broker: string): Refusal | undefined
}

/** Watches, for each cluster that is impersonated to, what the account for it may do besides. */
export async function composeOwnWork(
  { clusters }: Config,
  { audit, clock, log, metrics, lifecycle }: OwnWorkSurroundings,
): Promise<Accounts> {
  for (const { name, server, ca, as } of Object.values(clusters)) {
    if (as.kind !== 'impersonate') continue
    const trusted = ca === undefined ? undefined : secretSource(ca)
    const apiServer = createApiServer({ origin: server, ...(trusted === undefined ? {} : { ca: () => trusted.read().expose() }) })
    const own = createOwnWork(apiServer, { token: secretSource(as.token), audit, resource: `cluster/${name}`, tasks: OWN_TASKS })
    lifecycle.onStop(`connections of own work at ${name}`, () => apiServer.close())
    const watching = watchBrokerRights({ cluster: name, own, clock, log, metrics })
    lifecycle.onStop(`rights of the account at ${name}`, () => watching.stop())
  }
  return { closed: () => undefined }
}

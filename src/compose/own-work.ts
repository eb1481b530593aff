/**
 * What Mandate does with accounts of its own, without being asked.
 *
 * Security: the capability for it is made here and handed to what runs by itself; no door and no step may import this
 * file or the one it is made from (`biome.json`). A broker's account that may do what is on the deny-list keeps the gateway
 * from starting; one that is found to later, or of which nothing is known yet, writes and sweeps nothing. (A replica that was
 * elected by then goes on holding its Lease.)
 */
import { hostname } from 'node:os'
import type { AuditSink } from '../audit/audit-sink.ts'
import { accountRights } from '../broker/account-rights.ts'
import { tendedKinds } from '../broker/tended.ts'
import { type Clock, pause } from '../clock.ts'
import { Complaint } from '../complaint.ts'
import { type BrokerConfig, leaseOf } from '../config/broker.ts'
import type { ClusterConfig } from '../config/cluster.ts'
import type { Config } from '../config/config.ts'
import { isSystemNamespace } from '../config/deny-list.ts'
import { type SecretSource, secretSource } from '../config/references.ts'
import { Refusal } from '../errors.ts'
import { type AccountReview, watchAccount } from '../kubernetes/account-excess.ts'
import { deniedProbes, excessProbes, neededProbes } from '../kubernetes/account-probes.ts'
import { watchBrokerRights } from '../kubernetes/broker-rights.ts'
import { orphanSweep } from '../kubernetes/orphan-sweep.ts'
import { sweepRights } from '../kubernetes/orphans.ts'
import { OWN_TASKS } from '../kubernetes/own-tasks.ts'
import { createOwnWork } from '../kubernetes/own-work.ts'
import { elect } from '../kubernetes/runtime/election.ts'
import type { Lifecycle } from '../lifecycle.ts'
import type { Log } from '../log.ts'
import type { Metrics } from '../metrics.ts'
import { readJwtForm } from '../providers/jwt-form.ts'
import { apiServerOf } from './brokers.ts'

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

/** How long a start waits to hear what an account may do; after that the broker is closed until it is heard. */
const FIRST_LOOK_WITHIN_MS = 15_000
const NAMED = 10

/** Watches, for each cluster that is impersonated to, what the account for it may do besides. */
export function composeOwnWork({ clusters }: Config, { audit, clock, log, metrics, lifecycle }: OwnWorkSurroundings): void {
  for (const cluster of Object.values(clusters)) {
    const { name, as } = cluster
    if (as.kind !== 'impersonate') continue
    const apiServer = apiServerOf(cluster)
    const own = createOwnWork(apiServer, { token: secretSource(as.token), audit, resource: `cluster/${name}`, tasks: OWN_TASKS })
    lifecycle.onStop(`connections of own work at ${name}`, () => apiServer.close())
    const watching = watchBrokerRights({ cluster: name, own, clock, log, metrics })
    lifecycle.onStop(`rights of the account at ${name}`, () => watching.stop())
  }
}

/**
 * Watches what the accounts of brokers may do, and sweeps for what lost its owner. Rejects with a Complaint when an account
 * may do what is on the deny-list.
 */
export async function composeAccounts({ brokered, clusters }: Config, surroundings: OwnWorkSurroundings): Promise<Accounts> {
  const found = new Map<string, AccountReview | undefined>()
  const looks = Object.values(brokered).map(async (broker) => {
    const cluster = clusters[broker.cluster]
    if (cluster === undefined || broker.account === undefined) return
    found.set(broker.name, undefined)
    await composeAccount(broker, broker.account, cluster, surroundings, {
      seen: (review) => void found.set(broker.name, review),
      mayAct: () => found.get(broker.name)?.denied.length === 0,
    })
    const denied = found.get(broker.name)?.denied ?? []
    if (denied.length > 0) throw tooMuch(broker.name, denied)
  })
  await Promise.all(looks)
  return {
    closed(broker) {
      if (!found.has(broker)) return undefined
      const review = found.get(broker)
      if (review === undefined) return new Refusal('account_unseen')
      return review.denied.length > 0 ? new Refusal('account_excessive') : undefined
    },
  }
}

/** What is known of one account: told by the watch, asked by the sweep. */
interface Known {
  seen(review: AccountReview): void
  mayAct(): boolean
}

/** Begins to watch, and to sweep once the account may be used. Resolves when the first look is over, has failed or takes too long. */
async function composeAccount(
  broker: BrokerConfig,
  account: NonNullable<BrokerConfig['account']>,
  cluster: ClusterConfig,
  { audit, clock, log, metrics, lifecycle }: OwnWorkSurroundings,
  known: Known,
): Promise<void> {
  const { name, cleanup, namespaces, deniedOpen } = broker
  const apiServer = apiServerOf(cluster)
  lifecycle.onStop(`connections of the account of ${name}`, () => apiServer.close())
  const tended = tendedKinds(broker)
  const mode = cleanup?.mode ?? 'report'
  const tasks = { ...OWN_TASKS, sweep: sweepRights({ ...tended, mode }) }
  const token = secretSource(account.token)
  const own = createOwnWork(apiServer, { token, audit, resource: `brokered/${name}`, tasks })
  const lease = leaseOf(broker)
  const declared = accountRights(broker)
  const { mayAct } = known
  let sweeps = false
  /** Once, as soon as the account may be used: not even a Lease is written with one that may do too much. */
  const beginSweep = (): void => {
    if (sweeps || lifecycle.stopping || cleanup === undefined || lease === undefined || tended.kinds.length === 0) return
    sweeps = true
    const { every, most } = cleanup
    const sweeping = { own: own('sweep'), broker: name, ...tended, namespaces, mode, everyMs: every, most, mayAct, clock, log, metrics }
    const lifted = deniedOpen.includes('system-namespaces')
    const lead = orphanSweep({ ...sweeping, ...(lifted ? {} : { exceptNamespace: isSystemNamespace }) })
    const work = { lease: own('lease'), upkeep: own('lease-upkeep') }
    const election = elect({ own: work, ...lease, identity: hostname(), clock, log, lead })
    lifecycle.onStop(`sweep of ${name}`, () => election.stop())
  }
  const first = Promise.withResolvers<void>()
  const watching = watchAccount({
    account: name,
    own: own('account-review'),
    // The token may come later than the start, so it is looked at anew.
    get denied() {
      const besides = [lease?.namespace, namespaceOf(token)].filter((each) => each !== undefined)
      return deniedProbes({ namespaces, lifted: deniedOpen, besides, declared })
    },
    excess: excessProbes(namespaces, declared),
    needed: neededProbes(declared),
    clock,
    log,
    seen(review) {
      known.seen(review)
      first.resolve()
      if (mayAct()) beginSweep()
    },
    failed: first.resolve,
  })
  lifecycle.onStop(`rights of the account of ${name}`, () => {
    first.resolve()
    return watching.stop()
  })
  const given = new AbortController()
  await Promise.race([first.promise, pause(clock, FIRST_LOOK_WITHIN_MS, given.signal)])
  given.abort()
}

/**
 * The namespace in which a service account says it lives, by its token; undefined when that is no such token.
 *
 * Nothing of it is proven: it tells only where to look besides.
 */
function namespaceOf(token: SecretSource): string | undefined {
  try {
    const { sub } = readJwtForm(token.read()).unverified
    return typeof sub === 'string' ? /^system:serviceaccount:([a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?):[^:]+$/.exec(sub)?.[1] : undefined
  } catch {
    return undefined
  }
}

function tooMuch(broker: string, denied: readonly string[]): Complaint {
  const more = denied.length > NAMED ? `, and ${denied.length - NAMED} more` : ''
  return new Complaint(
    `brokered.${broker}.account may do what no broker may (account_excessive): ${denied.slice(0, NAMED).join(', ')}${more}\n` +
      '  mend: give it the rights that "mandate rbac" prints and no others, or lift what it needs by deniedOpen',
  )
}

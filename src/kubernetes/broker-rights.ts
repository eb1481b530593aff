/**
 * Looks at what the account that impersonates may do besides, and tells the operator.
 *
 * Security: whoever holds that account's token has all it may do, so it should be able to impersonate the people and
 * groups that are listed for it and nothing else. This is advice: a few telling rights are asked for one by one,
 * because the list of all rights (SelfSubjectRulesReview) is of one namespace and may be incomplete. No request is
 * decided by it, and an API server that cannot be reached is asked again at the next turn.
 */
import type { Clock, Timer } from '../clock.ts'
import type { Log } from '../log.ts'
import type { Metrics } from '../metrics.ts'
import { isRecord } from './kubernetes-object.ts'
import type { OWN_TASKS } from './own-tasks.ts'
import type { Own } from './own-work.ts'

export interface BrokerRightsOptions {
  readonly cluster: string
  readonly own: Own<typeof OWN_TASKS>
  readonly clock: Clock
  readonly log: Log
  readonly metrics: Metrics
}

// Whoever comes to a replica that has just started goes first.
const FIRST_AFTER_MS = 60_000
const EVERY_MS = 3_600_000

const RBAC = 'rbac.authorization.k8s.io'

/** A right each, in all namespaces, and how it reads in the log. */
const TELLING: ReadonlyArray<readonly [reads: string, attributes: Readonly<Record<string, string>>]> = [
  ['do everything', { verb: '*', group: '*', resource: '*' }],
  ['impersonate the group system:masters', { verb: 'impersonate', group: '', resource: 'groups', name: 'system:masters' }],
  ['read secrets', { verb: 'get', group: '', resource: 'secrets' }],
  ['create pods', { verb: 'create', group: '', resource: 'pods' }],
  ['run commands in pods', { verb: 'create', group: '', resource: 'pods', subresource: 'exec' }],
  ['issue tokens of service accounts', { verb: 'create', group: '', resource: 'serviceaccounts', subresource: 'token' }],
  ['escalate cluster roles', { verb: 'escalate', group: RBAC, resource: 'clusterroles' }],
  ['bind cluster roles', { verb: 'bind', group: RBAC, resource: 'clusterroles' }],
]

/** Looks a minute after the start and then every hour. Never throws. `stop` ends what is under way and resolves after it. */
export function watchBrokerRights(options: BrokerRightsOptions): { stop(): Promise<void> } {
  const { clock } = options
  const stopping = new AbortController()
  let running = Promise.resolve()
  const turn = async (): Promise<void> => {
    await look(options, stopping.signal)
    if (!stopping.signal.aborted) timer = clock.after(EVERY_MS, begin)
  }
  const begin = () => {
    running = turn()
  }
  let timer: Timer = clock.after(FIRST_AFTER_MS, begin)
  return {
    stop: () => {
      stopping.abort()
      timer.cancel()
      return running
    },
  }
}

async function look({ cluster, own, log, metrics }: BrokerRightsOptions, signal: AbortSignal): Promise<void> {
  try {
    const found: string[] = []
    for (const [reads, resourceAttributes] of TELLING) {
      const body = { apiVersion: 'authorization.k8s.io/v1', kind: 'SelfSubjectAccessReview', spec: { resourceAttributes } }
      const { status } = await own('broker-rights').act('create', 'selfsubjectaccessreviews', { body, signal })
      if (isRecord(status) && status['allowed'] === true) found.push(reads)
    }
    metrics.set('mandate_broker_excess', { cluster }, found.length)
    if (found.length > 0) log.warn(`the account that impersonates may do more than that`, { cluster, may: found.join(', ') })
  } catch (error) {
    if (signal.aborted) return
    const code = error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : 'unknown'
    log.info('what the account that impersonates may do besides cannot be seen now', { cluster, code })
  }
}

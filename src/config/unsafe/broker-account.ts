/**
 * Faults of a broker's own work: the account it writes with, and the cleaning up that nobody asks for.
 *
 * Security: the account that writes is never the one that impersonates: as one they could do as anybody what no review of a
 * user allows.
 */
import { resolve } from 'node:path'
import { type BrokerConfig, leaseOf, type WriteConfig } from '../broker.ts'
import type { Config } from '../config.ts'
import { isSecret } from '../deny-list.ts'
import type { Fault } from '../faults/faults.ts'
import type { Reference } from '../values.ts'
import { isLifted, kindNamed } from './broker-scope.ts'

type Parts = Pick<Config, 'brokered' | 'clusters'>

/** The faults of a broker's account and of its cleaning up. */
export function accountFaults({ clusters }: Parts, broker: BrokerConfig, at: string): Fault[] {
  return [...missingFaults(broker, at), ...impersonatingFaults(clusters, broker, at), ...cleanupFaults(broker, at)]
}

function missingFaults(broker: BrokerConfig, at: string): Fault[] {
  const writes = broker.operations.some((operation) => operation.writes !== undefined)
  if (broker.account !== undefined || !(writes || broker.cleanup !== undefined)) return []
  const what = writes ? 'an operation writes' : 'it cleans up'
  return [{ path: `${at}.account`, problem: `is missing, and ${what}`, mend: 'name the token of the account that does' }]
}

function impersonatingFaults(clusters: Parts['clusters'], { account }: BrokerConfig, at: string): Fault[] {
  if (account === undefined) return []
  return Object.values(clusters)
    .filter(({ as }) => as.kind === 'impersonate' && isSame(as.token, account.token))
    .map(({ name }) => ({
      path: `${at}.account.token`,
      problem: `is the token by which clusters.${name} impersonates`,
      mend: 'take a service account of its own for what is written',
    }))
}

function isSame(one: Reference, other: Reference): boolean {
  if ('env' in one) return 'env' in other && one.env === other.env
  return 'file' in other && resolve(one.file) === resolve(other.file)
}

/** A sweep that can find nothing. */
function cleanupFaults(broker: BrokerConfig, at: string): Fault[] {
  const owned = broker.operations.flatMap(({ writes = [] }) => writes).filter(hasOwner)
  if (broker.cleanup === undefined || owned.some((step) => isLifted(broker, 'secrets') || !writesSecret(broker, step))) return []
  const what = owned.length === 0 ? 'no step writes with ownedBy' : 'only Secrets are written with ownedBy, and it does not look at them'
  return [{ path: `${at}.cleanup`, problem: `finds nothing: ${what}`, mend: 'remove it, or say ownedBy where something has an owner' }]
}

function hasOwner(step: WriteConfig): boolean {
  return step.do === 'token' ? step.into !== undefined : 'ownedBy' in step && step.ownedBy !== undefined
}

function writesSecret(broker: BrokerConfig, step: WriteConfig): boolean {
  const kind = step.do === 'token' ? undefined : kindNamed(broker, step.kind)
  return step.do === 'token' || (kind !== undefined && isSecret(kind))
}

/** Two brokers by one Lease of one API server: only one of them would ever clean up. */
export function leaseFaults({ brokered, clusters }: Parts): Fault[] {
  const seen = new Map<string, string>()
  return Object.values(brokered).flatMap((broker): Fault[] => {
    const lease = leaseOf(broker)
    const cluster = Object.hasOwn(clusters, broker.cluster) ? clusters[broker.cluster] : undefined
    if (lease === undefined || cluster === undefined) return []
    const key = JSON.stringify([cluster.server, lease.namespace, lease.name])
    const other = seen.get(key)
    if (other === undefined) seen.set(key, broker.name)
    const problem = `is the Lease of brokered.${other} as well`
    return other === undefined ? [] : [{ path: `brokered.${broker.name}.cleanup.lease`, problem, mend: 'give each broker its own' }]
  })
}

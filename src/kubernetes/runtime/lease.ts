/**
 * The record in a Lease (coordination.k8s.io/v1) by which replicas know which of them leads, as client-go writes and reads it.
 *
 * Security: times in the record are for people. Nobody reads a clock of another machine out of them: that somebody is alive
 * is known by the record changing, so every one that is written differs from the one before it, also when the clock stands
 * still or is set back.
 */
import { isRecord, type KubernetesObject, objectIn } from '../kubernetes-object.ts'

export interface LeaseRecord {
  /** '' for a lease that was given back. */
  readonly holder: string
  /** How long its holder counts on it, in milliseconds; 0 when it does not say. */
  readonly lastsMs: number
  readonly transitions: number
  readonly acquireTime: string
  /** The whole record as text: another text is a sign of life. */
  readonly text: string
}

/** What is written of a holder. */
export interface Claim {
  readonly holder: string
  readonly leaseMs: number
  readonly transitions: number
  /** Absent for now. */
  readonly acquireTime?: string
}

/** A Lease as the API server gave it, and what its record says. Throws a Refusal (`upstream_broke`) for what is none. */
export function leaseIn(body: Readonly<Record<string, unknown>>): { readonly object: KubernetesObject; readonly record: LeaseRecord } {
  const object = objectIn(body)
  const spec = isRecord(object['spec']) ? object['spec'] : {}
  const { holderIdentity, leaseDurationSeconds, leaseTransitions, acquireTime } = spec
  return {
    object,
    record: {
      holder: typeof holderIdentity === 'string' ? holderIdentity : '',
      lastsMs: whole(leaseDurationSeconds) * 1_000,
      transitions: whole(leaseTransitions),
      acquireTime: typeof acquireTime === 'string' ? acquireTime : '',
      text: JSON.stringify(spec),
    },
  }
}

/** Makes the `spec` of a Lease, no two of them alike. `now` is in milliseconds since the epoch. */
export function specMaker(now: () => number): (claim: Claim) => Readonly<Record<string, unknown>> {
  let written = 0
  return ({ holder, leaseMs, transitions, acquireTime }) => {
    written = (written + 1) % 1_000
    // The microseconds of a MicroTime count what was written: two records of one millisecond differ.
    const time = `${new Date(now()).toISOString().slice(0, -1)}${String(written).padStart(3, '0')}Z`
    return {
      holderIdentity: holder,
      leaseDurationSeconds: Math.max(1, Math.ceil(leaseMs / 1_000)),
      leaseTransitions: transitions,
      acquireTime: acquireTime === undefined || acquireTime === '' ? time : acquireTime,
      renewTime: time,
    }
  }
}

function whole(value: unknown): number {
  return typeof value === 'number' && Number.isInteger(value) && value > 0 ? value : 0
}

/**
 * The lease as one candidate sees it and holds it.
 *
 * Security: the signal that `take` gives fires `renewWithinMs` after the last write that succeeded was *sent*, by a timer
 * that was set before it was sent; what is read later than that is not believed to be ours. No write is repeated whose
 * outcome is not known: the lease is looked at first.
 */
import { randomUUID } from 'node:crypto'
import type { Clock, Timer } from '../../clock.ts'
import { Refusal } from '../../errors.ts'
import { ApiStatus } from '../api-status.ts'
import type { KubernetesObject } from '../kubernetes-object.ts'
import type { OWN_TASKS } from '../own-tasks.ts'
import type { Act, OwnWork } from '../own-work.ts'
import { type Claim, type LeaseRecord, leaseIn, specMaker } from './lease.ts'

/** What an election is done with: the capabilities for the tasks `lease` and `lease-upkeep`. */
export interface LeaseWork {
  readonly lease: Pick<OwnWork<(typeof OWN_TASKS)['lease'][number]>, 'act'>
  readonly upkeep: Pick<OwnWork<(typeof OWN_TASKS)['lease-upkeep'][number]>, 'act' | 'look'>
}

export interface LeaseHoldOptions {
  readonly own: LeaseWork
  readonly namespace: string
  readonly name: string
  /** Of this candidate alone. */
  readonly holder: string
  readonly clock: Clock
  readonly leaseMs: number
  readonly renewWithinMs: number
}

export interface LeaseHold {
  /** Takes the lease if it can be had now, and gives what fires when it is no longer ours for sure. Throws when that cannot be told. */
  take(signal: AbortSignal): Promise<AbortSignal | undefined>
  /** Renews, or finds that somebody else holds it. Throws when neither can be told; then it may be tried again. */
  renew(): Promise<void>
  /** Gives back what is still ours. Throws when that cannot be told: then it runs out. */
  giveBack(): Promise<void>
  /** Cancels what is waited for. */
  forget(): void
}

const UNKNOWN = 'unknown'

type Send = (act: Act) => Promise<Readonly<Record<string, unknown>>>

interface Seen {
  readonly object: KubernetesObject
  readonly record: LeaseRecord
}

export function createLeaseHold(options: LeaseHoldOptions): LeaseHold {
  const { own, namespace, name, holder, clock, leaseMs, renewWithinMs } = options
  const spec = specMaker(() => clock.now())
  /** The record as it was first seen like this, and whether its holder has let it run out since. */
  let watched: { readonly text: string; readonly timer: Timer; readonly mark: { over: boolean } } | undefined
  let held: Seen | undefined
  /** Whether `held` is what the API server has, as far as we know. */
  let sure = false
  let term = new AbortController()
  let expiry: Timer | undefined

  /** One question with its end. What it comes to after that is for nobody. */
  const within = async <T>(question: (signal: AbortSignal) => Promise<T>, signal?: AbortSignal): Promise<T> => {
    const late = Promise.withResolvers<never>()
    const over = new AbortController()
    const end = () => {
      over.abort()
      late.reject(new Refusal('upstream_timeout'))
    }
    // Two tries at least before a holder gives up on an API server that hangs.
    const timer = clock.after(renewWithinMs / 2, end)
    signal?.addEventListener('abort', end, { once: true })
    try {
      return await Promise.race([question(over.signal), late.promise])
    } finally {
      timer.cancel()
      signal?.removeEventListener('abort', end)
    }
  }

  const look = async (signal?: AbortSignal): Promise<Seen | undefined> => {
    const body = await within((over) => own.upkeep.look('leases', { namespace, name, signal: over }), signal)
    return body === undefined ? undefined : leaseIn(body)
  }

  /** Whether the record has not changed for as long as it holds, seen from here. */
  const ranOut = ({ text, lastsMs }: LeaseRecord): boolean => {
    if (watched?.text !== text) {
      watched?.timer.cancel()
      const mark = { over: false }
      const timer = clock.after(Math.max(leaseMs, lastsMs), () => {
        mark.over = true
      })
      watched = { text, timer, mark }
    }
    return watched.mark.over
  }

  /** Writes, and counts from before it. Only what succeeds moves the end. */
  const write = async (send: Send, act: Act, of: AbortController): Promise<void> => {
    const timer = clock.after(renewWithinMs, () => of.abort())
    sure = false
    try {
      held = leaseIn(await within((over) => send({ ...act, namespace, signal: over })))
    } catch (error) {
      timer.cancel()
      throw error
    }
    sure = true
    expiry?.cancel()
    expiry = timer
  }
  const changed = ({ object }: Seen, claim: Claim): Act => ({ name, body: { ...object, spec: spec(claim) } })
  const kept = ({ record: { transitions, acquireTime } }: Seen): Claim => ({ holder, leaseMs, transitions, acquireTime })

  /** A lease of a holder who never renews: whoever led by one that was deleted has given up when anybody takes this one. */
  const newLease = (): KubernetesObject => {
    const claim = { holder: `${UNKNOWN}_${randomUUID()}`, leaseMs, transitions: 0 }
    return { apiVersion: 'coordination.k8s.io/v1', kind: 'Lease', metadata: { name, namespace }, spec: spec(claim) }
  }

  const stillOurs = async (): Promise<boolean> => {
    const seen = await look()
    sure = seen?.record.holder === holder
    if (sure) held = seen
    else term.abort()
    return sure
  }

  return {
    async take(signal) {
      const seen = await look(signal)
      if (signal.aborted) return undefined
      const next = new AbortController()
      try {
        if (seen === undefined) {
          const body = newLease()
          const made = await within((over) => own.lease.act('create', 'leases', { namespace, body, signal: over }), signal)
          ranOut(leaseIn(made).record)
          return undefined
        }
        const { holder: now, transitions } = seen.record
        const over = ranOut(seen.record)
        if (now !== '' && now !== holder && !over) return undefined
        const claim = now === holder ? kept(seen) : { holder, leaseMs, transitions: transitions + 1 }
        await write((act) => own.lease.act('update', 'leases', act), changed(seen, claim), next)
      } catch (error) {
        // Somebody else was faster.
        if (error instanceof ApiStatus && error.status === 409) return undefined
        throw error
      }
      term = next
      return term.signal
    },

    async renew() {
      if (!sure || held === undefined) {
        if (!(await stillOurs()) || held === undefined) return
      }
      try {
        await write((act) => own.upkeep.act('update', 'leases', act), changed(held, kept(held)), term)
      } catch (error) {
        if (!(error instanceof ApiStatus)) throw error
        // It was changed or is gone: by whom is seen at once, and if it is still ours the next turn renews.
        await stillOurs()
      }
    },

    async giveBack() {
      if (!sure && !(await stillOurs())) return
      if (held === undefined || term.signal.aborted) return
      const { transitions } = held.record
      const body = changed(held, { holder: '', leaseMs: 1_000, transitions })
      await within((signal) => own.lease.act('update', 'leases', { ...body, namespace, signal }))
    },

    forget() {
      expiry?.cancel()
      expiry = undefined
      watched?.timer.cancel()
      watched = undefined
      held = undefined
      sure = false
    },
  }
}

/**
 * Elects one replica by a Lease, with the semantics of client-go's leader election.
 *
 * Security: two leaders at once would do twice what may be done once. What keeps them apart:
 * - every write is a compare-and-set on the uid and resourceVersion that were read; a 409 means somebody else was faster;
 * - a candidate takes over only when the record has not changed for as long as its holder counts on it, measured from when
 *   the candidate itself saw it, with timers that no clock moves. The times in the record decide nothing;
 * - a leader counts from before it sent the last renewal that succeeded, and gives up `leaseMs - renewWithinMs` before
 *   anybody can take over; when it sees another holder, or that the lease is gone, it gives up at once;
 * - a lease that is not there is first written as one of an unknown holder, which runs out like any other: whoever deletes
 *   it makes no second leader. (So the very first election takes `leaseMs`.)
 * - on `stop` the lease is renewed until `lead` has ended, and only then given back;
 * - the identity gets a random end: two processes of one name are two candidates.
 * A process that is suspended as a whole sees its timers late: what it does as a leader must bear that by itself, as a
 * delete does with its preconditions. Whoever may write the Lease may depose a leader: keep that to the account.
 */
import { randomUUID } from 'node:crypto'
import { type Clock, pause } from '../../clock.ts'
import { describeError, type Log } from '../../log.ts'
import { createLeaseHold, type LeaseWork } from './lease-hold.ts'

export interface ElectionOptions {
  /** The capabilities for the tasks `lease` and `lease-upkeep`. */
  readonly own: LeaseWork
  readonly namespace: string
  readonly name: string
  /** Tells people who holds the lease, such as the name of a pod; a random end is added. */
  readonly identity: string
  readonly clock: Clock
  readonly log: Log
  /**
   * What the leader does, for as long as it likes; soon after the signal has fired it must have ended. When it ends by
   * itself, or throws, the lease is given back, and after `leaseMs` this candidate stands again.
   */
  lead(signal: AbortSignal): Promise<void>
  /** How long a lease holds without being renewed; 15 seconds. */
  readonly leaseMs?: number
  /** How long a leader tries to renew before it gives up: less than `leaseMs`, at least three `retryMs`; 10 seconds. */
  readonly renewWithinMs?: number
  /** Between two looks or renewals, and up to half as long again at random; 2 seconds. */
  readonly retryMs?: number
}

export interface Election {
  /** Whether `lead` was begun, has not ended, and its signal has not fired. */
  readonly leading: boolean
  /** Ends leading, waits for `lead`, and gives the lease back. Never rejects. */
  stop(): Promise<void>
}

/** Stands for election until `stop`, whatever fails meanwhile. Throws a TypeError for times that cannot be kept. */
export function elect(options: ElectionOptions): Election {
  const { own, namespace, name, identity, clock, log, leaseMs = 15_000, renewWithinMs = 10_000, retryMs = 2_000 } = options
  // A renewal may take half of the time to renew, and there must be time for a second one.
  if (!(retryMs > 0 && retryMs * 3 <= renewWithinMs && renewWithinMs < leaseMs)) {
    throw new TypeError('an election needs 3 * retryMs <= renewWithinMs < leaseMs')
  }
  const lease = `${namespace}/${name}`
  const stopping = new AbortController()
  const hold = createLeaseHold({ own, namespace, name, holder: `${identity}_${randomUUID()}`, clock, leaseMs, renewWithinMs })
  const told = troubleLog(log, lease)
  const wait = (signal: AbortSignal) => pause(clock, retryMs * (1 + Math.random() / 2), signal)
  let leading: AbortSignal | undefined

  /** Leads until the end, and tells whether that came by itself. */
  const serve = async (lapsed: AbortSignal): Promise<boolean> => {
    const signal = AbortSignal.any([lapsed, stopping.signal])
    leading = signal
    log.info('leads', { lease })
    const ended = new AbortController()
    const work = begin(options.lead, signal)
      .catch((error: unknown) => {
        if (!signal.aborted) log.fault('what the leader does has failed', error, { lease })
      })
      .then(() => ended.abort())
    const over = AbortSignal.any([lapsed, ended.signal])
    for (await wait(over); !over.aborted; await wait(over)) await told(hold.renew())
    const byItself = !signal.aborted
    await work
    leading = undefined
    log.info('leads no longer', { lease, because: lapsed.aborted ? 'the lease was lost' : byItself ? 'it ended by itself' : 'it stops' })
    if (!lapsed.aborted) await told(hold.giveBack())
    hold.forget()
    return byItself
  }

  const stand = async (): Promise<void> => {
    while (!stopping.signal.aborted) {
      const lapsed = await told(hold.take(stopping.signal), stopping.signal)
      const byItself = lapsed === undefined ? false : await serve(lapsed)
      await (byItself ? pause(clock, leaseMs, stopping.signal) : wait(stopping.signal))
    }
    hold.forget()
  }
  const standing = stand().catch((error: unknown) => log.fault('an election has ended', error, { lease }))

  return {
    get leading() {
      return leading !== undefined && !leading.aborted
    },
    stop: () => {
      stopping.abort()
      return standing
    },
  }
}

/** Nothing is begun that is to end at once. What throws before its first await is no different from what rejects. */
async function begin(lead: (signal: AbortSignal) => Promise<void>, signal: AbortSignal): Promise<void> {
  if (!signal.aborted) await lead(signal)
}

/** Takes failures to the log: the first of a kind, and when it is over. */
function troubleLog(log: Log, lease: string): <T>(asked: Promise<T>, stopping?: AbortSignal) => Promise<T | undefined> {
  let before = ''
  return async (asked, stopping) => {
    try {
      const answer = await asked
      if (before !== '') log.info('the lease can be seen again', { lease })
      before = ''
      return answer
    } catch (error) {
      if (stopping?.aborted) return undefined
      const described = describeError(error)
      const status = error instanceof Error && 'status' in error && typeof error.status === 'number' ? { status: error.status } : {}
      const now = JSON.stringify({ ...described, ...status })
      if (now !== before) log.warn('the lease cannot be seen, taken or renewed now', { lease, ...described, ...status })
      before = now
      return undefined
    }
  }
}

/**
 * Sums what own work does every few seconds, so that a lease that is renewed does not fill the audit log.
 *
 * Security: "no record, no action" is about what callers ask for: each of their attempts has a record. What is summed here
 * nobody asked for, and only the table of tasks says what it is: looks, and renewals that change nothing but a time. Even so
 * the first act of each kind waits for its record, and no act is done under a record older than ten minutes: when the log
 * cannot be written the account comes to rest. What matters (taking a lease, giving it back, deleting) is never summed.
 */
import { type Recording, recorded } from './account.ts'

type OwnWorkEvent = Extract<Parameters<Recording['record']>[0], { event: 'own-work' }>

/** Resolves once the act may be done: at once when it is counted. Throws a Refusal (`audit_unavailable`). */
export type OwnSums = (event: OwnWorkEvent) => Promise<void>

const WINDOW_MS = 600_000
const SEVERAL = 'several'

interface Sum {
  /** When the last record of this kind was written. */
  since: number
  /** Acts after that record. */
  counted: About
  /** The record that is being written: who comes meanwhile waits for it. Never rejects. */
  writing: Promise<void> | undefined
}

/** What is common to the acts that are summed. */
interface About {
  readonly count: number
  readonly namespace: string
  readonly name: string
}

const NONE: About = { count: 0, namespace: '', name: '' }

/**
 * Records the first act of a kind (task, verb, group and resource), counts those of the ten minutes after it, and writes
 * with the next a record whose `count` is of that one and the counted. `monotonic` is in milliseconds that only go forward.
 */
export function ownSums(audit: Recording, monotonic: () => number): OwnSums {
  const sums = new Map<string, Sum>()
  return async (event) => {
    const { namespace = '', name = '', ...kind } = event.properties
    const key = JSON.stringify([event.task, event.action, kind])
    const sum = sums.get(key) ?? { since: Number.NEGATIVE_INFINITY, counted: NONE, writing: undefined }
    sums.set(key, sum)
    while (sum.writing !== undefined) await sum.writing
    const all = withOne(sum.counted, namespace, name)
    const now = monotonic()
    if (now - sum.since < WINDOW_MS) {
      sum.counted = all
      return
    }
    const { count, ...about } = all
    const properties = { ...kind, ...about, ...(count === 1 ? {} : { count: String(count) }) }
    const written = recorded(audit, { ...event, properties })
    sum.writing = written
      .then(() => Object.assign(sum, { since: now, counted: NONE }))
      .catch(() => undefined)
      .then(() => {
        sum.writing = undefined
      })
    await sum.writing
    await written
  }
}

function withOne(before: About, namespace: string, name: string): About {
  if (before.count === 0) return { count: 1, namespace, name }
  return { count: before.count + 1, namespace: common(before.namespace, namespace), name: common(before.name, name) }
}

function common(before: string, now: string): string {
  return before === now ? now : SEVERAL
}

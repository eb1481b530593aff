/**
 * A clock for tests: time stands still until `advance` moves it.
 *
 * `advance` fires due timers in order, each at its own moment, and between two of them lets every promise and
 * `setImmediate` that the last one started come to rest. Work that waits for a socket is not awaited: a test that
 * needs it waits for the socket itself.
 */
import { setImmediate as turn } from 'node:timers/promises'
import type { Clock, Timer } from './clock.ts'

export interface FakeClock extends Clock {
  /** Moves time by `ms`, firing every timer that becomes due on the way, those set meanwhile included. */
  advance(ms: number): Promise<void>
  /** Sets the wall clock forward or back as an administrator would: timers keep their remaining time. */
  jump(ms: number): void
  /** Timers that have neither fired nor been cancelled: zero after a clean stop. */
  readonly pending: number
}

interface Waiting {
  readonly due: number
  readonly task: () => void
}

/** A fake clock that shows `start` (milliseconds since the epoch). */
export function createFakeClock(start = Date.UTC(2026, 0, 1)): FakeClock {
  const timers = new Set<Waiting>()
  let elapsed = 0
  let offset = start

  const settle = async () => {
    for (let i = 0; i < 3; i++) await turn()
  }
  const nextDue = (end: number): Waiting | undefined => {
    let first: Waiting | undefined
    for (const timer of timers) if (timer.due <= end && (first === undefined || timer.due < first.due)) first = timer
    return first
  }

  return {
    now: () => offset + elapsed,
    after(ms: number, task: () => void): Timer {
      const timer = { due: elapsed + Math.max(0, ms), task }
      timers.add(timer)
      return { cancel: () => void timers.delete(timer) }
    },
    async advance(ms) {
      const end = elapsed + ms
      await settle()
      for (let timer = nextDue(end); timer; timer = nextDue(end)) {
        timers.delete(timer)
        elapsed = timer.due
        timer.task()
        await settle()
      }
      elapsed = end
    },
    jump(ms) {
      offset += ms
    },
    get pending() {
      return timers.size
    },
  }
}

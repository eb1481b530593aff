/**
 * What a replica knows of the attempts that all of them let through, from what the store last said.
 *
 * The store says when each tenth of it comes free. So without the store it is known how much still counts: never less than
 * truly does, or the replica would exceed the limit by it, and never more by over a tenth, or people would be refused for
 * the outage.
 */
import type { Drawn } from '../store/allowance.ts'
import { TENTHS } from '../store/sliding-window.ts'

export interface Known {
  /** Takes over what the store said at `now` of an allowance of `count`. */
  learn(now: number, count: number, drawn: Drawn): void
  /** How many of them still count `inMs` after `now`. None to a clock that was set back. */
  countIn(now: number, inMs: number): number
}

const NOTHING: Drawn = { granted: 0, spent: 0, freeInMs: 0, tenthsInMs: [] }

/** Nothing is known yet. */
export function createKnown(): Known {
  let learnedAt = 0
  let count = 0
  let last = NOTHING
  return {
    learn(now, of, drawn) {
      learnedAt = now
      count = of
      last = drawn
    },
    countIn(now, inMs) {
      const { spent, freeInMs, tenthsInMs } = last
      const age = now + inMs - learnedAt
      if (now < learnedAt) return 0
      const tenths = tenthsInMs.findLastIndex((endsInMs) => endsInMs <= age) + 1
      const counting = spent - Math.ceil((spent * tenths) / TENTHS)
      return freeInMs > 0 && age >= freeInMs ? Math.min(counting, count - 1) : counting
    },
  }
}

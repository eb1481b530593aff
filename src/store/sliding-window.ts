/**
 * How much was spent within the last so many milliseconds, without keeping every moment of it.
 *
 * Time is cut into fiftieths of the window, and all that falls into one of them leaves together, a window after the last of
 * it. So the sum is never less than what was truly spent within any window that ends now, and more than it by what was spent in one
 * fiftieth at most.
 */

/** Into how many parts a window is cut. */
export const PARTS = 50
/** Into how many steps is cut when what is spent comes free. */
export const TENTHS = 10

interface Part {
  readonly slot: number
  amount: number
  /** When the last of it was spent. */
  last: number
}

export interface SlidingWindow {
  /** What was spent within the window that ends now. */
  spent(now: number): number
  spend(now: number, amount: number): void
  /** Milliseconds until less than `count` is spent; 0 when less is. */
  freeIn(now: number, count: number): number
  /** Milliseconds until a tenth of what is spent comes free, until two tenths, and so on to all; empty when nothing is. */
  tenthsIn(now: number): number[]
}

/** Nothing is spent yet; of fewer parts it is as much coarser and smaller. To a clock that is set back, what was spent later was spent just now. */
export function createSlidingWindow(perMs: number, partCount = PARTS): SlidingWindow {
  const parts: Part[] = []
  let sum = 0
  const prune = (now: number) => {
    const latest = parts.at(-1)
    if (latest !== undefined && latest.last > now) for (const part of parts) part.last = Math.min(part.last, now)
    for (let first = parts[0]; first !== undefined && first.last + perMs <= now; first = parts[0]) {
      sum -= first.amount
      parts.shift()
    }
  }
  return {
    spent(now) {
      prune(now)
      return sum
    },
    spend(now, amount) {
      if (amount === 0) return
      prune(now)
      sum += amount
      const latest = parts.at(-1)
      const slot = Math.floor((now * partCount) / perMs)
      if (latest === undefined || slot > latest.slot) return void parts.push({ slot, amount, last: now })
      latest.amount += amount
      latest.last = Math.max(latest.last, now)
    },
    freeIn(now, count) {
      prune(now)
      let left = sum
      if (left < count) return 0
      for (const part of parts) {
        left -= part.amount
        if (left < count) return part.last + perMs - now
      }
      return perMs
    },
    tenthsIn(now) {
      prune(now)
      const tenths: number[] = []
      let gone = 0
      for (const part of parts) {
        gone += part.amount
        while (tenths.length < TENTHS && gone * TENTHS >= sum * (tenths.length + 1)) tenths.push(part.last + perMs - now)
      }
      return tenths
    },
  }
}

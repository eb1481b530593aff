/**
 * An allowance that replicas share: so much in so long, of which each holds a part that it may spend without asking.
 *
 * What all have spent within the last `perMs` and what they hold together never exceeds the count, so a replica that spends only what it
 * holds need not know of the others. Part by part is given away: half of what is left at a time, so that one who comes
 * later still finds something. Who does not come back loses what it held after `holdMs`, and must not spend it any more.
 */
import { createSlidingWindow } from './sliding-window.ts'

/** What a holder has done with its part, and asks for. All numbers are whole. */
export interface Draw {
  /** Names the part: one of one replica. */
  readonly holder: string
  /**
   * Another one for every draw that is not a repetition. What a repetition says was spent is not noted again for as long as
   * it counts from the first time, which is `perMs`; after that it is told anew.
   */
  readonly sequence: number
  /** What was spent since the last draw. */
  readonly spent: number
  /** How much of what was granted before is still held, or was spent and is told with the next draw; the rest goes back. */
  readonly held: number
  /** How much more is asked for at most. */
  readonly wanted: number
  /** So much ... */
  readonly count: number
  /** ... in so many milliseconds. */
  readonly perMs: number
  /** Milliseconds for which what is held stays reserved without another draw. */
  readonly holdMs: number
}

export interface Drawn {
  /** What may be spent besides what is held. */
  readonly granted: number
  /** What all have said to have spent within the last `perMs`. */
  readonly spent: number
  /** Milliseconds until something that was spent comes free; 0 when it is not that which is lacking. */
  readonly freeInMs: number
  /** Milliseconds until at least a tenth of what was spent comes free, until two tenths, and so on to all; empty when nothing is spent. */
  readonly tenthsInMs: readonly number[]
}

/** Throws RangeError for what no allowance can be. */
export function checkDraw({ count, perMs, holdMs, ...rest }: Draw): void {
  const { sequence, spent, held, wanted } = rest
  const whole = [count, perMs, holdMs, sequence, spent, held, wanted].every((value) => Number.isSafeInteger(value) && value >= 0)
  if (!whole || count < 1 || perMs < 50 || holdMs < 1) throw new RangeError('a draw has whole numbers, and a rate of at least one in 50 ms')
}

/** How long an allowance that nobody draws from is kept: until nothing is spent or held. */
export function keptFor({ perMs, holdMs }: Draw): number {
  return Math.max(perMs, holdMs) + 1_000
}

interface Holder {
  readonly sequence: number
  readonly held: number
  readonly heldUntil: number
  /** While what was noted of that sequence counts: until then a repetition must be known for one. */
  readonly notedUntil: number
}

export interface Allowance {
  /** When it may be forgotten. */
  readonly ends: number
  draw(now: number, draw: Draw): Drawn
}

/** One allowance in the memory of a process. Redis does the same in a script (`redis-scripts.ts`). */
export function createAllowance(perMs: number): Allowance {
  const window = createSlidingWindow(perMs)
  const holders = new Map<string, Holder>()
  let ends = 0
  return {
    get ends() {
      return ends
    },
    draw(now, draw) {
      ends = now + keptFor(draw)
      let others = 0
      for (const [name, holder] of holders) {
        if (holder.heldUntil <= now && holder.notedUntil <= now) holders.delete(name)
        else if (name !== draw.holder && holder.heldUntil > now) others += holder.held
      }
      const known = holders.get(draw.holder)
      const repeated = known?.sequence === draw.sequence
      if (!repeated) window.spend(now, draw.spent)
      const notedUntil = repeated ? known.notedUntil : draw.spent > 0 ? now + perMs : 0
      const spent = window.spent(now)
      const left = draw.count - spent - others - draw.held
      const granted = left > 0 ? Math.min(draw.wanted, Math.ceil(left / 2)) : 0
      const held = draw.held + granted
      const heldUntil = held > 0 ? now + draw.holdMs : 0
      holders.set(draw.holder, { sequence: draw.sequence, held, heldUntil, notedUntil })
      return { granted, spent, freeInMs: window.freeIn(now, draw.count), tenthsInMs: window.tenthsIn(now) }
    },
  }
}

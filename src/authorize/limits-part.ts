/**
 * The part of one limit that this replica holds: what it may let through without asking, what it has let through, and
 * what it knows of the others.
 *
 * A part is new with room for one attempt, so that the first is never held up, unless it may be one that was forgotten;
 * everything else is drawn from the allowance in the store (`store/allowance.ts`). While the store cannot be asked, a part
 * counts by itself: its own attempts of the window, and those of the others as they were last known (`limits-known.ts`).
 */
import type { Draw, Drawn } from '../store/allowance.ts'
import { createSlidingWindow, type SlidingWindow } from '../store/sliding-window.ts'
import { createKnown } from './limits-known.ts'

/** So many in so long. */
export interface LimitRate {
  readonly count: number
  readonly perMs: number
}

/**
 * How long the store keeps for us what we hold, and for how long we use it: what we used must be told before the store lets
 * go, by a slow way and after many other parts.
 */
const HELD_MS = 10_000
const USED_MS = 2_000
/** For an outage it need not be known as exactly. */
const OWN_PARTS = 12
/** How often parts are settled: every second, and ten times in a window that is shorter than ten of them. */
const SETTLED_EVERY_MS = 1_000
/** What is asked for at least: two, or a fiftieth of the limit. So little may be held here that is not used. */
const LEAST_WANTED = 2
const LEAST_SHARE = 1 / 50

export interface LimitPartOptions {
  /** The name of the allowance. */
  readonly allowance: string
  readonly rate: LimitRate
  readonly holder: string
  /** True for the part of all principals together. */
  readonly ofAll: boolean
  /** How much it begins with, that the store does not know of: 0 or 1. */
  readonly room: number
}

export class LimitPart {
  /** The name of the allowance. */
  readonly allowance: string
  readonly rate: LimitRate
  readonly ofAll: boolean
  readonly settleEveryMs: number
  /** The second of the clock in which it was last found to be in use. */
  touchedIn = -1
  /** How many attempts wait for the store. */
  waiting = 0
  usedAt: number
  #settleAt: number
  readonly #holder: string
  readonly #own: SlidingWindow
  #sequence = 0
  /** What the store was told and did not confirm: it is told that again, word for word. */
  #said: number | undefined
  #unsaid = 0
  /** What was let through since it was settled, and between that and the time before. */
  #recent = 0
  #before = 0
  #wanted = 0
  /** Below zero when more was let through than there was room for: while the store is away. */
  #room: number
  #roomUntil = 0
  #granted = 1
  #fullUntil = 0
  readonly #known = createKnown()
  /** What was let through and is not in that. */
  #since: SlidingWindow | undefined

  constructor({ allowance, rate, holder, ofAll, room }: LimitPartOptions, now: number) {
    this.allowance = allowance
    this.rate = rate
    this.ofAll = ofAll
    this.#holder = holder
    this.#room = room
    this.#own = createSlidingWindow(rate.perMs, OWN_PARTS)
    this.settleEveryMs = Math.min(SETTLED_EVERY_MS, Math.ceil(rate.perMs / 10))
    this.usedAt = now
    this.#settleAt = now + this.settleEveryMs
  }

  /** Milliseconds until it is worth trying again; 0 when there is room; undefined when only the store can tell. */
  waitAt(now: number, alone: boolean): number | undefined {
    if (alone) return this.#waitAlone(now)
    if (this.#room > 0 && this.#holdsAt(now)) return 0
    const wait = left(this.#fullUntil, now, this.rate.perMs)
    return wait > 0 ? wait : undefined
  }

  /** Until less is known of than the limit, by what the store said; and if that forgot, by what was let through here. */
  #waitAlone(now: number): number {
    const isFree = (inMs: number): boolean => {
      const left = this.rate.count - this.#known.countIn(now, inMs)
      return left > 0 && Math.max(this.#since?.freeIn(now, left) ?? 0, this.#own.freeIn(now, this.rate.count)) <= inMs
    }
    if (isFree(0)) return 0
    let tooEarly = 0
    let free = this.rate.perMs
    while (free - tooEarly > 1) {
      const between = Math.floor((tooEarly + free) / 2)
      if (isFree(between)) free = between
      else tooEarly = between
    }
    return free
  }

  /** True while what there is room for is ours: the one of the beginning always is. */
  #holdsAt(now: number): boolean {
    return this.#sequence === 0 || left(this.#roomUntil, now, USED_MS) > 0
  }

  /** True when it is time to settle it. */
  isDue(now: number): boolean {
    return left(this.#settleAt, now, this.settleEveryMs) === 0
  }

  /** Lets one attempt through. */
  take(now: number): void {
    this.#room -= 1
    this.#own.spend(now, 1)
    this.#spendSince(now, 1)
    this.#unsaid += 1
    this.#recent += 1
    this.usedAt = now
  }

  #spendSince(now: number, amount: number): void {
    this.#since ??= createSlidingWindow(this.rate.perMs, OWN_PARTS)
    this.#since.spend(now, amount)
  }

  /** True when it is better to ask for more now than to let the next attempt wait. */
  runsLow(now: number): boolean {
    return this.#room * 4 <= this.#granted && left(this.#fullUntil, now, this.rate.perMs) === 0
  }

  /** True when the store does not know all, or keeps something for us. */
  get owes(): boolean {
    return this.#unsaid > 0 || (this.#room > 0 && this.#sequence > 0)
  }

  /** True when that is to be settled now; not what is in use, and is kept for a while yet. */
  owesNow(now: number): boolean {
    return this.owes && (this.#unsaid > 0 || this.#recent === 0 || left(this.#roomUntil, now, USED_MS) <= this.settleEveryMs)
  }

  /** What is told and asked now. What is given back is not used from here on. */
  beginDraw(now: number, releases: boolean): Draw {
    this.#leaveOutWhatIsOver(now)
    this.#said ??= this.#unsaid
    const { count, perMs } = this.rate
    // Enough for a while of what is going on, so that much is left for the other replicas.
    const wanted = releases
      ? 0
      : Math.min(count, Math.max(LEAST_WANTED, Math.ceil(count * LEAST_SHARE), 4 * (Math.max(this.#recent, this.#before) + this.waiting)))
    // The room of the beginning is none that the store keeps for us.
    this.#room = this.#sequence > 0 && this.#holdsAt(now) ? Math.max(0, Math.min(this.#room, wanted)) : 0
    this.#wanted = wanted - this.#room
    // A repetition does not tell what was spent after it: that much is held until the next draw tells.
    const held = this.#room + this.#unsaid - this.#said
    const [holder, sequence, spent] = [this.#holder, this.#sequence + 1, this.#said]
    return { holder, sequence, spent, held, wanted: this.#wanted, count, perMs, holdMs: HELD_MS }
  }

  /** What was let through more than a window ago, during an outage, counts no more: nobody is to wait for that afterwards. */
  #leaveOutWhatIsOver(now: number): void {
    const counts = this.#own.spent(now)
    const later = Math.min(counts, this.#unsaid - (this.#said ?? 0))
    if (this.#said !== undefined) this.#said = Math.min(this.#said, counts - later)
    this.#unsaid = later + (this.#said ?? 0)
  }

  /** What the store answered to a draw that was begun at `since`. */
  endDraw(now: number, since: number, drawn: Drawn): void {
    const { granted, freeInMs } = drawn
    this.#unsaid -= this.#said ?? 0
    this.#said = undefined
    this.#sequence += 1
    this.#room += granted
    this.#granted = this.#room
    this.#roomUntil = since + USED_MS
    this.#known.learn(now, this.rate.count, drawn)
    this.#since = undefined
    if (this.#unsaid > 0) this.#spendSince(now, this.#unsaid)
    this.#fullUntil = 0
    if (granted > 0 || this.#wanted === 0) return
    // Where others hold what is left, they give it back when they are settled.
    this.#fullUntil = now + Math.min(this.rate.perMs, freeInMs > 0 ? freeInMs : this.settleEveryMs)
  }

  /** Begins another time between settlements: true when it was used in the one that is over. */
  settle(now: number): boolean {
    this.#before = this.#recent
    this.#recent = 0
    this.#settleAt = now + this.settleEveryMs
    return this.#before > 0
  }
}

/** Milliseconds until a moment that is `most` away at most; 0 when it has passed, and when a clock that was set back puts it off. */
function left(until: number, now: number, most: number): number {
  return until > now && until - now <= most ? until - now : 0
}

/**
 * Leaves an issuer alone for a while after it said that it had too many exchanges.
 *
 * It may count what Mandate's client asks, whoever it asks for, or each principal alone, and does not say which. So:
 * 1. "Too many" closes the way for everybody, for as long as it said but half a minute at most. Then one of them tries.
 * 2. Who was told is remembered for ten minutes: they begin one exchange in five seconds, and while others ask as well they
 *    leave the try to those. Whoever is greedy is told first, so it is they who are slowed, and hardly anybody else.
 * 3. Once somebody who was not told has tried and was granted a token, the issuer does serve others. Then "too many" closes
 *    the way for nobody but whom it is said to, until for ten minutes nobody who was not told was granted one.
 *
 * Security: where the issuer counts each principal alone, a greedy one keeps the others out by this for half a minute, and
 * then no more. It does not make an issuer fair that counts all of Mandate's client: whoever takes the whole of its budget
 * and stops just before they are told keeps the others out with or without it, and so do many who are greedy together. A
 * limit for each principal on the route is the remedy.
 */
import type { Clock } from '../clock.ts'
import type { ExchangeOutcome, ExchangeToken, ExchangeWish } from './provider.ts'

const MOST_MS = 30_000
/** How long the others wait for the one that tries. */
const TRIAL_MS = 1_000
const PACE_MS = 5_000
const REMEMBERED_MS = 600_000
const MOST_REMEMBERED = 10_000

/** Somebody to whom the issuer said "too many". */
interface Told {
  readonly at: number
  /** When the next exchange may begin. */
  readonly nextAt: number
}

/** After "too many", until one has tried. */
interface Closed {
  readonly until: number
  /** Until when those who were told leave the try to others, if any ask. */
  readonly leaveUntil: number
  othersAsk: boolean
}

/**
 * Wraps the exchanges of one provider. `whoOf` names whom an exchange is for. Whoever is told so by the issuer itself hears
 * the time that it said, the others what is left for them.
 */
export function waiting(exchange: ExchangeToken, whoOf: (wish: ExchangeWish) => string, clock: Clock): ExchangeToken {
  const told = new Map<string, Told>()
  let closed: Closed | undefined
  let servesOthersUntil = 0

  /** More than there could be is none: the clock was set back. */
  const left = (until: number, mostMs = 2 * MOST_MS): number => {
    const ms = until - clock.now()
    return ms > 0 && ms <= mostMs ? ms : 0
  }
  const toldOf = (who: string): Told | undefined => {
    const before = told.get(who)
    return before !== undefined && left(before.at + REMEMBERED_MS, REMEMBERED_MS) > 0 ? before : undefined
  }
  const servesOthers = () => left(servesOthersUntil, REMEMBERED_MS) > 0
  const remember = (who: string, at: number, nextAt: number) => {
    // The newest last: the first is the oldest.
    told.delete(who)
    told.set(who, { at, nextAt })
    const oldest = told.size > MOST_REMEMBERED ? told.keys().next().value : undefined
    if (oldest !== undefined) told.delete(oldest)
  }
  const leftFor = (before: Told | undefined): number => {
    if (before === undefined) return left(closed?.until ?? 0)
    const tryAt = closed?.othersAsk === true ? closed.leaveUntil : closed?.until
    return Math.max(left(before.nextAt), left(tryAt ?? 0))
  }
  const tooMany = (who: string, saidMs: number, tries: boolean): ExchangeOutcome => {
    const now = clock.now()
    const forMs = Math.min(saidMs, MOST_MS)
    // Of several that were under way, the one that asks for the longest wait counts.
    const until = now + Math.max(forMs, left(toldOf(who)?.nextAt ?? 0))
    remember(who, now, until)
    const closedFor = Math.max(forMs, left(closed?.until ?? 0))
    closed = servesOthers() ? undefined : { until: now + closedFor, leaveUntil: now + 2 * closedFor, othersAsk: false }
    return refused(tries ? forMs : saidMs)
  }

  return async (wish) => {
    const who = whoOf(wish)
    const before = toldOf(who)
    const wait = leftFor(before)
    if (wait > 0) {
      if (closed !== undefined && before === undefined) closed.othersAsk = true
      return refused(wait)
    }
    if (before !== undefined) told.set(who, { ...before, nextAt: clock.now() + PACE_MS })
    const tries = closed !== undefined
    if (closed !== undefined) closed = { ...closed, until: clock.now() + TRIAL_MS }
    const outcome = await exchange(wish)
    if (outcome.result === 'too-many') return tooMany(who, outcome.retryAfterSeconds * 1000, tries)
    if (tries) closed = undefined
    if (outcome.result === 'exchanged' && before === undefined && (tries || servesOthers())) servesOthersUntil = clock.now() + REMEMBERED_MS
    return outcome
  }
}

function refused(ms: number): ExchangeOutcome {
  return { result: 'too-many', retryAfterSeconds: Math.ceil(ms / 1000) }
}

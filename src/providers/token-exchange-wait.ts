/**
 * Leaves an issuer alone for a while after it had too many.
 *
 * Security: an issuer counts what Mandate's client asks, whoever it asks for and whichever target it is for. So what it
 * says to one exchange holds for all of them: else each caller of a provider would be one more question to an issuer that
 * has had too many, and logins that are to be refreshed by the same client would suffer for it. But it may have counted
 * one greedy caller alone, who must not be able to keep the others out, whatever number of tokens they have:
 * - For the others it holds half a minute at most, and then one of them tries.
 * - Whoever got the answer waits as long as it said, by whatever token, and from the second time on at least twice as long
 *   as the others. So it is one of the others who tries.
 * - Once one of the others has tried and was granted a token, it was not for all. What the issuer says from then on to
 *   whoever got the answer holds for them alone, until it has not said it to them for ten minutes.
 */
import type { Clock } from '../clock.ts'
import type { ExchangeOutcome, ExchangeToken } from './provider.ts'

const MOST_FOR_ALL_MS = 30_000
/** Issuers are not believed a longer one (`exchange.ts`). */
const MOST_FOR_ONE_MS = 3_600_000
/** How long the others wait for the one that tries. */
const TRIAL_MS = 1_000
const REMEMBERED_MS = 600_000
const MOST_REMEMBERED = 10_000

/** Somebody to whom the issuer said "too many". */
interface Told {
  readonly until: number
  /** Others were granted tokens meanwhile. */
  readonly alone: boolean
}

/** Wraps the exchanges of one provider: after "too many" none is begun for a while. */
export function waiting(exchange: ExchangeToken, clock: Clock): ExchangeToken {
  const told = new Map<string, Told>()
  let until = 0
  let closedBy = ''

  const rememberedOf = (subject: string): Told | undefined => {
    const before = told.get(subject)
    const now = clock.now()
    // More than could be left: the clock was set back.
    return before && before.until - now <= MOST_FOR_ONE_MS && now - before.until <= REMEMBERED_MS ? before : undefined
  }
  const remember = (subject: string, one: Told) => {
    // The newest last: the first is the oldest.
    told.delete(subject)
    told.set(subject, one)
    const oldest = told.size > MOST_REMEMBERED ? told.keys().next().value : undefined
    if (oldest !== undefined) told.delete(oldest)
  }
  const leftFor = (subject: string): number => {
    const now = clock.now()
    const forAll = until - now
    return Math.max(forAll <= MOST_FOR_ALL_MS ? forAll : 0, (rememberedOf(subject)?.until ?? 0) - now)
  }

  const tooMany = (subject: string, saidMs: number): ExchangeOutcome => {
    const now = clock.now()
    const before = rememberedOf(subject)
    const forAllMs = before?.alone === true ? 0 : Math.min(saidMs, MOST_FOR_ALL_MS)
    // Of several that were under way, the one that asks for the longest wait counts.
    const own = Math.max(now + saidMs, before?.until ?? 0, before === undefined || before.until > now ? 0 : now + 2 * forAllMs)
    remember(subject, { until: own, alone: before?.alone ?? false })
    if (forAllMs > 0) {
      closedBy = subject
      until = Math.max(until, now + forAllMs)
    }
    return { result: 'too-many', retryAfterSeconds: Math.ceil((own - now) / 1000) }
  }
  const tried = (subject: string, { result }: ExchangeOutcome) => {
    until = 0
    const greedy = result === 'exchanged' && subject !== closedBy ? rememberedOf(closedBy) : undefined
    if (greedy !== undefined) remember(closedBy, { ...greedy, alone: true })
  }

  return async (wish) => {
    const { subject } = wish
    const left = leftFor(subject)
    if (left > 0) return { result: 'too-many', retryAfterSeconds: Math.ceil(left / 1000) }
    const tries = until !== 0
    if (tries) until = clock.now() + TRIAL_MS
    const outcome = await exchange(wish)
    if (outcome.result === 'too-many') return tooMany(subject, outcome.retryAfterSeconds * 1000)
    if (tries) tried(subject, outcome)
    return outcome
  }
}

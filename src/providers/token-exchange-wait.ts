/**
 * Leaves an issuer alone for a while after it had too many.
 *
 * Security: an issuer counts what Mandate's client asks, whoever it asks for and whichever target it is for. So what it
 * says to one exchange holds for all of them: else each caller of a provider would be one more question to an issuer that
 * has had too many, and logins that are to be refreshed by the same client would suffer for it. But it may have counted
 * one greedy caller alone, who must not be able to keep the others out: for them it holds half a minute at most, and then
 * one of them tries. The caller who got the answer waits as long as it said (`assume/patient.ts`).
 */
import type { Clock } from '../clock.ts'
import type { ExchangeToken } from './provider.ts'

const MOST_FOR_ALL_MS = 30_000
/** How long the others wait for the one that tries. */
const TRIAL_MS = 1_000

/** Wraps the exchanges of one provider: after "too many" none is begun for a while. */
export function waiting(exchange: ExchangeToken, clock: Clock): ExchangeToken {
  let until = 0
  return async (wish) => {
    const left = until - clock.now()
    // More than could be left: the clock was set back.
    if (left > 0 && left <= MOST_FOR_ALL_MS) return { result: 'too-many', retryAfterSeconds: Math.ceil(left / 1000) }
    const tries = until !== 0
    if (tries) until = clock.now() + TRIAL_MS
    const outcome = await exchange(wish)
    if (outcome.result === 'too-many') {
      // Of several that were under way, the one that asks for the longest wait counts.
      until = Math.max(until, clock.now() + Math.min(outcome.retryAfterSeconds * 1000, MOST_FOR_ALL_MS))
    } else if (tries) until = 0
    return outcome
  }
}

/**
 * Leaves an issuer alone for as long as it said.
 *
 * Security: an issuer counts what Mandate's client asks, whoever it asks for and whichever target it is for. So what it
 * says to one exchange holds for all of them: else each caller of a provider would be one more question to an issuer that
 * has had too many, and logins that are to be refreshed by the same client would suffer for it.
 */
import type { Clock } from '../clock.ts'
import type { ExchangeToken } from './provider.ts'

/** Wraps the exchanges of one provider: after "too many" none is begun before the issuer wants to hear of one. */
export function waiting(exchange: ExchangeToken, clock: Clock): ExchangeToken {
  let until = 0
  return async (wish) => {
    const left = until - clock.now()
    if (left > 0) return { result: 'too-many', retryAfterSeconds: Math.ceil(left / 1000) }
    const outcome = await exchange(wish)
    // Of several that were under way, the one that asks for the longest wait counts.
    if (outcome.result === 'too-many') until = Math.max(until, clock.now() + outcome.retryAfterSeconds * 1000)
    return outcome
  }
}

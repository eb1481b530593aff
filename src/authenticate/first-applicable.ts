/** Asks authenticators in order; the first that applies decides, and its rejection is final. */
import { Refusal } from '../errors.ts'
import type { Authenticator } from './authenticator.ts'

/**
 * A request that shows both a login and a bearer is refused before anybody is asked: which of two callers it means
 * would be our guess.
 */
export function firstApplicable(authenticators: readonly Authenticator[]): Authenticator {
  return {
    async authenticate(presented) {
      if (presented.cookie !== undefined && presented.authorization !== undefined) {
        return { result: 'rejected', refusal: new Refusal('two_credentials', { detail: 'a login cookie and a bearer' }) }
      }
      for (const authenticator of authenticators) {
        const answer = await authenticator.authenticate(presented)
        if (answer.result !== 'not-applicable') return answer
      }
      return { result: 'not-applicable' }
    },
  }
}

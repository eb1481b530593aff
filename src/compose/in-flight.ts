/** Places among what callers have going on. Whoever has one is held: what goes on by a bearer hears of its end. */
import type { BearerAuthenticator } from '../authenticate/bearer-jwt.ts'
import { createInFlight, type InFlight, type MostInFlight } from '../gateway/in-flight.ts'
import type { Caller } from '../principal.ts'

/** Nothing is in flight yet. */
export function composeInFlight(most: MostInFlight, bearers: Pick<BearerAuthenticator, 'hold' | 'release'>): InFlight {
  const inFlight = createInFlight(most)
  return {
    place(authorizer, stream) {
      let holder: Caller | undefined
      const holding: typeof authorizer = {
        authorize(question) {
          holder = question.caller
          bearers.hold(holder)
          return authorizer.authorize(question)
        },
      }
      const place = inFlight.place(holding, stream)
      return {
        authorizer: place.authorizer,
        goesOn: place.goesOn,
        leave() {
          place.leave()
          if (holder !== undefined) bearers.release(holder)
          holder = undefined
        },
      }
    },
  }
}

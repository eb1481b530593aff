/**
 * How much one principal may have going on at once, on this replica.
 *
 * Security: whoever is allowed in could otherwise hold every socket and all memory, and so end the work of everybody
 * else. It counts by principal and not by proof, since tokens cost nothing to get. A place is taken once it is known
 * who asks and before anything is decided, and given back when the last byte of the answer is out.
 */
import type { Authorizer } from '../authorize/authorizer.ts'
import { Refusal } from '../errors.ts'
import { principalKey } from '../principal.ts'

export interface MostInFlight {
  /** Attempts whose answers end by themselves. */
  readonly attempts: number
  /** Answers that go on. */
  readonly streams: number
}

/** One attempt's place. */
export interface Place {
  /** Takes the place of whoever asks, then asks the authorizer. Throws Refusal `too_many_requests` when none is left. */
  readonly authorizer: Authorizer
  /** Changes the place for one among streams, once an answer turns out to go on. Throws Refusal `too_many_requests` when none is left. */
  goesOn(): void
  /** Gives the place back, if one was taken. */
  leave(): void
}

export interface InFlight {
  place(authorizer: Authorizer, stream: boolean): Place
}

/** Nothing is in flight yet. */
export function createInFlight(most: MostInFlight): InFlight {
  const counts = { attempts: new Map<string, number>(), streams: new Map<string, number>() }
  const take = (kind: keyof MostInFlight, key: string) => {
    const count = counts[kind].get(key) ?? 0
    if (count >= most[kind]) {
      const detail =
        kind === 'streams' ? `at most ${most.streams} streams of one caller` : `at most ${most.attempts} requests of one caller at once`
      throw new Refusal('too_many_requests', { retryAfterSeconds: 1, detail })
    }
    counts[kind].set(key, count + 1)
  }
  const giveBack = (kind: keyof MostInFlight, key: string) => {
    const left = (counts[kind].get(key) ?? 1) - 1
    if (left > 0) counts[kind].set(key, left)
    else counts[kind].delete(key)
  }
  return {
    place(authorizer, stream) {
      let kind: keyof MostInFlight = stream ? 'streams' : 'attempts'
      let holder: string | undefined
      return {
        authorizer: {
          async authorize(question) {
            const key = principalKey(question.caller.principal)
            take(kind, key)
            holder = key
            return authorizer.authorize(question)
          },
        },
        goesOn() {
          if (holder === undefined || kind === 'streams') return
          take('streams', holder)
          giveBack('attempts', holder)
          kind = 'streams'
        },
        leave() {
          if (holder === undefined) return
          giveBack(kind, holder)
          holder = undefined
        },
      }
    },
  }
}

/** A store client for tests that meets its faults at a chosen call: the connection breaks there, or the process dies. */
import { type Clock, pause } from '../clock.ts'
import { type Store, StoreUnavailable } from './store.ts'

/**
 * What becomes of a call: done; `refused` (certainly not done); `unanswered` (done, and the caller is told that it
 * cannot be known); or the process of the caller ends just before or after it was done.
 */
export type Fate = 'done' | 'refused' | 'unanswered' | 'dies-before' | 'dies-after'

export interface Call {
  readonly method: 'get' | 'put' | 'touch' | 'delete' | 'wake'
  /** The key or channel. */
  readonly on: string
}

export interface FaultyStore {
  readonly store: Store
  readonly dead: boolean
  /** Decides the fate of every call from now on. */
  decide(fate: (call: Call) => Fate): void
  /** Milliseconds that a call takes on its way there, and its answer on its way back; asked twice for each call. */
  pace(delay: () => number): void
  /** The process ends: no call is answered any more. */
  die(): void
}

export function withFaults(inner: Store, clock: Clock): FaultyStore {
  let delay = () => 0
  let fateOf: (call: Call) => Fate = () => 'done'
  let dead = false
  const never = new Promise<never>(() => undefined)

  const meet = async <T>(call: Call, perform: () => Promise<T>): Promise<T> => {
    if (dead) return never
    const fate = fateOf(call)
    if (fate === 'dies-before') dead = true
    if (fate === 'refused') throw new StoreUnavailable('the test refused it')
    if (dead) return never
    const way = delay()
    if (way > 0) await pause(clock, way)
    const answer = await perform()
    const back = delay()
    if (back > 0) await pause(clock, back)
    if (fate === 'dies-after') dead = true
    if (fate === 'unanswered') throw new StoreUnavailable('the test kept the answer')
    // Whoever died while it was under way hears no answer either.
    return dead ? never : answer
  }

  const store: Store = {
    ...inner,
    get: (key) => meet({ method: 'get', on: key }, () => inner.get(key)),
    put: (key, value, options) => meet({ method: 'put', on: key }, () => inner.put(key, value, options)),
    touch: (key, ttlMs) => meet({ method: 'touch', on: key }, () => inner.touch(key, ttlMs)),
    delete: (key) => meet({ method: 'delete', on: key }, () => inner.delete(key)),
    wake: (channel) => meet({ method: 'wake', on: channel }, () => inner.wake(channel)),
    listen: (channel, listener) => inner.listen(channel, () => dead || listener()),
  }
  return {
    store,
    get dead() {
      return dead
    },
    decide: (fate) => {
      fateOf = fate
    },
    pace: (next) => {
      delay = next
    },
    die: () => {
      dead = true
    },
  }
}

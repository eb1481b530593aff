/** Replicas with one limit on one route, for tests, in time that stands still. */
import { createFakeClock } from '../clock.fake.ts'
import { pause } from '../clock.ts'
import { Refusal } from '../errors.ts'
import { loginCaller } from '../principal.fake.ts'
import { createMemoryStore } from '../store/memory.ts'
import { withOutage } from '../store/outage.fake.ts'
import { type Store, StoreUnavailable } from '../store/store.ts'
import type { Authorizer } from './authorizer.ts'
import { createLimits, type Limit } from './limits.ts'

export const OPEN: Authorizer = { authorize: async () => ({ effect: 'allow', rule: 'route/app' }) }

export interface LimitedStageOptions {
  readonly replicas?: number
  readonly rules?: Authorizer
  readonly most?: number
  /** Milliseconds to the store, and back. */
  readonly delay?: () => number
  /** True while what the store answers does not come back. */
  readonly lost?: () => boolean
}

/** Replicas over one memory store, each with an outage of its own. */
export function limitedStage(limit: Limit, options: LimitedStageOptions = {}) {
  const { replicas = 1, rules = OPEN, most, delay = () => 0, lost = () => false } = options
  const clock = createFakeClock()
  const memory = createMemoryStore(clock)
  const lines = Array.from({ length: replicas }, () => withOutage(memory.another()))
  const observed: string[] = []
  const draws: Parameters<Store['draw']>[] = []
  const limits = lines.map(({ store }) =>
    createLimits(rules, {
      limits: new Map([['route/app', limit]]),
      store: {
        async draw(...asked) {
          draws.push(asked)
          const there = delay()
          if (there > 0) await pause(clock, there)
          const drawn = await store.draw(...asked)
          if (lost()) throw new StoreUnavailable('the test kept the answer')
          const back = delay()
          if (back > 0) await pause(clock, back)
          return drawn
        },
      },
      clock,
      observe: (resource) => observed.push(resource),
      ...(most === undefined ? {} : { most }),
    }),
  )
  /** The refusal, or undefined when it was let in. */
  const ask = async (subject = 'alice', replica = 0, id = 'app'): Promise<Refusal | undefined> => {
    const question = {
      caller: loginCaller({ principal: { subject } }),
      action: { name: 'get', writes: false },
      resource: { type: 'route' as const, id, properties: {} },
    }
    try {
      const decision = await limits[replica]?.authorize(question)
      return decision?.effect === 'allow' ? undefined : new Refusal('denied')
    } catch (error) {
      if (error instanceof Refusal) return error
      throw error
    }
  }
  /** How many of so many at once were let in. */
  const admitted = async (count: number, subject?: string, replica?: number): Promise<number> =>
    (await Promise.all(Array.from({ length: count }, () => ask(subject, replica)))).filter((refusal) => refusal === undefined).length
  return { clock, memory, lines, limits, observed, ask, admitted, draws }
}

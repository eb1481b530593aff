/** The bound of a limit that replicas share, for any order of what happens and any delay on the way to the store. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { limitedStage } from './limits.fake.ts'

const event = fc.record({
  replica: fc.nat(),
  /** How many at once, and how long nothing happens after that. */
  burst: fc.integer({ min: 1, max: 30 }),
  gapMs: fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 400 }), fc.integer({ min: 1, max: 30_000 })),
})

/** The most that was let through in any window. */
function mostIn(moments: readonly number[], windowMs: number): number {
  let most = 0
  for (let first = 0, last = 0; last < moments.length; last += 1) {
    while ((moments[last] ?? 0) - (moments[first] ?? 0) >= windowMs) first += 1
    most = Math.max(most, last - first + 1)
  }
  return most
}

test('in any window all replicas together let through at most the limit and one attempt for each of them', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: 4 }),
      fc.integer({ min: 1, max: 50 }),
      fc.constantFrom(1_000, 60_000),
      fc.array(fc.nat({ max: 45 }), { minLength: 1, maxLength: 8 }),
      fc.array(event, { minLength: 1, maxLength: 25 }),
      async (replicas, count, perMs, delays, events) => {
        let at = 0
        const delay = () => delays[at++ % delays.length] ?? 0
        const { ask, clock, limits } = limitedStage({ perPrincipal: { count, perMs } }, { replicas, delay })
        const moments: number[] = []
        const all: Promise<void>[] = []
        for (const { replica, burst, gapMs } of events) {
          for (let each = 0; each < burst; each += 1)
            all.push(ask('alice', replica % replicas).then((refusal) => void (refusal === undefined && moments.push(clock.now()))))
          await clock.advance(gapMs)
        }
        await clock.advance(2_000)
        await Promise.all(all)
        assert.ok(mostIn(moments, perMs) <= count + replicas, `${mostIn(moments, perMs)} of ${count} at ${replicas}`)
        if (replicas === 1) assert.ok(moments.length >= Math.min(count, all.length), 'nor is anybody refused without need')
        const stopping = Promise.all(limits.map((each) => each.stop()))
        await clock.advance(1_000)
        await stopping
      },
    ),
    { numRuns: 150 },
  )
})

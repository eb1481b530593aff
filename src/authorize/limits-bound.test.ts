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

/** Plays events at replicas; the moments at which something was let through, and how much was asked for. */
async function played(stage: ReturnType<typeof limitedStage>, replicas: number, events: readonly Played[]) {
  const { ask, clock, limits, lines } = stage
  const moments: number[] = []
  let asked = 0
  let answered = 0
  for (const { replica, burst, gapMs, outage } of events) {
    const at = replica % replicas
    if (outage !== undefined) lines[at]?.[outage]()
    for (let each = 0; each < burst; each += 1) {
      asked += 1
      void ask('alice', at).then((refusal) => {
        answered += 1
        if (refusal === undefined) moments.push(clock.now())
      })
    }
    await clock.advance(gapMs)
  }
  for (const line of lines) line.up()
  for (let second = 0; answered < asked && second < 5; second += 1) await clock.advance(1_000)
  assert.equal(answered, asked, 'everybody is answered')
  const stopping = Promise.all(limits.map((each) => each.stop()))
  await clock.advance(5_000)
  await stopping
  return { moments, asked }
}

type Played = typeof event extends fc.Arbitrary<infer E> ? E & { readonly outage?: 'up' | 'down' | 'hang' | undefined } : never

const REPLICAS = fc.integer({ min: 1, max: 4 })
const COUNT = fc.integer({ min: 1, max: 50 })
const WINDOW = fc.constantFrom(1_000, 60_000)

/** A way there and back takes less than a second: near, far, and mixed. */
const DELAYS = fc.oneof(
  fc.array(fc.nat({ max: 45 }), { minLength: 1, maxLength: 8 }),
  fc.array(fc.integer({ min: 50, max: 490 }), { minLength: 1, maxLength: 8 }),
  fc.array(fc.oneof(fc.constant(0), fc.nat({ max: 490 })), { minLength: 1, maxLength: 8 }),
)

test('in any window all replicas together let through at most the limit and one attempt for each of them, however slow the store', async () => {
  await fc.assert(
    fc.asyncProperty(
      REPLICAS,
      COUNT,
      WINDOW,
      DELAYS,
      fc.array(event, { minLength: 1, maxLength: 25 }),
      async (replicas, count, perMs, delays, events) => {
        let at = 0
        const delay = () => delays[at++ % delays.length] ?? 0
        const { moments, asked } = await played(limitedStage({ perPrincipal: { count, perMs } }, { replicas, delay }), replicas, events)
        assert.ok(mostIn(moments, perMs) <= count + replicas, `${mostIn(moments, perMs)} of ${count} at ${replicas}`)
        const near = replicas === 1 && Math.max(...delays) <= 45
        if (near) assert.ok(moments.length >= Math.min(count, asked), 'nor is anybody refused without need')
      },
    ),
    { numRuns: 200 },
  )
})

test('with outages and lost answers at any time each replica lets through at most that', async () => {
  const fated = fc.record({ fate: fc.option(fc.constantFrom('up', 'down', 'hang'), { nil: undefined, freq: 2 }), event })
  await fc.assert(
    fc.asyncProperty(
      REPLICAS,
      COUNT,
      WINDOW,
      fc.array(fc.nat({ max: 900 }), { minLength: 1, maxLength: 8 }),
      fc.array(fc.oneof({ weight: 3, arbitrary: fc.constant(false) }, fc.constant(true)), { minLength: 1, maxLength: 8 }),
      fc.array(fated, { minLength: 1, maxLength: 25 }),
      async (replicas, count, perMs, delays, losses, events) => {
        let at = 0
        const delay = () => delays[at++ % delays.length] ?? 0
        let answers = 0
        const lost = () => losses[answers++ % losses.length] ?? false
        const stage = limitedStage({ perPrincipal: { count, perMs } }, { replicas, delay, lost })
        const all = events.map(({ fate, event: each }) => ({ ...each, outage: fate }))
        const { moments } = await played(stage, replicas, all)
        assert.ok(mostIn(moments, perMs) <= replicas * (count + 1), `${mostIn(moments, perMs)} of ${count} at ${replicas}`)
      },
    ),
    { numRuns: 100 },
  )
})

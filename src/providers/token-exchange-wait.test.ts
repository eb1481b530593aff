import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { createFakeClock } from '../clock.fake.ts'
import { Secret } from '../secret.ts'
import type { ExchangeOutcome, ExchangeWish } from './provider.ts'
import { waiting } from './token-exchange-wait.ts'

const tooMany = (retryAfterSeconds: number): ExchangeOutcome => ({ result: 'too-many', retryAfterSeconds })

/** An issuer that answers each subject as it is told, and counts how often it was asked about them. */
function stage(answer: (subject: string, asked: number) => ExchangeOutcome | undefined) {
  const clock = createFakeClock()
  const asked: Record<string, number> = {}
  const granted = (): ExchangeOutcome => ({
    result: 'exchanged',
    token: new Secret('x'),
    expiresAt: clock.now() + 60_000,
    typ: undefined,
    audiences: [],
  })
  const exchange = waiting(
    async ({ subject }) => {
      asked[subject] = (asked[subject] ?? 0) + 1
      return answer(subject, asked[subject]) ?? granted()
    },
    ({ subject }) => subject,
    clock,
  )
  const of = (subject: string) => {
    const wish: ExchangeWish = { token: new Secret(subject), type: 'access-token', subject, audience: 'a', resource: undefined, scopes: [] }
    return exchange(wish)
  }
  return { clock, asked, of }
}

/**
 * Robot asks eleven times a second for an hour, and alice every so often, and again when she is told to wait so long. How
 * often she was granted and refused.
 */
async function anHour({ clock, of }: ReturnType<typeof stage>, aliceEverySeconds: number) {
  const alice = { granted: 0, refused: 0 }
  const end = clock.now() + 3_600_000
  let next = clock.now()
  while (clock.now() < end) {
    clock.jump(90)
    await of('robot')
    if (clock.now() < next) continue
    const outcome = await of('alice')
    alice[outcome.result === 'exchanged' ? 'granted' : 'refused'] += 1
    next = clock.now() + (outcome.result === 'too-many' ? outcome.retryAfterSeconds : aliceEverySeconds) * 1_000
  }
  return alice
}

describe('one principal who is always told "too many" keeps nobody else out for long', () => {
  for (const seconds of [1, 5, 29, 30, 31, 60, 3_600])
    for (const every of [1, 60])
      test(`when the issuer says ${seconds} s and the others ask every ${every} s`, async () => {
        const hour = stage((subject) => (subject === 'robot' ? tooMany(seconds) : undefined))
        const { granted, refused } = await anHour(hour, every)
        assert.ok(refused <= 2, `refused ${refused}`)
        assert.ok(granted >= 3_200 / every - 3, `granted ${granted}`)
        // Never sooner than the issuer said, half a minute at most.
        assert.ok((hour.asked['robot'] ?? 0) <= Math.ceil(3_600 / Math.min(seconds, 30)))
      })
  test('when they are granted tokens in between', async () => {
    for (const every of [1, 60]) {
      const hour = stage((subject, asked) => (subject === 'robot' && asked % 3 === 0 ? tooMany(1) : undefined))
      const { refused } = await anHour(hour, every)
      assert.ok(refused <= 2, `refused ${refused}`)
    }
  })
})

test('an issuer that has too many of everybody is asked once in the time it said, half a minute at most', async () => {
  for (const [seconds, most] of [
    [5, 720],
    [30, 120],
    [3_600, 120],
  ] as const) {
    const { clock, asked, of } = stage(() => tooMany(seconds))
    for (let second = 0; second < 3_600; second++) {
      clock.jump(1_000)
      for (let at = 0; at < 20; at++) await of(`user-${at}`)
    }
    const all = Object.values(asked).reduce((sum, each) => sum + each, 0)
    assert.ok(all <= most, `${seconds} s: asked ${all} times`)
  }
})

/** An issuer that takes `budget` a minute of Mandate's client, whoever they are for, and says `seconds` to what is beyond. */
function ofAll(budget: number, seconds: number) {
  let [taken, minute] = [0, 0]
  const stand = stage(() => {
    const now = Math.floor(stand.clock.now() / 60_000)
    if (now !== minute) [taken, minute] = [0, now]
    taken += 1
    return taken > budget ? tooMany(seconds) : undefined
  })
  return stand
}

describe('one who takes the budget of all at once is slowed, so that others get theirs', () => {
  // Whoever comes a hundred at once leaves nothing to others where nobody waits.
  for (const seconds of [1, 30, 3_600])
    for (const atOnce of [2, 100])
      test(`when the issuer says ${seconds} s and robot asks ${2 * atOnce} times a second`, async () => {
        const { clock, of } = ofAll(60, seconds)
        let granted = 0
        for (let turn = 0; turn < 1_200; turn++) {
          await Promise.all(Array.from({ length: atOnce }, () => of('robot')))
          if (turn % 2 === 0 && (await of('alice')).result === 'exchanged') granted += 1
          clock.jump(500)
        }
        assert.ok(granted >= 90, `granted ${granted} in ten minutes`)
      })
})

test('who was told "too many" leaves the try to others who ask, and tries where nobody else does', async () => {
  const { clock, asked, of } = stage(() => tooMany(5))
  assert.deepEqual(await of('robot'), tooMany(5))
  clock.jump(5_000)
  await of('robot')
  assert.deepEqual(asked, { robot: 2 })
  assert.deepEqual(await of('alice'), tooMany(5))
  clock.jump(5_000)
  assert.deepEqual(await of('robot'), tooMany(5))
  assert.deepEqual(asked, { robot: 2 })
  assert.deepEqual(await of('alice'), tooMany(5))
  assert.deepEqual(asked, { robot: 2, alice: 1 })
})

test('who was told "too many" begins one exchange in five seconds for ten minutes, and nobody else does', async () => {
  const { clock, of } = stage((_, asked) => (asked === 1 ? tooMany(1) : undefined))
  await of('robot')
  clock.jump(1_000)
  assert.equal((await of('robot')).result, 'exchanged')
  assert.deepEqual(await of('robot'), tooMany(5))
  clock.jump(4_999)
  assert.deepEqual(await of('robot'), tooMany(1))
  clock.jump(1)
  assert.equal((await of('robot')).result, 'exchanged')
  clock.jump(600_000)
  for (let at = 0; at < 3; at++) assert.equal((await of('robot')).result, 'exchanged')
})

test('who is told "too many" while they try for all waits half a minute at most, whatever the issuer said', async () => {
  const { clock, of } = stage((_, asked) => (asked === 1 ? tooMany(3_600) : undefined))
  assert.deepEqual(await of('robot'), tooMany(3_600))
  clock.jump(30_000)
  assert.deepEqual(await of('alice'), tooMany(30))
  clock.jump(30_000)
  assert.equal((await of('alice')).result, 'exchanged')
})

test('once another was granted a token "too many" closes the way for nobody else, for ten minutes', async () => {
  const { clock, of } = stage((subject) => (subject === 'alice' ? undefined : tooMany(5)))
  await of('robot')
  assert.equal((await of('alice')).result, 'too-many')
  clock.jump(5_000)
  assert.equal((await of('alice')).result, 'exchanged')
  for (const greedy of ['robot', 'one more', 'and another']) {
    assert.deepEqual(await of(greedy), tooMany(5))
    assert.equal((await of('alice')).result, 'exchanged')
  }
  clock.jump(600_001)
  assert.deepEqual(await of('robot'), tooMany(5))
  assert.equal((await of('alice')).result, 'too-many')
})

test('a try that ends in no token does not show that others are served', async () => {
  const { clock, of } = stage((subject) => (subject === 'robot' ? tooMany(5) : { result: 'unavailable', reason: 'network' }))
  await of('robot')
  clock.jump(5_000)
  assert.equal((await of('alice')).result, 'unavailable')
  await of('robot')
  assert.equal((await of('alice')).result, 'too-many')
})

test('a clock that is set back keeps nobody out', async () => {
  const { clock, of } = stage((subject, asked) => (asked === 1 && subject === 'robot' ? tooMany(30) : undefined))
  await of('robot')
  clock.jump(-86_400_000)
  assert.equal((await of('alice')).result, 'exchanged')
  assert.equal((await of('robot')).result, 'exchanged')
})

test('remembers no more principals than it may: the oldest is forgotten first', async () => {
  const { clock, of } = stage((_, asked) => (asked === 1 ? tooMany(30) : undefined))
  // All are under way before the first answer.
  await Promise.all(Array.from({ length: 10_001 }, (_, at) => of(`user-${at}`)))
  clock.jump(30_000)
  for (const [user, second] of [
    ['user-0', 'exchanged'],
    ['user-1', 'too-many'],
  ] as const) {
    assert.equal((await of(user)).result, 'exchanged')
    assert.equal((await of(user)).result, second)
  }
})

test('whoever was told "too many" again is not the oldest any more', async () => {
  const { clock, of } = stage((_, asked) => (asked <= 2 ? tooMany(30) : undefined))
  await Promise.all(Array.from({ length: 10_000 }, (_, at) => of(`user-${at}`)))
  clock.jump(30_000)
  await of('user-0')
  clock.jump(30_000)
  await of('one-more')
  clock.jump(30_000)
  assert.equal((await of('user-0')).result, 'exchanged')
  assert.equal((await of('user-0')).result, 'too-many')
})

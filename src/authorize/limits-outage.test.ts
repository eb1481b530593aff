/** Limits whose store is slow, stands still or is away. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { createFakeClock } from '../clock.fake.ts'
import { pause } from '../clock.ts'
import { loginCaller } from '../principal.fake.ts'
import { principalKey } from '../principal.ts'
import { createMemoryStore } from '../store/memory.ts'
import { type Store, StoreUnavailable } from '../store/store.ts'
import { limitedStage, OPEN } from './limits.fake.ts'
import { createLimits } from './limits.ts'

const MINUTE = { count: 60, perMs: 60_000 }
/** Another replica has spent all of two a minute. */
const OTHER = { holder: 'other', sequence: 1, spent: 2, held: 0, wanted: 0, count: 2, perMs: 60_000, holdMs: 1_000 }
const HOUR = { count: 100, perMs: 3_600_000 }

describe('a slow store', () => {
  for (const delayMs of [60, 120, 450]) {
    test(`${delayMs} ms away lets no more through than one that is near`, async () => {
      const { admitted, clock } = limitedStage({ perPrincipal: { count: 50, perMs: 60_000 } }, { replicas: 4, delay: () => delayMs })
      const bursts = [0, 1, 2, 3].map((replica) => admitted(50, 'alice', replica))
      await clock.advance(20_000)
      const through = (await Promise.all(bursts)).reduce((sum, each) => sum + each, 0)
      assert.ok(through >= 45 && through <= 54, String(through))
    })
  }

  test('that was taken for one that is away is asked again once it has answered, and its answer counts', async () => {
    let delayMs = 700
    const { admitted, clock } = limitedStage({ perPrincipal: MINUTE }, { replicas: 2, delay: () => delayMs })
    assert.equal(await admitted(1, 'alice', 0), 1)
    const slow = admitted(10, 'alice', 0)
    await clock.advance(1_000)
    assert.equal(await slow, 10)
    delayMs = 0
    await clock.advance(3_000)
    const other = [await admitted(60, 'alice', 1), await admitted(60, 'alice', 0)]
    const through = other.reduce((sum, each) => sum + each, 11)
    assert.ok(through >= 60 && through <= 62, String(through))
  })

  test('is not taken for one that is away when this process itself stood still', async () => {
    const clock = createFakeClock()
    const memory = createMemoryStore(clock)
    const answers: (() => void)[] = []
    const overdue = new Set<() => void>()
    await memory.draw(`limit/route/app/2/60000/${principalKey(loginCaller().principal)}`, OTHER)
    const limits = createLimits(OPEN, {
      limits: new Map([['route/app', { perPrincipal: { count: 2, perMs: 60_000 } }]]),
      store: {
        async draw(...asked) {
          const drawn = await memory.draw(...asked)
          await new Promise<void>((resolve) => answers.push(resolve))
          return drawn
        },
      },
      clock: {
        now: () => clock.now(),
        after(_, task) {
          overdue.add(task)
          return { cancel: () => void overdue.delete(task) }
        },
      },
      observe: () => undefined,
    })
    const resource = { type: 'route' as const, id: 'app', properties: {} }
    const ask = () => limits.authorize({ caller: loginCaller(), action: { name: 'get', writes: false }, resource })
    /** Time limits are over before what came meanwhile is read. */
    const wake = async () => {
      for (const task of [...overdue]) {
        overdue.delete(task)
        task()
      }
      for (const answer of answers.splice(0)) answer()
      for (let turns = 0; turns < 5; turns += 1) await turn()
    }
    const asked = Promise.allSettled([ask(), ask(), ask(), ask(), ask()])
    for (let stall = 0; stall < 8; stall += 1) await wake()
    const through = (await asked).filter(({ status }) => status === 'fulfilled').length
    assert.equal(through, 1, 'the one with which a replica begins')
  })
})

describe('an outage of the store', () => {
  test('refuses nobody for it, and each replica goes on counting by itself', async () => {
    const { ask, admitted, clock, lines } = limitedStage({ perPrincipal: MINUTE }, { replicas: 2 })
    for (const line of lines) line.down()
    assert.equal(await admitted(100, 'alice', 0), 60)
    assert.equal(await admitted(100, 'alice', 1), 60)
    await clock.advance(59_000)
    assert.equal((await ask('alice', 0))?.retryAfterSeconds, 1)
    await clock.advance(1_000)
    assert.equal(await ask('alice', 0), undefined)
  })

  test('does not make a replica forget what it knew of the others, nor what it counted when the store is back', async () => {
    const { ask, admitted, clock, lines } = limitedStage({ perPrincipal: MINUTE }, { replicas: 2 })
    assert.equal(await admitted(40, 'alice', 0), 40)
    assert.equal(await admitted(1, 'alice', 1), 1)
    await clock.advance(1_000)
    for (const line of lines) line.down()
    assert.equal(await admitted(40, 'alice', 1), 19)
    for (const line of lines) line.up()
    await clock.advance(2_000)
    assert.equal((await ask('alice', 0))?.code, 'too_many_requests')
  })

  test('lets what others had spent come free when it would without one', async () => {
    const { ask, admitted, clock, lines } = limitedStage({ perPrincipal: HOUR }, { replicas: 2 })
    assert.equal(await admitted(100, 'alice', 0), 100)
    await clock.advance(58 * 60_000)
    assert.equal(await ask('alice', 1), undefined, 'the one with which a replica begins')
    const { retryAfterSeconds: seconds = 0 } = (await ask('alice', 1)) ?? {}
    assert.ok(seconds > 60 && seconds <= 180, String(seconds))
    for (const line of lines) line.down()
    await clock.advance(seconds * 1_000)
    // It goes by tenths of what was spent.
    const through = await admitted(200, 'alice', 1)
    assert.ok(through >= 89 && through <= 99, String(through))
  })

  test('lets what others had spent over time come free over time, and says when', async () => {
    const { ask, clock, lines } = limitedStage({ perPrincipal: HOUR }, { replicas: 2 })
    for (let minute = 0; minute < 50; minute += 1) {
      for (let at = 0; at < 2; at += 1) assert.equal(await ask('alice', 0), undefined)
      await clock.advance(60_000)
    }
    assert.equal(await ask('alice', 1), undefined)
    assert.equal((await ask('alice', 1))?.code, 'too_many_requests')
    for (const line of lines) line.down()
    await clock.advance(16 * 60_000)
    // Two of the other replica's hundred come free each minute from the tenth on; here it goes by tenths.
    let through = 0
    for (let each = 0; each < 100; each += 1) if ((await ask('alice', 1)) === undefined) through += 1
    assert.ok(through >= 9 && through <= 14, String(through))
    const { retryAfterSeconds = 0 } = (await ask('alice', 1)) ?? {}
    assert.ok(retryAfterSeconds > 60 && retryAfterSeconds <= 360, String(retryAfterSeconds))
    await clock.advance(retryAfterSeconds * 1_000 - 1_001)
    assert.equal((await ask('alice', 1))?.code, 'too_many_requests')
    await clock.advance(1_001)
    assert.equal(await ask('alice', 1), undefined)
  })

  test('of hours is not paid for afterwards: only what still counts is told', async () => {
    const { ask, admitted, clock, lines } = limitedStage({ perPrincipal: MINUTE }, { replicas: 2 })
    for (const line of lines) line.down()
    for (let minute = 0; minute < 120; minute += 1) {
      assert.equal(await admitted(30, 'alice', 0), 30)
      await clock.advance(60_000)
    }
    for (const line of lines) line.up()
    await clock.advance(2_000)
    const through = (await admitted(60, 'alice', 1)) + (await admitted(60, 'alice', 0))
    assert.ok(through >= 29, String(through))
    assert.equal((await ask('alice', 0))?.code, 'too_many_requests')
  })

  test('whose last answers were lost does not make what they noted count twice', async () => {
    let lost = false
    const { admitted, clock } = limitedStage({ perPrincipal: MINUTE }, { replicas: 2, lost: () => lost })
    assert.equal(await admitted(20, 'alice', 0), 20)
    lost = true
    await clock.advance(8_000)
    lost = false
    await clock.advance(12_000)
    const through = await admitted(60, 'alice', 1)
    assert.ok(through >= 39 && through <= 40, String(through))
  })

  test('that hangs holds an attempt up for a second at most, and the next ones not at all', async () => {
    const { ask, clock, lines } = limitedStage({ perPrincipal: MINUTE })
    lines[0]?.hang()
    assert.equal(await ask(), undefined)
    let answered = 0
    const waiting = [ask(), ask()].map((each) => each.then((refusal) => (answered += refusal === undefined ? 1 : 0)))
    await clock.advance(999)
    assert.equal(answered, 0)
    await clock.advance(1)
    await Promise.all(waiting)
    assert.equal(answered, 2)
    assert.equal(await ask(), undefined)
    lines[0]?.up()
    await clock.advance(1_000)
  })

  test('that ends while an answer is on its way lets no replica through more than the limit and one', async () => {
    const clock = createFakeClock()
    const memory = createMemoryStore(clock)
    let delayMs = 0
    const draw: Store['draw'] = async (...asked) => {
      await pause(clock, delayMs)
      return memory.draw(...asked)
    }
    const limits = createLimits(OPEN, {
      limits: new Map([['route/app', { perPrincipal: MINUTE }]]),
      store: { draw },
      clock,
      observe: () => undefined,
    })
    const resource = { type: 'route' as const, id: 'app', properties: {} }
    let through = 0
    const burst = () => {
      for (let each = 0; each < 100; each += 1)
        limits.authorize({ caller: loginCaller(), action: { name: 'get', writes: false }, resource }).then(
          () => (through += 1),
          (error: unknown) => assert.ok(!(error instanceof StoreUnavailable)),
        )
    }
    delayMs = 1_500
    burst()
    await clock.advance(1_200)
    assert.equal(through, 60)
    await clock.advance(400)
    burst()
    await clock.advance(5_000)
    assert.ok(through <= 61, String(through))
  })
})

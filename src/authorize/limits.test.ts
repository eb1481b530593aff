import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { limitedStage } from './limits.fake.ts'

const MINUTE = { count: 60, perMs: 60_000 }

describe('refuses', () => {
  test('what is beyond the limit of one principal, with the time to wait and the limit in words', async () => {
    const { ask, admitted, clock, observed } = limitedStage({ perPrincipal: MINUTE })
    assert.equal(await admitted(100), 60)
    await clock.advance(10_000)
    const refusal = await ask()
    assert.deepEqual(
      [refusal?.code, refusal?.status, refusal?.retryAfterSeconds, refusal?.detail],
      ['too_many_requests', 429, 50, 'at most 60 a minute of one caller'],
    )
    assert.deepEqual(observed, Array(41).fill('route/app'))
  })

  test('what is beyond the limit of all together, whoever asks', async () => {
    const { ask, clock } = limitedStage({ total: { count: 10, perMs: 1_000 } })
    const codes: unknown[] = []
    for (let at = 0; at < 12; at += 1) codes.push((await ask(`caller-${at}`))?.detail)
    assert.deepEqual(codes, [...Array(10).fill(undefined), ...Array(2).fill('at most 10 a second of all callers together')])
    await clock.advance(1_000)
    assert.equal(await ask('caller-1'), undefined)
  })

  test('at every replica what one of them has let through', async () => {
    const { ask, admitted, clock } = limitedStage({ perPrincipal: MINUTE }, { replicas: 3 })
    await admitted(60, 'alice', 0)
    await clock.advance(1_000)
    const first = [await ask('alice', 1), await ask('alice', 2)]
    assert.deepEqual(first, [undefined, undefined], 'the one with which a replica begins')
    for (const replica of [0, 1, 2]) {
      const { retryAfterSeconds = 0 } = (await ask('alice', replica)) ?? {}
      // What falls into one fiftieth of the window leaves together, with the last of it.
      assert.ok(retryAfterSeconds >= 59 && retryAfterSeconds <= 60, String(retryAfterSeconds))
    }
  })

  test('nobody else for one who asks too often', async () => {
    const { ask, admitted } = limitedStage({ perPrincipal: MINUTE })
    assert.equal(await admitted(70, 'alice'), 60)
    assert.equal(await ask('bob'), undefined)
  })
})

describe('does not count', () => {
  test('what the rules refuse', async () => {
    let open = false
    const rules = {
      authorize: async () =>
        open ? ({ effect: 'allow', rule: 'r' } as const) : ({ effect: 'deny', code: 'denied', detail: 'no' } as const),
    }
    const { admitted, draws } = limitedStage({ perPrincipal: MINUTE, total: MINUTE }, { rules })
    assert.equal(await admitted(1_000), 0)
    assert.equal(draws.length, 0)
    open = true
    assert.equal(await admitted(61), 60)
  })

  test('what a limit refuses: who asks on all the time gets as much as who waits', async () => {
    const { ask, clock } = limitedStage({ perPrincipal: { count: 5, perMs: 60_000 } })
    let through = 0
    for (let second = 0; second < 600; second += 1) {
      for (let at = 0; at < 3; at += 1) if ((await ask()) === undefined) through += 1
      await clock.advance(1_000)
    }
    assert.ok(through >= 48 && through <= 50, String(through))
  })

  test('against one limit what the other refuses', async () => {
    const { admitted, clock } = limitedStage({ perPrincipal: MINUTE, total: { count: 10, perMs: 1_000 } })
    assert.equal(await admitted(100, 'alice'), 10)
    for (let second = 0; second < 5; second += 1) {
      await clock.advance(1_100)
      assert.equal(await admitted(100, 'alice'), 10)
    }
    await clock.advance(1_100)
    assert.equal(await admitted(100, 'alice'), 0)
  })

  test('what is asked of a resource without a limit', async () => {
    const { ask, draws } = limitedStage({ perPrincipal: { count: 1, perMs: 3_600_000 } })
    for (let at = 0; at < 20; at += 1) assert.equal(await ask('alice', 0, 'other'), undefined)
    assert.equal(draws.length, 0)
  })
})

describe('lets through', () => {
  test('all that the limit allows, at once or one by one, at one replica or at several', async () => {
    const burst = limitedStage({ perPrincipal: MINUTE }, { replicas: 3 })
    assert.equal(await burst.admitted(60, 'alice', 1), 60)
    const spread = limitedStage({ perPrincipal: MINUTE }, { replicas: 3 })
    let through = 0
    for (let at = 0; at < 60; at += 1) {
      if ((await spread.ask('alice', at % 3)) === undefined) through += 1
      await spread.clock.advance(100)
    }
    // Of the last ones each other replica may just hold two.
    assert.ok(through >= 56, String(through))
  })

  test('what was promised, when it was promised, and not a second earlier', async () => {
    const { ask, admitted, clock } = limitedStage({ perPrincipal: { count: 3, perMs: 3_600_000 } })
    assert.equal(await ask(), undefined)
    await clock.advance(600_000)
    assert.equal(await admitted(5), 2)
    const seconds = (await ask())?.retryAfterSeconds ?? 0
    assert.equal(seconds, 3_000)
    await clock.advance((seconds - 1) * 1_000)
    assert.equal((await ask())?.retryAfterSeconds, 1)
    await clock.advance(1_000)
    assert.equal(await admitted(5), 1)
  })

  test('without waiting as long as it holds a part', async () => {
    const { ask, clock, lines } = limitedStage({ perPrincipal: MINUTE })
    await ask()
    await clock.advance(10)
    lines[0]?.hang()
    assert.equal(await ask(), undefined)
  })
})

describe('a clock that is set by hours', () => {
  for (const hours of [-1, -30, 5]) {
    test(`${hours} hours: whoever is refused is let in a window later at the latest, and the limit goes on`, async () => {
      const { ask, admitted, clock } = limitedStage({ perPrincipal: MINUTE }, { replicas: 2 })
      assert.equal(await admitted(70, 'alice', 0), 60)
      assert.equal(await admitted(5, 'alice', 1), 1)
      clock.jump(hours * 3_600_000)
      await clock.advance(1_000)
      assert.ok(((await ask('alice', 0))?.retryAfterSeconds ?? 0) <= 60)
      await clock.advance(62_000)
      assert.equal((await admitted(70, 'alice', 0)) >= 60, true)
      assert.ok((await admitted(70, 'alice', 1)) <= 1)
      await clock.advance(1_000)
      assert.equal((await ask('alice', 0))?.code, 'too_many_requests')
    })
  }
})

describe('what is kept', () => {
  test('is given up a window after it was used, and no timer stays', async () => {
    const { ask, clock, draws } = limitedStage({ perPrincipal: MINUTE, total: MINUTE })
    for (let at = 0; at < 50; at += 1) await ask(`caller-${at}`)
    await clock.advance(70_000)
    assert.equal(clock.pending, 0)
    const told = draws.length
    await clock.advance(600_000)
    assert.equal(draws.length, told)
  })

  test('is bounded: of too many principals the one idle for longest is forgotten, and gains nothing by it', async () => {
    const { ask, admitted } = limitedStage({ perPrincipal: { count: 5, perMs: 60_000 } }, { most: 10 })
    assert.equal(await admitted(9, 'alice'), 5)
    for (let at = 0; at < 10; at += 1) await ask(`caller-${at}`)
    assert.equal(await admitted(9, 'alice'), 0)
    assert.equal(await admitted(9, 'caller-9'), 4)
  })

  test('and forgotten again and again lets nobody through more often', async () => {
    const { ask, clock } = limitedStage({ perPrincipal: { count: 2, perMs: 60_000 } }, { most: 5 })
    let through = 0
    for (let round = 0; round < 20; round += 1) {
      if ((await ask('alice')) === undefined) through += 1
      for (let at = 0; at < 6; at += 1) await ask(`caller-${at}`)
      await clock.advance(2_000)
    }
    assert.equal(through, 2)
  })

  test('of all together is never forgotten for too many principals', async () => {
    const { ask, clock, draws } = limitedStage({ total: { count: 20, perMs: 60_000 }, perPrincipal: MINUTE }, { most: 3 })
    let through = 0
    for (let at = 0; at < 60; at += 1) {
      if ((await ask(`caller-${at % 12}`)) === undefined) through += 1
      await clock.advance(500)
    }
    assert.equal(through, 20)
    const totals = draws.filter(([allowance]) => allowance.endsWith('/'))
    assert.equal(new Set(totals.map(([, { holder }]) => holder)).size, 1)
  })

  test('with more principals at once than are kept lets nobody through more often, and answers all', async () => {
    const { admitted, clock } = limitedStage({ perPrincipal: { count: 2, perMs: 60_000 } }, { most: 3, delay: () => 40 })
    const all = Array.from({ length: 12 }, (_, at) => admitted(4, `caller-${at}`))
    await clock.advance(20_000)
    for (const through of await Promise.all(all)) assert.ok(through >= 1 && through <= 2, String(through))
  })

  test('is told to the store at the stop, and given back', async () => {
    const { limits, admitted, clock } = limitedStage({ perPrincipal: MINUTE }, { replicas: 2 })
    assert.equal(await admitted(20, 'alice', 0), 20)
    await limits[0]?.stop()
    assert.equal(await admitted(60, 'alice', 1), 40)
    await limits[1]?.stop()
    assert.equal(clock.pending, 0)
  })

  test('in the store names no principal', async () => {
    const { ask, draws } = limitedStage({ perPrincipal: MINUTE, total: MINUTE })
    await ask('somebody')
    assert.equal(draws.length, 2)
    for (const [allowance, draw] of draws) {
      assert.match(allowance, /^limit\/route\/app\/60\/60000\/([\w-]{43})?$/)
      assert.ok(!JSON.stringify(draw).includes('somebody'))
    }
  })
})

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { LEASE_MS, setRefreshStage } from './refresh.fake.ts'
import { answerOf, ask, assertOnce, ENDED_MS, isRecordWrite } from './refresh-asking.fake.ts'

describe('a store that goes away', () => {
  test('between win and answer: nothing was presented, so another replica may, and the login is not lost', async () => {
    for (const other of [false, true]) {
      const stage = setRefreshStage()
      const { clock } = stage
      const replica = stage.replica()
      const loginId = await stage.signIn()
      await clock.advance(ENDED_MS)
      let writes = 0
      replica.decide((call) => (isRecordWrite(call) && ++writes === 1 ? 'unanswered' : 'done'))
      assert.equal(await answerOf(stage, replica, loginId), 'store_unavailable')
      assertOnce(stage, 0)
      assert.equal(await answerOf(stage, other ? stage.replica() : replica, loginId, 500), 'access-2')
      assertOnce(stage, 1)
    }
  })

  test('between win and answer, and stays away for long: the right comes back with it', async () => {
    const stage = setRefreshStage()
    const { clock } = stage
    const [replica, other] = [stage.replica(), stage.replica()]
    const loginId = await stage.signIn()
    await clock.advance(ENDED_MS)
    let away = false
    replica.decide((call) => {
      if (away) return 'refused'
      if (isRecordWrite(call)) away = true
      return away ? 'unanswered' : 'done'
    })
    assert.equal(await answerOf(stage, replica, loginId), 'store_unavailable')
    // It asks again and again, and what it owes stays one write.
    for (let at = 0; at < 20; at++) assert.equal(await answerOf(stage, replica, loginId), 'store_unavailable')
    await clock.advance(2 * LEASE_MS)
    assert.equal(await answerOf(stage, other, loginId), 'refresh_outcome_unknown')
    away = false
    replica.decide(() => 'done')
    await clock.advance(500)
    assert.equal(await answerOf(stage, other, loginId), 'access-2')
    assertOnce(stage, 1)
  })

  test('for writes only: refused rights leave nothing behind', async () => {
    const stage = setRefreshStage()
    const { clock } = stage
    const replica = stage.replica()
    const loginId = await stage.signIn()
    await clock.advance(ENDED_MS)
    replica.decide(({ method }) => (method === 'put' ? 'refused' : 'done'))
    for (let at = 0; at < 50; at++) assert.equal(await answerOf(stage, replica, loginId), 'store_unavailable')
    assert.ok(clock.pending <= 2, `${clock.pending} timers`)
    replica.decide(() => 'done')
    await clock.advance(500)
    assert.equal(await answerOf(stage, replica, loginId), 'access-2')
    assertOnce(stage, 1)
    await clock.advance(1_000)
    assert.equal(clock.pending, 0)
  })

  test('right after the redeem: the tokens are stored when it is back, and nobody is logged out', async () => {
    for (const outageMs of [3_000, 20_000, 20 * 60_000]) {
      const stage = setRefreshStage()
      const { clock, issuer } = stage
      const [replica, other] = [stage.replica(), stage.replica()]
      const loginId = await stage.signIn()
      await clock.advance(ENDED_MS)
      issuer.slowness = 500
      issuer.groups = ['new-group']
      const asked = ask(replica.tokens, loginId)
      await clock.advance(100)
      replica.down()
      other.down()
      await clock.advance(1_000)
      assert.equal(asked.end, 'store_unavailable')
      assert.equal(await answerOf(stage, other, loginId), 'store_unavailable')
      await clock.advance(outageMs)
      replica.up()
      other.up()
      // At once, before the tokens are stored: still nobody hears that the login is over.
      const early = [ask(replica.tokens, loginId), ask(other.tokens, loginId)]
      await clock.advance(3_000)
      for (const { end } of early) assert.match(end ?? '', /^(store_unavailable|access-[23])$/)
      const end = await answerOf(stage, other, loginId)
      assert.match(end ?? '', /^access-[23]$/)
      assert.deepEqual((await other.records.record(loginId))?.value.principal.groups, ['new-group'])
      assertOnce(stage, end === 'access-2' ? 1 : 2)
    }
  })

  test('while somebody else wins the right: giving back takes it from nobody', async () => {
    for (const fate of ['refused', 'unanswered'] as const) {
      const stage = setRefreshStage()
      const { clock, issuer } = stage
      const [away, presenter, third] = [stage.replica(), stage.replica(), stage.replica()]
      const loginId = await stage.signIn()
      await clock.advance(ENDED_MS)
      // The first write is the right itself, or with an issuer out of reach the second is giving it back.
      const lastGood = fate === 'refused' ? 0 : 1
      issuer.mood = fate === 'refused' ? 'renews' : 'unreachable'
      let writes = 0
      away.decide((call) => {
        if (isRecordWrite(call)) writes += 1
        if (writes <= lastGood) return 'done'
        return writes === lastGood + 1 && isRecordWrite(call) ? fate : 'refused'
      })
      assert.equal(await answerOf(stage, away, loginId), 'store_unavailable')
      issuer.mood = 'renews'
      issuer.slowness = 3_000
      const asked = ask(presenter.tokens, loginId)
      await clock.advance(500)
      away.decide(() => 'done')
      await clock.advance(500)
      const other = ask(third.tokens, loginId)
      await clock.advance(4_000)
      assert.deepEqual([asked.end, other.end], ['access-2', 'access-2'])
      assertOnce(stage, 1)
    }
  })

  test('right after the issuer could not be reached or refused: what is known is not forgotten', async () => {
    for (const [mood, expected] of [
      ['unreachable', 'access-2'],
      ['refuses', 'login_expired'],
    ] as const) {
      const stage = setRefreshStage()
      const { clock, issuer } = stage
      const [replica, other] = [stage.replica(), stage.replica()]
      const loginId = await stage.signIn()
      await clock.advance(ENDED_MS)
      issuer.mood = mood
      issuer.slowness = 500
      const asked = ask(replica.tokens, loginId)
      await clock.advance(100)
      replica.down()
      await clock.advance(1_000)
      assert.equal(asked.end, 'store_unavailable')
      issuer.mood = 'renews'
      // Long enough for the other one to give it up.
      await clock.advance(LEASE_MS)
      assert.equal(await answerOf(stage, other, loginId), 'refresh_outcome_unknown')
      replica.up()
      await clock.advance(500)
      assert.equal(await answerOf(stage, other, loginId), expected)
      assertOnce(stage, 1)
    }
  })

  test('while somebody waits: the waiter hears 503, and that the store is back', async () => {
    const stage = setRefreshStage()
    const { clock, issuer } = stage
    const [presenter, waiter] = [stage.replica(), stage.replica()]
    const loginId = await stage.signIn()
    await clock.advance(ENDED_MS)
    issuer.slowness = 2_000
    ask(presenter.tokens, loginId)
    await clock.advance(100)
    const asked = ask(waiter.tokens, loginId)
    await clock.advance(100)
    waiter.down()
    await clock.advance(1_500)
    assert.equal(asked.end, 'store_unavailable')
    waiter.up()
    assert.equal(await answerOf(stage, waiter, loginId), 'access-2')
    assertOnce(stage, 1)
  })

  test('loses its wakes: waiters find out by themselves within a second', async () => {
    const stage = setRefreshStage()
    const { clock, issuer } = stage
    const [presenter, waiter] = [stage.replica(), stage.replica()]
    presenter.decide(({ method }) => (method === 'wake' ? 'refused' : 'done'))
    const loginId = await stage.signIn()
    await clock.advance(ENDED_MS)
    issuer.slowness = 2_000
    ask(presenter.tokens, loginId)
    await clock.advance(100)
    const asked = ask(waiter.tokens, loginId)
    await clock.advance(2_900)
    assert.equal(asked.end, 'access-2')
  })
})

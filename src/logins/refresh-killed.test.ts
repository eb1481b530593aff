import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { LEASE_MS, setRefreshStage, TOKEN_LIFE_MS } from './refresh.fake.ts'
import { answerOf, ask, assertOnce, DUE_MS, ENDED_MS, isRecordWrite, renewal, stateOf } from './refresh-asking.fake.ts'

describe('a presenter that is killed', () => {
  test('before its answer: waiters stop at the end of the lease, the token serves to its end, then 401', async () => {
    const stage = setRefreshStage()
    const { clock, issuer } = stage
    const [killed, other] = [stage.replica(), stage.replica()]
    const loginId = await stage.signIn()
    await clock.advance(DUE_MS)
    issuer.mood = 'hangs'
    assert.equal((await killed.tokens.fresh(loginId, 'access-token')).token.expose(), 'access-1')
    await clock.advance(10)
    killed.die()
    issuer.mood = 'renews'
    // In the margin: the other replica's renewal waits in the background, its callers do not.
    assert.equal((await other.tokens.fresh(loginId, 'access-token')).token.expose(), 'access-1')
    const waiter = renewal(other, loginId, 1)
    await clock.advance(LEASE_MS - 1_000)
    assert.equal(waiter.end, undefined)
    assert.equal(await stateOf(other, loginId), 'presenting')
    await clock.advance(1_500)
    assert.equal(waiter.end, 'access-1')
    assert.equal(await stateOf(other, loginId), 'unknown')
    assert.equal(await answerOf(stage, other, loginId), 'access-1')
    await clock.advance(TOKEN_LIFE_MS)
    assert.equal(await answerOf(stage, other, loginId), 'refresh_outcome_unknown')
    assert.equal(await answerOf(stage, stage.replica(), loginId), 'refresh_outcome_unknown')
    assertOnce(stage, 1)
  })

  test('just after it won the right: at most one presentation, and a clear state', async () => {
    const stage = setRefreshStage()
    const [killed, other] = [stage.replica(), stage.replica()]
    const loginId = await stage.signIn()
    await stage.clock.advance(ENDED_MS)
    killed.decide((call) => (isRecordWrite(call) ? 'dies-after' : 'done'))
    ask(killed.tokens, loginId)
    await stage.clock.advance(10)
    assert.equal(await answerOf(stage, other, loginId), 'refresh_outcome_unknown')
    assertOnce(stage, 0)
  })

  test('between writing the new tokens and the record: others settle it at once and nobody is logged out', async () => {
    const stage = setRefreshStage()
    const { clock } = stage
    const [killed, other] = [stage.replica(), stage.replica()]
    const loginId = await stage.signIn()
    await clock.advance(ENDED_MS)
    let writes = 0
    killed.decide((call) => (isRecordWrite(call) && ++writes === 2 ? 'dies-before' : 'done'))
    ask(killed.tokens, loginId)
    await clock.advance(10)
    assert.equal(killed.dead, true)
    assert.equal(await answerOf(stage, other, loginId, 100), 'access-2')
    // The record still says that somebody presents; the next renewal settles that and goes on.
    await clock.advance(ENDED_MS)
    assert.equal(await answerOf(stage, other, loginId, 100), 'access-3')
    assert.equal(await stateOf(other, loginId), 'idle')
    assertOnce(stage, 2)
  })

  test('as a waiter: one redeem, no logout', async () => {
    const stage = setRefreshStage()
    const { clock, issuer } = stage
    const [presenter, waiter] = [stage.replica(), stage.replica()]
    const loginId = await stage.signIn()
    await clock.advance(ENDED_MS)
    issuer.slowness = 3_000
    const served = ask(presenter.tokens, loginId)
    await clock.advance(100)
    const killed = ask(waiter.tokens, loginId)
    await clock.advance(100)
    waiter.die()
    await clock.advance(5_000)
    assert.equal(served.end, 'access-2')
    assert.equal(killed.end, undefined)
    assert.equal(await answerOf(stage, stage.replica(), loginId), 'access-2')
    assertOnce(stage, 1)
  })

  test('in no case, only slower than its lease: its tokens are kept and the login lives on', async () => {
    const stage = setRefreshStage()
    const { clock, issuer } = stage
    const [slow, other] = [stage.replica(), stage.replica()]
    const loginId = await stage.signIn()
    await clock.advance(ENDED_MS)
    issuer.slowness = LEASE_MS + 10_000
    issuer.groups = ['new-group']
    const asked = ask(slow.tokens, loginId)
    await clock.advance(100)
    assert.equal(await answerOf(stage, other, loginId), 'refresh_outcome_unknown')
    assert.equal(asked.end, 'issuer_unavailable')
    await clock.advance(10_000)
    assert.equal(await answerOf(stage, slow, loginId), 'access-2')
    assert.equal(await answerOf(stage, other, loginId), 'access-2')
    assert.equal(await stateOf(other, loginId), 'idle')
    const record = await other.records.record(loginId)
    assert.deepEqual(record?.value.principal.groups, ['new-group'])
    assertOnce(stage, 1)
  })

  test('in no case, only slower than its lease and never connected: the right comes back', async () => {
    const stage = setRefreshStage()
    const { clock, issuer } = stage
    const [slow, other] = [stage.replica(), stage.replica()]
    const loginId = await stage.signIn()
    await clock.advance(ENDED_MS)
    issuer.mood = 'unreachable'
    issuer.slowness = LEASE_MS + 10_000
    const asked = ask(slow.tokens, loginId)
    await clock.advance(100)
    assert.equal(await answerOf(stage, other, loginId), 'refresh_outcome_unknown')
    await clock.advance(10_000)
    assert.equal(asked.end, 'issuer_unavailable')
    issuer.mood = 'renews'
    issuer.slowness = 0
    assert.equal(await answerOf(stage, other, loginId), 'access-2')
    assertOnce(stage, 1)
  })

  test('in no case, only stuck in a call that never ends: nobody waits longer than a lease', async () => {
    const stage = setRefreshStage()
    const { clock, issuer } = stage
    const stuck = stage.replica()
    const loginId = await stage.signIn()
    await clock.advance(ENDED_MS)
    issuer.mood = 'hangs'
    assert.equal(await answerOf(stage, stuck, loginId, LEASE_MS), 'issuer_unavailable')
    await clock.advance(1_000)
    assert.equal(await answerOf(stage, stuck, loginId, 1_500), 'refresh_outcome_unknown')
    assertOnce(stage, 1)
  })
})

describe('a replica that stops', () => {
  test('finishes and stores the refresh it has begun, and begins no other', async () => {
    const stage = setRefreshStage()
    const { clock, issuer } = stage
    const [stopping, other] = [stage.replica(), stage.replica()]
    const [loginId, later] = [await stage.signIn(), await stage.signIn()]
    await clock.advance(DUE_MS)
    issuer.slowness = 2_000
    await stopping.tokens.fresh(loginId, 'access-token')
    await clock.advance(100)
    let stopped = false
    const stop = stopping.refreshing.close().then(() => (stopped = true))
    await clock.advance(500)
    assert.equal(stopped, false)
    await clock.advance(2_000)
    assert.equal(stopped, true)
    await stop
    assert.equal(await answerOf(stage, other, loginId), 'access-3')
    await clock.advance(ENDED_MS - DUE_MS)
    assert.equal(await answerOf(stage, stopping, later), 'shutting_down')
    assertOnce(stage, 1)
  })

  test('waits some seconds for the store to take what it owes, and not for ever', async () => {
    for (const back of [true, false]) {
      const stage = setRefreshStage()
      const { clock, issuer } = stage
      const [stopping, other] = [stage.replica(), stage.replica()]
      const loginId = await stage.signIn()
      await clock.advance(ENDED_MS)
      issuer.slowness = 100
      ask(stopping.tokens, loginId)
      await clock.advance(50)
      stopping.down()
      await clock.advance(100)
      let stopped = false
      const stop = stopping.refreshing.close().then(() => (stopped = true))
      await clock.advance(2_000)
      assert.equal(stopped, false)
      if (back) stopping.up()
      await clock.advance(4_000)
      assert.equal(stopped, true)
      await stop
      assert.equal(clock.pending, 0)
      assert.equal(await answerOf(stage, other, loginId), back ? 'access-2' : 'refresh_outcome_unknown')
      assertOnce(stage, 1)
    }
  })
})

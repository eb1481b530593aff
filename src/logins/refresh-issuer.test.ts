import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { LEASE_MS, setRefreshStage, TOKEN_LIFE_MS } from './refresh.fake.ts'
import { answerOf, ask, assertOnce, DUE_MS, ENDED_MS, presentations, stateOf, watched } from './refresh-asking.fake.ts'

describe('an issuer that', () => {
  test('refuses: the token serves to its end, then login_expired, and it is not asked again', async () => {
    const stage = setRefreshStage()
    const { clock, issuer } = stage
    const replicas = [stage.replica(), stage.replica()] as const
    const loginId = await stage.signIn()
    await clock.advance(DUE_MS)
    issuer.mood = 'refuses'
    assert.equal(await answerOf(stage, replicas[0], loginId), 'access-1')
    await clock.advance(10)
    assert.equal(await stateOf(replicas[0], loginId), 'refused')
    assert.equal(await answerOf(stage, replicas[1], loginId), 'access-1')
    await clock.advance(TOKEN_LIFE_MS - DUE_MS)
    for (const replica of replicas) assert.equal(await answerOf(stage, replica, loginId), 'login_expired')
    assertOnce(stage, 1)
  })

  test('cannot be reached: may be tried again, once a second for a login, and is a 503 only without a token', async () => {
    const stage = setRefreshStage()
    const { clock, issuer } = stage
    const replica = stage.replica()
    const loginId = await stage.signIn()
    issuer.mood = 'unreachable'
    await clock.advance(DUE_MS)
    assert.equal(await answerOf(stage, replica, loginId), 'access-1')
    await clock.advance(ENDED_MS - DUE_MS)
    stage.observed.length = 0
    for (let at = 0; at < 100; at++) assert.equal(await answerOf(stage, replica, loginId, 0), 'issuer_unavailable')
    assert.equal(await stateOf(replica, loginId), 'idle')
    assert.ok(stage.observed.length <= 6, `${stage.observed.length} attempts in 5 s`)
    issuer.mood = 'renews'
    await clock.advance(1_001)
    assert.equal(await answerOf(stage, replica, loginId), 'access-2')
    assertOnce(stage, 1)
  })

  test('loses its answer: the token is not presented again; it serves to its end, then 401', async () => {
    for (const mood of ['lost', 'busy'] as const) {
      const stage = setRefreshStage()
      const { clock, issuer } = stage
      const replica = stage.replica()
      const loginId = await stage.signIn()
      await clock.advance(DUE_MS)
      issuer.mood = mood
      assert.equal(await answerOf(stage, replica, loginId), 'access-1')
      await clock.advance(10)
      assert.equal(await stateOf(replica, loginId), 'unknown')
      issuer.mood = 'renews'
      assert.equal(await answerOf(stage, replica, loginId), 'access-1')
      await clock.advance(TOKEN_LIFE_MS - DUE_MS)
      assert.equal(await answerOf(stage, replica, loginId), 'refresh_outcome_unknown')
      assertOnce(stage, 1)
    }
  })

  test('breaks our promise that presenting never throws: the outcome is unknown', async () => {
    const stage = setRefreshStage()
    const replica = stage.replica()
    const loginId = await stage.signIn()
    await stage.clock.advance(ENDED_MS)
    stage.issuer.failsWith = new TypeError('a fault')
    assert.equal(await answerOf(stage, replica, loginId), 'refresh_outcome_unknown')
    assertOnce(stage, 1)
  })

  test('gives no ID token again: the old one serves to its end, and the issuer is not asked at every request', async () => {
    const stage = setRefreshStage()
    const { clock, issuer } = stage
    const { tokens } = stage.replica()
    const loginId = await stage.signIn()
    issuer.idToken = false
    await clock.advance(DUE_MS)
    assert.equal((await tokens.fresh(loginId, 'access-token')).token.expose(), 'access-1')
    await clock.advance(10)
    assert.equal((await tokens.fresh(loginId, 'access-token')).token.expose(), 'access-2')
    assert.equal((await tokens.fresh(loginId, 'id-token')).token.expose(), 'id-1')
    await clock.advance(TOKEN_LIFE_MS - DUE_MS)
    const before = issuer.presented.size
    for (let second = 0; second < 60; second++) {
      const asked = watched(tokens.fresh(loginId, 'id-token'))
      await clock.advance(1_000)
      assert.equal(asked.end, 'login_expired')
    }
    assert.ok(issuer.presented.size - before <= 4, `${issuer.presented.size - before} presentations in a minute`)
    assertOnce(stage, issuer.presented.size)
  })

  test('gives no refresh token at all: the token serves to its end, then login_expired', async () => {
    const stage = setRefreshStage()
    stage.issuer.refreshToken = false
    const replica = stage.replica()
    const loginId = await stage.signIn()
    await stage.clock.advance(DUE_MS)
    assert.equal(await answerOf(stage, replica, loginId), 'access-1')
    await stage.clock.advance(TOKEN_LIFE_MS - DUE_MS)
    assert.equal(await answerOf(stage, replica, loginId), 'login_expired')
    assertOnce(stage, 0)
  })

  test('is configured no longer: the token serves to its end, then login_expired', async () => {
    const stage = setRefreshStage()
    const replica = stage.replica()
    const loginId = await stage.signIn()
    const found = await replica.records.record(loginId)
    assert.ok(found !== undefined)
    const principal = { ...found.value.principal, provider: 'gone' }
    await replica.records.replace(loginId, { ...found.value, principal }, found.version)
    await stage.clock.advance(ENDED_MS)
    assert.equal(await answerOf(stage, replica, loginId), 'login_expired')
    assertOnce(stage, 0)
  })
})

describe('a provider that takes a used token again', () => {
  test('for ever (reusable): a lost answer and a dead presenter cost a 503 and a lease', async () => {
    const stage = setRefreshStage('reusable')
    const { clock, issuer } = stage
    const [killed, other] = [stage.replica(), stage.replica()]
    const loginId = await stage.signIn()
    await clock.advance(ENDED_MS)
    issuer.mood = 'lost'
    assert.equal(await answerOf(stage, other, loginId), 'issuer_unavailable')
    issuer.mood = 'hangs'
    ask(killed.tokens, loginId)
    await clock.advance(10)
    killed.die()
    issuer.mood = 'renews'
    await clock.advance(1_000)
    assert.equal(await answerOf(stage, other, loginId), 'access-2')
    assert.equal(presentations(stage), 3)
  })

  test('within a grace: tries again within it and never after it, counted from the first presentation', async () => {
    const stage = setRefreshStage({ grace: 60_000 })
    const { clock, issuer } = stage
    const replica = stage.replica()
    const loginId = await stage.signIn()
    await clock.advance(ENDED_MS)
    issuer.mood = 'lost'
    const began = clock.now()
    let last = began
    for (let second = 0; second < 90; second++) {
      const before = presentations(stage)
      await answerOf(stage, replica, loginId, 0)
      if (presentations(stage) > before) last = clock.now()
      await clock.advance(950)
    }
    assert.ok(presentations(stage) > 10)
    assert.ok(last - began < 60_000, `the last after ${last - began} ms`)
    assert.equal(await answerOf(stage, replica, loginId), 'refresh_outcome_unknown')
  })

  test('within a grace: an answer lost long ago is not tried again', async () => {
    const stage = setRefreshStage({ grace: 60_000 })
    const { clock, issuer } = stage
    const replica = stage.replica()
    const loginId = await stage.signIn()
    await clock.advance(ENDED_MS)
    issuer.mood = 'lost'
    assert.equal(await answerOf(stage, replica, loginId), 'issuer_unavailable')
    issuer.mood = 'renews'
    await clock.advance(60_000)
    assert.equal(await answerOf(stage, replica, loginId), 'refresh_outcome_unknown')
    assert.equal(presentations(stage), 1)
  })

  test('within a grace: one presenter after another dies, and nobody presents after it', async () => {
    const stage = setRefreshStage({ grace: 40_000 })
    const { clock, issuer } = stage
    const loginId = await stage.signIn()
    await clock.advance(ENDED_MS)
    issuer.mood = 'hangs'
    const began = clock.now()
    for (let at = 0; at < 5; at++) {
      const killed = stage.replica()
      ask(killed.tokens, loginId)
      await clock.advance(LEASE_MS)
      killed.die()
    }
    assert.ok(clock.now() - began > 60_000)
    assert.equal(presentations(stage), 3)
    assert.equal(await answerOf(stage, stage.replica(), loginId), 'refresh_outcome_unknown')
  })

  test('within a grace that is shorter than a lease: a dead presenter is the end of it', async () => {
    const stage = setRefreshStage({ grace: 10_000 })
    const { clock, issuer } = stage
    const killed = stage.replica()
    const loginId = await stage.signIn()
    await clock.advance(ENDED_MS)
    issuer.mood = 'hangs'
    ask(killed.tokens, loginId)
    await clock.advance(10)
    killed.die()
    assert.equal(await answerOf(stage, stage.replica(), loginId), 'refresh_outcome_unknown')
    assert.equal(presentations(stage), 1)
  })
})

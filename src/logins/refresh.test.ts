import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { LEASE_MS, setRefreshStage, TOKEN_LIFE_MS } from './refresh.fake.ts'
import { answerOf, ask, assertOnce, ENDED_MS, renewal, stateOf, watched } from './refresh-asking.fake.ts'

describe('a rotating refresh token', () => {
  test('is presented once by 50 callers on 3 replicas whose token has ended', async () => {
    const stage = setRefreshStage()
    const { clock, issuer } = stage
    const replicas = [stage.replica(), stage.replica(), stage.replica()]
    const loginId = await stage.signIn()
    await clock.advance(ENDED_MS)
    issuer.slowness = 800
    const callers = Array.from({ length: 50 }, (_, at) => ask(replicas[at % 3]?.tokens ?? assert.fail(), loginId))
    await clock.advance(2_000)
    assert.deepEqual(new Set(callers.map(({ end }) => end)), new Set(['access-2']))
    assertOnce(stage, 1)
    assert.deepEqual(stage.audit, [{ event: 'refresh', provider: 'corp', login: loginId, result: 'renewed' }])
    assert.deepEqual(stage.observed, ['corp renewed'])
  })

  test('is presented once by callers on one replica who ask for either token', async () => {
    const stage = setRefreshStage()
    const { tokens } = stage.replica()
    const loginId = await stage.signIn()
    await stage.clock.advance(ENDED_MS)
    const both = [ask(tokens, loginId), watched(tokens.fresh(loginId, 'id-token'))]
    await stage.clock.advance(100)
    assert.deepEqual(
      both.map(({ end }) => end),
      ['access-2', 'id-2'],
    )
    assertOnce(stage, 1)
  })

  test('is renewed in the margin while the present token serves, and nobody waits for that', async () => {
    const stage = setRefreshStage()
    const { clock, issuer } = stage
    const { tokens } = stage.replica()
    const loginId = await stage.signIn()
    await clock.advance(TOKEN_LIFE_MS * 0.79)
    assert.equal((await tokens.fresh(loginId, 'access-token')).token.expose(), 'access-1')
    assertOnce(stage, 0)
    await clock.advance(TOKEN_LIFE_MS * 0.02)
    issuer.slowness = 1_000
    assert.equal((await tokens.fresh(loginId, 'access-token')).token.expose(), 'access-1')
    await clock.advance(1_500)
    assert.equal((await tokens.fresh(loginId, 'access-token')).token.expose(), 'access-2')
    assertOnce(stage, 1)
  })

  test('is presented anew in each generation, many times in a row', async () => {
    const stage = setRefreshStage()
    const replicas = [stage.replica(), stage.replica()] as const
    const loginId = await stage.signIn()
    for (let generation = 2; generation < 40; generation++) {
      await stage.clock.advance(ENDED_MS)
      const asked = replicas.map(({ tokens }) => ask(tokens, loginId))
      await stage.clock.advance(50)
      assert.deepEqual(new Set(asked.map(({ end }) => end)), new Set([`access-${generation}`]))
      // Idle logins end; somebody uses this one.
      await replicas[0].records.touch(loginId, stage.clock.now() + 3_600_000)
    }
    assertOnce(stage, 38)
  })
})

describe('a refresh', () => {
  test('that a logout overtakes brings nothing back', async () => {
    const stage = setRefreshStage()
    const { clock, issuer } = stage
    const replica = stage.replica()
    const loginId = await stage.signIn()
    await clock.advance(ENDED_MS)
    issuer.slowness = 1_000
    const asked = ask(replica.tokens, loginId)
    await clock.advance(100)
    await replica.records.remove(loginId)
    await clock.advance(2_000)
    assert.equal(asked.end, 'login_ended')
    assert.equal(await replica.records.record(loginId), undefined)
    assert.equal(await replica.records.tokens(loginId), undefined)
  })

  test('of a login that is not there is login_ended', async () => {
    const stage = setRefreshStage()
    const replica = stage.replica()
    assert.equal(await answerOf(stage, replica, 'nobody'), 'login_ended')
    await assert.rejects(replica.refreshing.beyond('nobody', 1), { code: 'login_ended' })
  })

  test('never lengthens a login beyond its absolute end', async () => {
    const stage = setRefreshStage()
    const { clock } = stage
    const replica = stage.replica()
    const loginId = await stage.signIn()
    const endsAt = (await replica.records.record(loginId))?.value.endsAt ?? 0
    while (clock.now() + 2 * TOKEN_LIFE_MS < endsAt) {
      await clock.advance(TOKEN_LIFE_MS)
      assert.match((await answerOf(stage, replica, loginId)) ?? '', /^access-/)
    }
    await clock.advance(endsAt - clock.now() + 1)
    assert.equal(await replica.records.record(loginId), undefined)
    assert.equal(await replica.records.tokens(loginId), undefined)
  })

  test('waits for nobody for longer than a lease, even when the clock was set back by an hour', async () => {
    const stage = setRefreshStage()
    const { clock, issuer } = stage
    const [killed, other] = [stage.replica(), stage.replica()]
    const loginId = await stage.signIn()
    await clock.advance(ENDED_MS)
    issuer.mood = 'hangs'
    ask(killed.tokens, loginId)
    await clock.advance(10)
    killed.die()
    clock.jump(-100_000)
    const waiter = renewal(other, loginId, 1)
    await clock.advance(LEASE_MS + 100)
    assert.equal(waiter.end, 'access-1')
    assert.equal(await stateOf(other, loginId), 'unknown')
  })

  test('leaves no timer and no listener behind', async () => {
    const stage = setRefreshStage()
    const { clock, issuer } = stage
    const replicas = [stage.replica(), stage.replica()] as const
    const loginId = await stage.signIn()
    await clock.advance(ENDED_MS)
    issuer.slowness = 500
    let listening = 0
    for (const replica of replicas) {
      const { listen } = replica.records
      Object.assign(replica.records, {
        listen: (...args: Parameters<typeof listen>) => {
          listening += 1
          const unlisten = listen(...args)
          return () => {
            listening -= 1
            unlisten()
          }
        },
      })
    }
    const asked = replicas.map(({ tokens }) => ask(tokens, loginId))
    await clock.advance(100)
    assert.equal(listening, 1)
    await clock.advance(1_000)
    assert.deepEqual(
      asked.map(({ end }) => end),
      ['access-2', 'access-2'],
    )
    assert.equal(listening, 0)
    assert.equal(clock.pending, 0)
  })
})

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { StoreUnavailable } from '../store/store.ts'
import { setLoginStage } from './logins.fake.ts'
import { ABSOLUTE_MS, IDLE_MS } from './refresh.fake.ts'

const MINUTE_MS = 60_000

/** Counts how often a signal fires. */
function firings(signal: AbortSignal): { readonly count: number } {
  const seen = { count: 0 }
  signal.addEventListener('abort', () => (seen.count += 1))
  return seen
}

describe('a login', () => {
  test('has a new id each time, of 256 random bits, and only its digest is known here', async (t) => {
    const stage = setLoginStage(t)
    const { logins } = await stage.replica()
    const made = await Promise.all(Array.from({ length: 20 }, () => logins.begin(stage.signedIn())))
    assert.equal(new Set(made.map(({ cookie }) => cookie.expose())).size, 20)
    for (const { cookie, login } of made) {
      assert.match(cookie.expose(), /^[A-Za-z0-9_-]{43}$/)
      assert.equal(login.loginId, cookie.digest())
      assert.equal(JSON.stringify(login).includes(cookie.expose()), false)
    }
    assert.equal(await logins.active(), 20)
  })

  test('is found on every replica, with what the issuer said of the person', async (t) => {
    const stage = setLoginStage(t)
    const [a, b] = [await stage.replica(), await stage.replica()]
    const { login } = await a.logins.begin(stage.signedIn('alice', 'sid-1'))
    const found = await b.logins.find(login.loginId)
    const { ended: _here, ...here } = login
    const { ended: _there, ...there } = found ?? assert.fail('not found')
    assert.deepEqual(there, here)
  })

  test('that never was is not found', async (t) => {
    const { logins } = await setLoginStage(t).replica()
    assert.equal(await logins.find('x'.repeat(43)), undefined)
  })

  test('is read once by many who ask at the same time', async (t) => {
    const stage = setLoginStage(t)
    const [a, b] = [await stage.replica(), await stage.replica()]
    const { login } = await a.logins.begin(stage.signedIn())
    let reads = 0
    const { record } = b.records
    Object.assign(b.records, {
      record: (loginId: string) => {
        reads += 1
        return record(loginId)
      },
    })
    const found = await Promise.all(Array.from({ length: 50 }, () => b.logins.find(login.loginId)))
    assert.equal(reads, 1)
    assert.equal(new Set(found.map((one) => one?.ended)).size, 1)
  })
})

describe('an idle login', () => {
  test('ends after 30 minutes without use', async (t) => {
    const stage = setLoginStage(t, { calm: true })
    const [a, b] = [await stage.replica(), await stage.replica()]
    const { login } = await a.logins.begin(stage.signedIn())
    await stage.clock.advance(IDLE_MS - MINUTE_MS)
    assert.notEqual(await a.logins.find(login.loginId), undefined)
    await stage.clock.advance(IDLE_MS)
    for (const { logins } of [a, b]) assert.equal(await logins.find(login.loginId), undefined)
    assert.equal(login.ended.aborted, true)
    assert.equal(await a.logins.active(), 0)
  })

  test('is lengthened by use on any replica, and the others learn of it', async (t) => {
    const stage = setLoginStage(t, { calm: true })
    const [a, b] = [await stage.replica(), await stage.replica()]
    const { login } = await a.logins.begin(stage.signedIn())
    for (let minutes = 0; minutes < 3 * 60; minutes += 10) {
      await stage.clock.advance(10 * MINUTE_MS)
      assert.notEqual(await b.logins.find(login.loginId), undefined, `after ${minutes} minutes`)
    }
    // To its own knowledge this replica's entry is long idle.
    assert.notEqual(await a.logins.find(login.loginId), undefined)
    assert.equal(login.ended.aborted, false)
    assert.equal(await a.logins.active(), 1)
  })

  test('is touched once a minute and not at every request', async (t) => {
    const stage = setLoginStage(t, { calm: true })
    const { logins, records } = await stage.replica()
    const { login } = await logins.begin(stage.signedIn())
    let touches = 0
    const { touch } = records
    Object.assign(records, {
      touch: (...args: Parameters<typeof touch>) => {
        touches += 1
        return touch(...args)
      },
    })
    for (let second = 0; second < 600; second++) {
      await stage.clock.advance(1_000)
      await logins.find(login.loginId)
    }
    assert.ok(touches >= 9 && touches <= 10, `${touches}`)
  })

  test('keeps its tokens for as long as its record, although only one of them is written', async (t) => {
    const stage = setLoginStage(t, { calm: true })
    const { logins, records } = await stage.replica()
    const { login } = await logins.begin(stage.signedIn())
    await stage.clock.advance(IDLE_MS / 2)
    const found = (await records.record(login.loginId)) ?? assert.fail()
    await records.replace(login.loginId, found.value, found.version)
    await stage.clock.advance(IDLE_MS / 2 + 1)
    // The tokens have ended, so half a login is left: that is none.
    assert.equal(await logins.find(login.loginId), undefined)
  })
})

describe('a login in use', () => {
  test('ends after 8 hours all the same, streams included', async (t) => {
    const stage = setLoginStage(t, { calm: true })
    const { clock } = stage
    const { logins } = await stage.replica()
    const { login } = await logins.begin(stage.signedIn())
    const fired = firings(login.ended)
    for (const end = clock.now() + ABSOLUTE_MS - 1; clock.now() < end; ) {
      await clock.advance(Math.min(5 * MINUTE_MS, end - clock.now()))
      assert.notEqual(await logins.find(login.loginId), undefined)
    }
    assert.equal(fired.count, 0)
    await clock.advance(1)
    assert.equal(fired.count, 1)
    assert.equal(await logins.find(login.loginId), undefined)
  })

  test('ends at its absolute end although the clock was set forward', async (t) => {
    const stage = setLoginStage(t)
    const { logins } = await stage.replica()
    const { login } = await logins.begin(stage.signedIn())
    stage.clock.jump(ABSOLUTE_MS)
    await stage.clock.advance(600)
    assert.equal(await logins.find(login.loginId), undefined)
    assert.equal(login.ended.aborted, true)
  })

  test('lives for months where it may, although no timer can', async (t) => {
    const stage = setLoginStage(t, { calm: true })
    const { logins } = await stage.replica({ absoluteMs: 60 * 24 * 3_600_000 })
    const { after } = stage.clock
    // As the machine's timers: at most 2^31-1 ms.
    Object.assign(stage.clock, { after: (ms: number, task: () => void) => after(Math.min(ms, 0x7fffffff), task) })
    const { login } = await logins.begin(stage.signedIn())
    await stage.clock.advance(26 * 24 * 3_600_000)
    assert.equal(login.ended.aborted, false)
  })

  test('shows what a refresh on another replica brought, and keeps its signal', async (t) => {
    const stage = setLoginStage(t)
    const [a, b] = [await stage.replica(), await stage.replica()]
    const { login } = await a.logins.begin(stage.signedIn())
    const found = (await b.records.record(login.loginId)) ?? assert.fail()
    const principal = { ...found.value.principal, groups: ['new'] }
    await b.records.replace(login.loginId, { ...found.value, principal }, found.version)
    await stage.clock.advance(MINUTE_MS)
    await a.logins.find(login.loginId)
    await stage.clock.advance(10)
    const after = await a.logins.find(login.loginId)
    assert.deepEqual(after?.principal.groups, ['new'])
    assert.equal(after?.ended, login.ended)
  })
})

describe('an end', () => {
  test('by logout reaches every replica within 2 s, cached or not, and fires every signal once', async (t) => {
    const stage = setLoginStage(t)
    const [a, b, c] = [await stage.replica(), await stage.replica(), await stage.replica()]
    const { login } = await a.logins.begin(stage.signedIn())
    const there = (await b.logins.find(login.loginId)) ?? assert.fail()
    const fired = [firings(login.ended), firings(there.ended)]
    await a.logins.end(login.loginId)
    await a.logins.end(login.loginId)
    assert.equal(await a.logins.find(login.loginId), undefined)
    await stage.clock.advance(2_000)
    for (const { logins } of [b, c]) assert.equal(await logins.find(login.loginId), undefined)
    assert.deepEqual(
      fired.map(({ count }) => count),
      [1, 1],
    )
    await stage.clock.advance(5 * MINUTE_MS)
    assert.deepEqual(
      fired.map(({ count }) => count),
      [1, 1],
    )
  })

  test('by session or principal takes the upstream tokens out of the store', async (t) => {
    const stage = setLoginStage(t)
    const { clock } = stage
    const [a, b] = [await stage.replica(), await stage.replica()]
    const ours = await a.logins.begin(stage.signedIn('alice', 'sid-1'))
    const others = await a.logins.begin(stage.signedIn('alice', 'sid-2'))
    const bobs = await a.logins.begin(stage.signedIn('bob', 'sid-3'))
    const { issuer } = ours.login.principal
    await b.revocations.revoke({ kind: 'session', issuer, sid: 'sid-1' })
    await clock.advance(2_000)
    assert.equal(await b.records.tokens(ours.login.loginId), undefined)
    assert.notEqual(await b.logins.find(others.login.loginId), undefined)
    await b.revocations.revoke({ kind: 'principal', issuer, subject: 'alice', notBefore: clock.now() })
    await clock.advance(2_000)
    assert.equal(await b.records.tokens(others.login.loginId), undefined)
    assert.equal(await a.logins.find(others.login.loginId), undefined)
    assert.notEqual(await a.logins.find(bobs.login.loginId), undefined)
    assert.equal(await a.logins.active(), 1)
  })

  test('of everything up to now lets the person sign in again a moment later, and not at the same moment', async (t) => {
    const stage = setLoginStage(t)
    const { logins, revocations } = await stage.replica()
    const { issuer } = stage.signedIn().principal
    await revocations.revoke({ kind: 'principal', issuer, subject: 'alice', notBefore: stage.clock.now() })
    await assert.rejects(logins.begin(stage.signedIn()), { code: 'login_ended' })
    assert.equal(await logins.active(), 0)
    await stage.clock.advance(1)
    await logins.begin(stage.signedIn())
  })

  test('that the log has holds, although the store fails to remove the record', async (t) => {
    const stage = setLoginStage(t)
    const [a, b] = [await stage.replica(), await stage.replica()]
    const { login } = await a.logins.begin(stage.signedIn())
    Object.assign(a.records, { remove: () => Promise.reject(new StoreUnavailable('the test ordered it')) })
    await a.logins.end(login.loginId)
    await stage.clock.advance(2_000)
    for (const { logins } of [a, b]) assert.equal(await logins.find(login.loginId), undefined)
  })

  test('that does not reach the log is an error, and the login lives on', async (t) => {
    const stage = setLoginStage(t)
    const a = await stage.replica()
    const { login } = await a.logins.begin(stage.signedIn())
    a.down()
    await assert.rejects(a.logins.end(login.loginId), StoreUnavailable)
    a.up()
    await stage.clock.advance(1_000)
    assert.notEqual(await a.logins.find(login.loginId), undefined)
  })
})

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { StoreUnavailable } from '../store/store.ts'
import { STREAMS_MS, setLoginStage } from './logins.fake.ts'

const MINUTE_MS = 60_000

/** Counts how often a signal fires. */
function firings(signal: AbortSignal): { readonly count: number } {
  const seen = { count: 0 }
  signal.addEventListener('abort', () => (seen.count += 1))
  return seen
}

describe('a replica without sight of the revocations', () => {
  test('believes no cached login after 2 s, keeps its streams for 30 s, and finds it again', async (t) => {
    const stage = setLoginStage(t)
    const { clock } = stage
    const a = await stage.replica()
    const { login } = await a.logins.begin(stage.signedIn())
    const fired = firings(login.ended)
    a.down()
    await clock.advance(2_100)
    await assert.rejects(a.logins.find(login.loginId), StoreUnavailable)
    await clock.advance(20_000)
    assert.equal(fired.count, 0)
    await clock.advance(10_000)
    assert.equal(fired.count, 1)
    a.up()
    await clock.advance(1_000)
    const again = await a.logins.find(login.loginId)
    assert.equal(again?.ended.aborted, false)
    assert.notEqual(await a.records.tokens(login.loginId), undefined)
  })

  test('that loses sight while it reads a login does not believe what it read', async (t) => {
    const stage = setLoginStage(t)
    const { clock } = stage
    const [a, b] = [await stage.replica(), await stage.replica()]
    const { login } = await a.logins.begin(stage.signedIn())
    const { record } = b.records
    const slow = Promise.withResolvers<void>()
    Object.assign(b.records, { record: (loginId: string) => slow.promise.then(() => record(loginId)), touch: async () => true })
    const finding = b.logins.find(login.loginId)
    finding.catch(() => undefined)
    b.down()
    await clock.advance(2_100)
    Object.assign(b.records, { record: () => a.records.record(login.loginId) })
    slow.resolve()
    await assert.rejects(finding, StoreUnavailable)
  })

  test('a store that is away is never read as "no such login"', async (t) => {
    const stage = setLoginStage(t)
    const [a, b] = [await stage.replica(), await stage.replica()]
    const { login } = await a.logins.begin(stage.signedIn())
    b.down()
    await assert.rejects(b.logins.find(login.loginId), StoreUnavailable)
    await assert.rejects(b.logins.begin(stage.signedIn()), StoreUnavailable)
    await assert.rejects(b.logins.active(), StoreUnavailable)
    b.up()
    assert.notEqual(await b.logins.find(login.loginId), undefined)
  })

  test('keeps a cached login through an outage that is shorter than its sight', async (t) => {
    const stage = setLoginStage(t)
    const a = await stage.replica()
    const { login } = await a.logins.begin(stage.signedIn())
    await stage.clock.advance(MINUTE_MS)
    a.down()
    await stage.clock.advance(500)
    // Its touch fails now; the login does not.
    assert.notEqual(await a.logins.find(login.loginId), undefined)
    await stage.clock.advance(500)
    a.up()
    await stage.clock.advance(500)
    assert.notEqual(await a.logins.find(login.loginId), undefined)
    assert.equal(login.ended.aborted, false)
  })
})

describe('memory', () => {
  test('is bounded: the login used longest ago makes room, and its streams stay revocable', async (t) => {
    const stage = setLoginStage(t)
    const { clock } = stage
    const a = await stage.replica({ most: 10 })
    const first = await a.logins.begin(stage.signedIn('first'))
    const fired = firings(first.login.ended)
    for (let at = 0; at < 20; at++) await a.logins.begin(stage.signedIn(`other-${at}`))
    assert.equal(fired.count, 0)
    // It is read again, by the same signal.
    assert.equal((await a.logins.find(first.login.loginId))?.ended, first.login.ended)
    for (let at = 0; at < 20; at++) await a.logins.begin(stage.signedIn(`more-${at}`))
    await a.logins.end(first.login.loginId)
    assert.equal(fired.count, 1)
    await clock.advance(1_000)
  })

  test('holds one watch for a login, however often it is forgotten and read again', async (t) => {
    const stage = setLoginStage(t, { calm: true })
    const { clock } = stage
    const a = await stage.replica({ most: 1 })
    let watching = 0
    const { watch } = a.revocations
    Object.assign(a.revocations, {
      watch: (...args: Parameters<typeof watch>) => {
        watching += 1
        const unwatch = watch(...args)
        return () => {
          watching -= 1
          unwatch()
        }
      },
    })
    const [one, two] = [await a.logins.begin(stage.signedIn('one')), await a.logins.begin(stage.signedIn('two'))]
    const timers = clock.pending
    for (let at = 0; at < 100; at++) {
      await a.logins.find(one.login.loginId)
      await a.logins.find(two.login.loginId)
    }
    assert.equal(watching, 2)
    assert.ok(clock.pending <= timers + 2, `${clock.pending} timers`)
    // Forgotten for longer than any stream lasts: nothing is left of it.
    await clock.advance(STREAMS_MS + 1)
    assert.ok(watching <= 1, `${watching} watches`)
  })
})

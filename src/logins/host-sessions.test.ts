import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { createFakeClock } from '../clock.fake.ts'
import { Refusal } from '../errors.ts'
import { createLog } from '../log.ts'
import { Secret } from '../secret.ts'
import { createMemoryStore } from '../store/memory.ts'
import { withOutage } from '../store/outage.fake.ts'
import { silent, testRing } from '../store/revocations.conformance.ts'
import { sealedStore } from '../store/sealed.ts'
import { StoreUnavailable } from '../store/store.ts'
import { createHostSessions, type HostSessionsOptions } from './host-sessions.ts'

const APP = 'https://app.example'
const OTHER = 'https://other.example'
const browser = new Secret('the binding of this browser')
const signIn = { origin: APP, browser: browser.digest(), loginId: 'login-1', returnTo: '/page?x=1' }

function setStage() {
  const clock = createFakeClock()
  const memory = createMemoryStore(clock)
  const ring = testRing()
  const replica = (options: Partial<HostSessionsOptions> = {}) => {
    const outage = withOutage(memory.another())
    const sealed = sealedStore(outage.store, ring)
    return { ...outage, sealed, ...createHostSessions({ sealed, clock, log: silent, ...options }) }
  }
  return { clock, memory, replica }
}

const unknown = (taking: Promise<unknown>) =>
  assert.rejects(taking, (error) => error instanceof Refusal && error.code === 'session_code_unknown')

describe('a code is refused', () => {
  test('the second time, on whichever replica', async () => {
    const { replica } = setStage()
    const [one, other] = [replica(), replica()]
    const code = await one.mint(signIn)
    assert.deepEqual(await other.take(code, APP, browser), signIn)
    await unknown(one.take(code, APP, browser))
    await unknown(other.take(code, APP, browser))
  })

  test('when several take it at once, all but once', async () => {
    const { replica } = setStage()
    const sessions = replica()
    const code = await sessions.mint(signIn)
    const taken = await Promise.allSettled(Array.from({ length: 10 }, () => sessions.take(code, APP, browser)))
    assert.equal(taken.filter(({ status }) => status === 'fulfilled').length, 1)
  })

  for (const [what, origin, shown] of [
    ['on another host', OTHER, browser],
    ['on another port of its host', `${APP}:8443`, browser],
    ['on its host over http', 'http://app.example', browser],
    ['in another browser', APP, new Secret('another')],
    ['with the digest that stood in the address bar', APP, new Secret(browser.digest())],
    ['in a browser without a binding', APP, undefined],
  ] as const) {
    test(`${what}, and is used up by that`, async () => {
      const { replica } = setStage()
      const sessions = replica()
      const code = await sessions.mint(signIn)
      await unknown(sessions.take(code, origin, shown))
      await unknown(sessions.take(code, APP, browser))
    })
  }

  test('after 30 s by our clock, whatever the store says', async () => {
    const { clock, replica, memory } = setStage()
    // A store that never forgets.
    const forgetful = memory.another()
    const lasting = sealedStore(
      { ...forgetful, put: (key, value, options) => forgetful.put(key, value, { ...options, ttlMs: 3_600_000 }) },
      testRing(),
    )
    const sessions = replica({ sealed: lasting })
    const [young, old] = [await sessions.mint(signIn), await sessions.mint(signIn)]
    await clock.advance(30_000)
    assert.equal((await sessions.take(young, APP, browser)).loginId, 'login-1')
    await clock.advance(1)
    await unknown(sessions.take(old, APP, browser))
  })

  test('that was never made, the empty one too', async () => {
    const { replica } = setStage()
    for (const code of ['', 'x'.repeat(43)]) await unknown(replica().take(new Secret(code), APP, browser))
  })
})

describe('a host session', () => {
  const ENDS_IN_MS = 3_600_000

  test('is found on its host alone, on every replica', async () => {
    const { clock, replica } = setStage()
    const [one, other] = [replica(), replica()]
    const cookie = await one.begin('login-1', APP, clock.now() + ENDS_IN_MS)
    for (const sessions of [one, other]) {
      assert.equal(await sessions.find(cookie.digest(), APP), 'login-1')
      for (const origin of [OTHER, `${APP}:8443`, 'http://app.example', ''])
        assert.equal(await sessions.find(cookie.digest(), origin), undefined)
    }
  })

  test('is nobody under a digest that was never made, and under the value itself', async () => {
    const { clock, replica } = setStage()
    const sessions = replica()
    const cookie = await sessions.begin('login-1', APP, clock.now() + ENDS_IN_MS)
    for (const digest of ['', 'constructor', cookie.expose(), 'login-1']) assert.equal(await sessions.find(digest, APP), undefined)
  })

  test('ends with the login, where it is remembered and where it is not', async () => {
    const { clock, replica } = setStage()
    const [one, other] = [replica(), replica()]
    const cookie = await one.begin('login-1', APP, clock.now() + ENDS_IN_MS)
    await clock.advance(ENDS_IN_MS - 1)
    assert.equal(await one.find(cookie.digest(), APP), 'login-1')
    await clock.advance(1)
    assert.equal(await one.find(cookie.digest(), APP), undefined)
    assert.equal(await other.find(cookie.digest(), APP), undefined)
  })

  test('that cannot be looked up is a throw, never "nobody"', async () => {
    const { clock, replica } = setStage()
    const [one, other] = [replica(), replica()]
    const cookie = await one.begin('login-1', APP, clock.now() + ENDS_IN_MS)
    other.down()
    await assert.rejects(other.find(cookie.digest(), APP), StoreUnavailable)
    other.up()
    assert.equal(await other.find(cookie.digest(), APP), 'login-1')
  })

  test('sealed under a key that was taken away is nobody, and the operator is told', async () => {
    const { clock, replica, memory } = setStage()
    const cookie = await replica().begin('login-1', APP, clock.now() + ENDS_IN_MS)
    const lines: string[] = []
    const log = createLog((line) => void lines.push(line))
    const stranger = replica({ sealed: sealedStore(memory.another(), testRing()), log })
    assert.equal(await stranger.find(cookie.digest(), APP), undefined)
    assert.match(lines.join(''), /host-session/)
  })

  test('beyond the number kept in memory is read again', async () => {
    const { clock, replica } = setStage()
    const sessions = replica({ most: 2 })
    const cookies = await Promise.all(Array.from({ length: 5 }, (_, at) => sessions.begin(`login-${at}`, APP, clock.now() + ENDS_IN_MS)))
    sessions.down()
    await assert.rejects(sessions.find(cookies[0]?.digest() ?? '', APP), StoreUnavailable)
    assert.equal(await sessions.find(cookies[4]?.digest() ?? '', APP), 'login-4')
    sessions.up()
    for (const [at, cookie] of cookies.entries()) assert.equal(await sessions.find(cookie.digest(), APP), `login-${at}`)
  })

  test('leaves nothing in the store that works by itself', async () => {
    const { clock, memory, replica } = setStage()
    const written: string[] = []
    const inner = memory.another()
    const watching = sealedStore(
      {
        ...inner,
        put(key, value, options) {
          written.push(key, Buffer.from(value).toString('latin1'))
          return inner.put(key, value, options)
        },
      },
      testRing(),
    )
    const sessions = replica({ sealed: watching })
    const secrets = [await sessions.mint(signIn), await sessions.begin('login-1', APP, clock.now() + ENDS_IN_MS)]
    assert.equal(written.length, 4)
    for (const secret of [...secrets.map((each) => each.expose()), 'login-1', APP]) assert.ok(!written.join('\n').includes(secret))
  })
})

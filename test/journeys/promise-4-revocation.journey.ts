/** Promise 4: what ends a login or a token takes effect on every replica within 2 s, open streams included. */
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Browser } from '../fakes/browser.ts'
import { findForm } from '../fakes/html-form.ts'
import { eventually } from '../fakes/raw-http.ts'
import { bearerOf, codeOf, cookieOf } from './asks.ts'
import { type Stage, setStage } from './stage.ts'
import { CLIENT, type StartWorld } from './world.ts'

const PODS = '/clusters/named/api/v1/namespaces/team-a/pods'
const BOBS = '/clusters/named/api/v1/namespaces/team-b/pods'
/** The promise's 2 s, at three times their value. */
const BOUND_MS = 6_000

interface Watch {
  /** Resolves with the time at which the stream ended. */
  readonly ended: Promise<number>
}

/** Opens a watch at one replica; resolves once it runs. */
async function openWatch(origin: string, headers: Record<string, string>, path = PODS): Promise<Watch> {
  const answer = await fetch(`${origin}${path}?watch=true`, { headers })
  assert.equal(answer.status, 200)
  const drain = async () => {
    for await (const _ of answer.body ?? []);
    return performance.now()
  }
  return { ended: drain().catch(() => performance.now()) }
}

async function within(ended: Promise<unknown>, ms: number, what: string): Promise<void> {
  const timer = new AbortController()
  await Promise.race([ended, sleep(ms, undefined, { signal: timer.signal }).then(() => assert.fail(`${what} within ${ms} ms`))])
  timer.abort()
}

async function signOut(browser: Browser, stage: Stage, everywhere = false): Promise<void> {
  const page = await browser.get(`${stage.origin}/logout`)
  const { hidden } = findForm(page.body, page.url) ?? {}
  const answer = await browser.post(
    `${stage.origin}/logout`,
    { ...hidden, ...(everywhere ? { everywhere: 'yes' } : {}) },
    { origin: stage.origin },
  )
  assert.equal(answer.status, 200, answer.body)
}

/** Runs the journey on a world. */
export function promise4(name: string, start: StartWorld): void {
  suite(`promise 4: revocation reaches every replica, ${name}`, () => {
    test('a logout at one replica ends the cached login and the open watch at the other', async (t) => {
      const stage = await setStage(t, start, { replicas: 2 })
      const [, other = ''] = stage.origins
      const alice = await stage.browser('alice')
      const headers = { cookie: cookieOf(alice, stage) }
      const watch = await openWatch(other, headers)
      assert.equal((await fetch(`${other}${PODS}`, { headers })).status, 200)
      await signOut(alice, stage)
      await within(watch.ended, BOUND_MS, 'the watch ends')
      const refused = await fetch(`${other}${PODS}`, { headers })
      assert.equal(refused.status, 401)
      assert.equal(codeOf({ body: await refused.text() }), 'login_ended')
    })

    test('signing out everywhere ends the other browsers and the bearers of before, and of nobody else', async (t) => {
      const stage = await setStage(t, start, { replicas: 2 })
      const [, other = ''] = stage.origins
      const [one, two, bob] = await Promise.all([stage.browser('alice'), stage.browser('alice'), stage.browser('bob')])
      const bearer = { authorization: bearerOf(stage, 'alice') }
      const cookie = { cookie: cookieOf(two, stage) }
      const watches = await Promise.all([openWatch(other, bearer), openWatch(other, cookie)])
      await signOut(one, stage, true)
      for (const watch of watches) await within(watch.ended, BOUND_MS, 'a watch ends')
      assert.equal((await fetch(`${other}${PODS}`, { headers: cookie })).status, 401)
      const refused = await fetch(`${other}${PODS}`, { headers: bearer })
      assert.equal(codeOf({ body: await refused.text() }), 'token_revoked')
      assert.equal((await bob.get(`${stage.origin}/clusters/named/api/v1/namespaces/team-b/pods`)).status, 200)
      // An issuer's clock may be ahead by half a minute, so only a token that is younger by as much is surely a new one.
      const young = () => stage.world.issuer.mintAccessToken('alice', { claims: { iat: Math.floor(Date.now() / 1000) + 29 } })
      await eventually(
        () => fetch(`${other}${PODS}`, { headers: { authorization: `Bearer ${young()}` } }),
        ({ status }) => status === 200,
        BOUND_MS,
      )
      assert.equal((await (await stage.browser('alice')).get(`${stage.origin}${PODS}`)).status, 200)
    })

    test("the issuer's back channel ends the login, and its logout token works once", async (t) => {
      const stage = await setStage(t, start, { replicas: 2 })
      const [, other = ''] = stage.origins
      const alice = await stage.browser('alice')
      const headers = { cookie: cookieOf(alice, stage) }
      const watch = await openWatch(other, headers)
      const deliveries = await stage.world.issuer.endSession('alice')
      assert.deepEqual(
        deliveries.map(({ status }) => status),
        [200],
      )
      await within(watch.ended, BOUND_MS, 'the watch ends')
      assert.equal((await fetch(`${other}${PODS}`, { headers })).status, 401)

      const logoutToken = stage.world.issuer.mintLogoutToken('alice', CLIENT)
      const send = () =>
        fetch(`${stage.origin}/back-channel-logout/corp`, { method: 'POST', body: new URLSearchParams({ logout_token: logoutToken }) })
      assert.equal((await send()).status, 200)
      const again = await send()
      assert.equal(again.status, 400)
      assert.equal(codeOf({ body: await again.text() }), 'logout_token_invalid')
    })

    test('a logout token that names the person alone ends all of their logins, and nobody else', async (t) => {
      const stage = await setStage(t, start, { replicas: 2 })
      const [, other = ''] = stage.origins
      const [one, two, bob] = await Promise.all([stage.browser('alice'), stage.browser('alice'), stage.browser('bob')])
      const headers = [one, two, bob].map((browser) => ({ cookie: cookieOf(browser, stage) }))
      const [first, second, bobs] = await Promise.all(
        headers.map((header) => openWatch(other, header, header === headers[2] ? BOBS : PODS)),
      )
      const body = new URLSearchParams({ logout_token: stage.world.issuer.mintLogoutToken('alice', CLIENT) })
      assert.equal((await fetch(`${stage.origin}/back-channel-logout/corp`, { method: 'POST', body })).status, 200)
      for (const watch of [first, second]) await within(watch?.ended ?? assert.fail(), BOUND_MS, 'a watch ends')
      for (const header of headers.slice(0, 2)) assert.equal((await fetch(`${other}${PODS}`, { headers: header })).status, 401)
      assert.equal((await fetch(`${other}${BOBS}`, { headers: headers[2] ?? {} })).status, 200)
      assert.equal(await Promise.race([bobs?.ended, 'goes on']), 'goes on')
    })

    test("an operator's revocation ends a principal at every replica", async (t) => {
      const stage = await setStage(t, start, { replicas: 2 })
      const alice = await stage.browser('alice')
      const headers = { cookie: cookieOf(alice, stage) }
      const watches = await Promise.all(stage.origins.map((origin) => openWatch(origin, headers)))
      await stage.replicas[0]?.revocations.revoke({
        kind: 'principal',
        issuer: stage.world.issuer.issuer,
        subject: 'alice',
        notBefore: Date.now(),
      })
      for (const watch of watches) await within(watch.ended, BOUND_MS, 'a watch ends')
      for (const origin of stage.origins) assert.equal((await fetch(`${origin}${PODS}`, { headers })).status, 401)
    })

    test('a blind replica closes its streams after blindFor, and not before', async (t) => {
      const stage = await setStage(t, start, {
        configure: (config) => {
          config['streams'] = { blindFor: '4s' }
        },
      })
      const alice = await stage.browser('alice')
      const watch = await openWatch(stage.origin, { cookie: cookieOf(alice, stage) })
      const began = performance.now()
      await stage.world.storeDown()
      // Long before that, nothing new is let in by what is remembered; and the cookie is kept.
      const refused = await eventually(
        () => fetch(`${stage.origin}${PODS}`, { headers: { cookie: cookieOf(alice, stage) } }),
        ({ status }) => status !== 200,
        BOUND_MS,
      )
      assert.deepEqual([refused.status, refused.headers.get('set-cookie')], [503, null])
      await within(watch.ended, 12_000, 'the watch ends')
      const lasted = (await watch.ended) - began
      assert.ok(lasted > 2_000, `it ended after ${lasted} ms, as if blindFor were not there`)
      await stage.world.storeUp()
      await eventually(
        () => fetch(`${stage.origin}${PODS}`, { headers: { cookie: cookieOf(alice, stage) } }),
        ({ status }) => status === 200,
        20_000,
      )
    })

    test('a stream is closed at streams.maxAge, and the caller may come again', async (t) => {
      const stage = await setStage(t, start, {
        configure: (config) => {
          config['streams'] = { maxAge: '1s' }
        },
      })
      const headers = { authorization: bearerOf(stage, 'alice') }
      const watch = await openWatch(stage.origin, headers)
      await within(watch.ended, BOUND_MS, 'the watch ends')
      await eventually(
        async () => stage.audit('stream-closed').map(({ cause }) => cause),
        (causes) => causes.includes('max-age'),
        BOUND_MS,
      )
      await openWatch(stage.origin, headers)
    })
  })
}

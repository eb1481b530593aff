/** Signing out: here, everywhere and at the issuer, and by nobody else's hand. */
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { findForm } from '../fakes/html-form.ts'
import { eventually } from '../fakes/raw-http.ts'
import { askRaw, codeOf, cookieOf } from './asks.ts'
import { type Stage, setStage } from './stage.ts'
import type { StartWorld } from './world.ts'

type Browser = Awaited<ReturnType<Stage['browser']>>

const whoami = async (browser: Browser, { origin }: Stage) => {
  const answer = await browser.get(`${origin}/whoami`, { headers: { accept: 'application/json' } })
  return { status: answer.status, ...JSON.parse(answer.body) }
}

/** What the sign-out page would send. */
async function signOutForm(browser: Browser, { origin }: Stage): Promise<Readonly<Record<string, string>>> {
  const page = await browser.get(`${origin}/logout`)
  const form = findForm(page.body, page.url)
  assert.ok(form?.hidden['token'], page.body)
  return form.hidden
}

/** Runs the journey on a world. */
export function signOut(name: string, start: StartWorld): void {
  suite(`sign-out, ${name}`, () => {
    test('signing out takes a form of ours, from our origin; asking by GET only asks', async (t) => {
      const stage = await setStage(t, start)
      const alice = await stage.browser('alice')
      const form = await signOutForm(alice, stage)
      const bobs = await signOutForm(await stage.browser('bob'), stage)
      const ours = { origin: stage.origin }
      for (const [fields, headers, code] of [
        [form, {}, 'origin_refused'],
        [form, { origin: 'null' }, 'origin_refused'],
        [form, { origin: 'https://evil.example' }, 'origin_refused'],
        [form, { 'sec-fetch-site': 'cross-site' }, 'origin_refused'],
        [{}, ours, 'csrf_refused'],
        [{ token: 'x' }, ours, 'csrf_refused'],
        [bobs, ours, 'csrf_refused'],
        [form, { ...ours, 'content-type': 'text/plain' }, 'csrf_refused'],
      ] as ReadonlyArray<readonly [Record<string, string>, Record<string, string>, string]>) {
        const answer = await alice.post(`${stage.origin}/logout`, fields, headers)
        assert.deepEqual([answer.status, codeOf(answer), answer.headers['set-cookie']], [403, code, undefined])
      }
      assert.equal((await whoami(alice, stage)).subject, 'alice')
    })

    test('signing out ends the login here and the session at the issuer', async (t) => {
      const stage = await setStage(t, start)
      const alice = await stage.browser('alice')
      const before = cookieOf(alice, stage)
      const page = await alice.post(`${stage.origin}/logout`, await signOutForm(alice, stage), { origin: stage.origin })
      assert.match(page.headers['set-cookie']?.[0] ?? '', /^mandate-\d+=; Max-Age=0;/)
      assert.equal(codeOf(await askRaw(stage, '/whoami', [`Cookie: ${before}`])), 'login_ended')
      const onward = /http-equiv="refresh" content="0; url=([^"]+)"/.exec(page.body)?.[1]?.replaceAll('&amp;', '&') ?? ''
      assert.ok(onward.startsWith(stage.world.issuer.issuer), onward)
      const end = await alice.follow(onward)
      assert.ok(
        end.trail.some((url) => url === `${stage.origin}/logout`),
        `${end.trail}`,
      )
      // The issuer knows this browser no more: it asks again.
      const again = await alice.follow(`${stage.origin}/login`)
      assert.ok(again.url.startsWith(stage.world.issuer.issuer))
      assert.ok(stage.audit('logout').some(({ cause, subject }) => cause === 'person' && subject === 'alice'))
    })

    test('signing out everywhere ends the other browser and the tokens from before as well', async (t) => {
      const stage = await setStage(t, start)
      const [one, two, bob] = [await stage.browser('alice'), await stage.browser('alice'), await stage.browser('bob')]
      const bearer = `Authorization: Bearer ${stage.world.issuer.mintAccessToken('alice')}`
      assert.equal((await askRaw(stage, '/whoami', [bearer])).status, 200)
      // A token issued within the same second as the sign-out counts as from before it.
      await one.post(`${stage.origin}/logout`, { ...(await signOutForm(one, stage)), everywhere: 'yes' }, { origin: stage.origin })
      await eventually(
        async () => (await whoami(two, stage)).status,
        (status) => status === 401,
        6_000,
      )
      await eventually(
        async () => (await askRaw(stage, '/whoami', [bearer])).status,
        (status) => status === 401,
        6_000,
      )
      assert.equal((await whoami(bob, stage)).subject, 'bob')
    })

    test('a logout token of the issuer works once, and a foreign one not at all', async (t) => {
      const stage = await setStage(t, start)
      const alice = await stage.browser('alice')
      const browser = await stage.browser()
      const at = `${stage.origin}/back-channel-logout/corp`
      for (const [token, status] of [
        ['', 400],
        ['x.y.z', 400],
        [stage.world.issuer.mintIdToken('alice', 'mandate'), 400],
        [stage.world.issuer.mintLogoutToken('alice', 'another-client'), 400],
      ] as const) {
        assert.equal((await browser.post(at, { logout_token: token })).status, status)
      }
      assert.equal((await whoami(alice, stage)).status, 200)
      const token = stage.world.issuer.mintLogoutToken('alice', 'mandate')
      assert.equal((await browser.post(at, { logout_token: token })).status, 200)
      await eventually(
        async () => (await whoami(alice, stage)).status,
        (status) => status === 401,
        6_000,
      )
      const replay = await browser.post(at, { logout_token: token })
      assert.deepEqual([replay.status, codeOf(replay)], [400, 'logout_token_invalid'])
      assert.equal((await browser.get(at)).status, 405)
    })
  })
}

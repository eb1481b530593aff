import assert from 'node:assert/strict'
import { test } from 'node:test'
import { decodeJwt } from 'jose'
import { createBrowser } from '../../../test/fakes/browser.ts'
import { ADA, BOB, signIn, stageIssuer, WEB } from '../../../test/fakes/issuer-stage.ts'
import { authorizationUrl } from '../../../test/fakes/relying-party.ts'

test('somebody who is not a test user cannot be chosen, nor can a form from another site choose', async (t) => {
  const { issuer, browser, party } = await stageIssuer(t)
  const page = await browser.follow(authorizationUrl(issuer.issuer, WEB.clientId, party.redirectUri).url)
  assert.equal((await browser.post(page.url, { user: 'mallory' })).status, 400)
  assert.equal((await browser.post(page.url, { user: 'ada' }, { 'sec-fetch-site': 'cross-site' })).status, 403)
  assert.equal((await createBrowser().post(page.url, { user: 'ada' })).status, 400)
})

test('the sign-in page shows each user and group and runs nothing', async (t) => {
  const { issuer, browser, party } = await stageIssuer(t, {
    users: [ADA, { ...BOB, groups: ['<script>alert(1)</script>'] }],
  })
  const page = await browser.follow(authorizationUrl(issuer.issuer, WEB.clientId, party.redirectUri).url)
  assert.equal(page.status, 200)
  assert.match(page.body, /value="ada".*platform.*admins/s)
  assert.doesNotMatch(page.body, /<script|onclick|style="/)
  assert.match(String(page.headers['content-security-policy']), /^default-src 'none'; style-src 'sha256-[^']+'; form-action 'self'/)
})

test('a second sign-in in the same browser asks nothing, prompt=login asks again, prompt=none never does', async (t) => {
  const set = await stageIssuer(t)
  const url = (more = {}) => authorizationUrl(set.issuer.issuer, WEB.clientId, set.party.redirectUri, more).url
  const none = await set.browser.follow(url({ prompt: 'none' }))
  assert.equal(new URL(none.url).searchParams.get('error'), 'login_required')
  await signIn(set, ADA)
  assert.ok(new URL((await set.browser.follow(url())).url).searchParams.has('code'))
  assert.ok(new URL((await set.browser.follow(url({ prompt: 'consent', scope: 'openid offline_access' }))).url).searchParams.has('code'))
  assert.match((await set.browser.follow(url({ prompt: 'login' }))).body, /sign in as/)
  assert.equal(decodeJwt((await signIn(set, BOB, { prompt: 'login' })).id_token ?? '').sub, BOB.sub)
})

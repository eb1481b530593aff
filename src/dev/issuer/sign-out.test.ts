import assert from 'node:assert/strict'
import { test } from 'node:test'
import { decodeJwt, jwtVerify } from 'jose'
import { createBrowser } from '../../../test/fakes/browser.ts'
import { ADA, BOB, keysOf, refresh, signIn, stageIssuer } from '../../../test/fakes/issuer-stage.ts'

test('logout with an ID token ends the session, tells the clients and returns', async (t) => {
  const set = await stageIssuer(t)
  const tokens = await signIn(set, ADA)
  const url = new URL('/session/end', set.issuer.issuer)
  url.search = new URLSearchParams({
    id_token_hint: tokens.id_token ?? '',
    post_logout_redirect_uri: set.party.postLogoutRedirectUri,
    state: 'bye',
  }).toString()
  const end = await set.browser.follow(url.href)
  assert.equal(end.url, `${set.party.postLogoutRedirectUri}?state=bye`)
  const [logoutToken = ''] = set.party.logoutTokens
  const { payload } = await jwtVerify(logoutToken, await keysOf(set), { audience: 'web', typ: 'logout+jwt' })
  assert.deepEqual([payload.sub, payload.sid], [ADA.sub, decodeJwt(tokens.id_token ?? '').sid])
  assert.equal((await refresh(set, tokens.refresh_token)).error, 'invalid_grant')
})

test('logout by a bare link asks first', async (t) => {
  const set = await stageIssuer(t)
  const tokens = await signIn(set, ADA)
  const page = await set.browser.follow(`${set.issuer.issuer}/session/end`)
  assert.match(page.body, /Stay signed in/)
  assert.equal((await refresh(set, tokens.refresh_token)).status, 200)
})

test('endSession tells the clients and ends the refresh tokens of that person only', async (t) => {
  const set = await stageIssuer(t)
  const ada = await signIn(set, ADA)
  const bobs = { ...set, browser: createBrowser() }
  const bob = await signIn(bobs, BOB)
  assert.deepEqual(await set.issuer.endSession('ada'), [{ clientId: 'web', status: 200 }])
  assert.deepEqual(
    set.party.logoutTokens.map((token) => decodeJwt(token).sid),
    [decodeJwt(ada.id_token ?? '').sid],
  )
  assert.equal((await refresh(set, ada.refresh_token)).error, 'invalid_grant')
  assert.equal((await refresh(bobs, bob.refresh_token)).status, 200)
})

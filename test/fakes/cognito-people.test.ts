/** The people of the stand-in for Cognito, seen by a browser and by clients that know nothing of Mandate: openid-client and jose. */
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { createRemoteJWKSet, decodeJwt, jwtVerify } from 'jose'
import {
  allowInsecureRequests,
  authorizationCodeGrant,
  buildAuthorizationUrl,
  ClientSecretBasic,
  calculatePKCECodeChallenge,
  discovery,
  fetchUserInfo,
  randomPKCECodeVerifier,
  refreshTokenGrant,
  tokenRevocation,
} from 'openid-client'
import { leftHalf } from '../../src/providers/stage.fake.ts'
import { createBrowser } from './browser.ts'
import { type AppClient, type CognitoUser, startCognito } from './cognito.ts'
import { isSignInPage, signInAtCognito } from './cognito-person.ts'
import { startRelyingParty } from './relying-party.ts'

const ADA: CognitoUser = { username: 'ada', sub: 'e4f8a4b8-0041-70a1-1111-2c3d4e5f6a7b', email: 'ada@corp.example', groups: ['admins'] }
const SCOPES = ['openid', 'email', 'profile']

const stage = async (t: TestContext, changes: Partial<AppClient> = {}) => {
  const party = await startRelyingParty()
  t.after(() => party.close())
  const clock = { now: Date.now() }
  const urls = { callbackUrls: [party.redirectUri], logoutUrls: [party.postLogoutRedirectUri] }
  const pool = await startCognito({
    users: [ADA],
    now: () => clock.now,
    clients: [
      { id: 'web', secret: 'websecret', grant: 'code', scopes: SCOPES, ...urls, ...changes },
      { id: 'spa', grant: 'code', scopes: SCOPES, ...urls },
      { id: 'robot', secret: 'robotsecret', grant: 'client_credentials', scopes: ['api/read'], ...urls },
    ],
  })
  t.after(() => pool.close())
  const as = (id: string, secret: string) =>
    discovery(new URL(pool.issuer), id, secret, ClientSecretBasic(secret), { execute: [allowInsecureRequests] })
  const { redirectUri: callback, postLogoutRedirectUri: signedOut } = party
  return { pool, clock, as, callback, signedOut, config: await as('web', 'websecret'), browser: createBrowser() }
}

type Here = Awaited<ReturnType<typeof stage>>

const verifier = randomPKCECodeVerifier()

async function authorizeUrl({ config, callback }: Here): Promise<URL> {
  return buildAuthorizationUrl(config, {
    redirect_uri: callback,
    scope: 'openid email',
    state: 'a-state',
    nonce: 'a-nonce',
    code_challenge: await calculatePKCECodeChallenge(verifier),
    code_challenge_method: 'S256',
  })
}

/** Signs in, where the pool does not know the browser yet, and comes back with a code. */
async function comeBack(here: Here): Promise<URL> {
  const { url } = await signInAtCognito(here.browser, (await authorizeUrl(here)).href, 'ada')
  assert.ok(url.startsWith(`${here.callback}?`), url)
  return new URL(url)
}

const CHECKS = { expectedState: 'a-state', expectedNonce: 'a-nonce', pkceCodeVerifier: verifier, idTokenExpected: true }
const signIn = async (here: Here) => authorizationCodeGrant(here.config, await comeBack(here), CHECKS)

/** The error word that a grant is refused with. */
const errorOf = (answer: Promise<unknown>) =>
  answer.then(
    () => 'none',
    (error: { error?: string; code?: string }) => error.error ?? error.code,
  )

test('a browser is sent back with an error where the client is known, and nowhere where it is not', async (t) => {
  const here = await stage(t)
  const { pool, browser } = here
  const at = async (change: (query: URLSearchParams) => void) => {
    const url = await authorizeUrl(here)
    change(url.searchParams)
    const { status, headers } = await browser.get(url.href)
    assert.equal(status, 302)
    return new URL(headers.location ?? '', pool.domain)
  }
  for (const [error, change] of [
    ['invalid_request', (query: URLSearchParams) => query.delete('response_type')],
    ['invalid_request', (query: URLSearchParams) => query.set('code_challenge_method', 'plain')],
    ['invalid_request', (query: URLSearchParams) => query.delete('code_challenge_method')],
    ['unauthorized_client', (query: URLSearchParams) => query.set('response_type', 'token')],
    ['invalid_scope', (query: URLSearchParams) => query.set('scope', 'openid offline_access')],
  ] as const) {
    const back = await at(change)
    assert.deepEqual([back.origin + back.pathname, Object.fromEntries(back.searchParams)], [here.callback, { error, state: 'a-state' }])
  }
  for (const change of [
    (query: URLSearchParams) => query.set('redirect_uri', `${here.callback}/`),
    (query: URLSearchParams) => query.delete('redirect_uri'),
    (query: URLSearchParams) => query.set('client_id', 'nobody'),
    (query: URLSearchParams) => query.set('client_id', 'robot'),
  ]) {
    const away = await at(change)
    assert.equal(away.origin + away.pathname, `${pool.domain}/error`)
    assert.equal((await browser.get(away.href)).status, 400)
  }
})

test('the sign-in page takes its own form alone, and the right password', async (t) => {
  const here = await stage(t)
  const { pool, browser } = here
  const page = await browser.follow((await authorizeUrl(here)).href)
  assert.ok(isSignInPage(page))
  assert.equal(new URL(page.url).pathname, '/login')
  assert.equal((await browser.post(page.url, { username: 'ada', password: 'Correct-Horse-7-Battery' })).status, 403)
  assert.ok(isSignInPage(await signInAtCognito(browser, page.url, 'ada', 'wrong')))
  assert.ok(isSignInPage(await signInAtCognito(browser, page.url, 'eve')))
  assert.ok(!browser.cookies(pool.domain).some(({ name }) => name === 'cognito'))
})

test('a code is of use once, for five minutes, to its client, with its redirect URI and its verifier', async (t) => {
  const here = await stage(t)
  const { config, clock, pool } = here
  const used = await comeBack(here)
  assert.equal(await errorOf(authorizationCodeGrant(config, used, CHECKS)), 'none')
  assert.equal(await errorOf(authorizationCodeGrant(config, used, CHECKS)), 'invalid_grant')
  const old = await comeBack(here)
  clock.now += 5 * 60_000
  assert.equal(await errorOf(authorizationCodeGrant(config, old, CHECKS)), 'invalid_grant')
  assert.equal(
    await errorOf(authorizationCodeGrant(config, await comeBack(here), { ...CHECKS, pkceCodeVerifier: randomPKCECodeVerifier() })),
    'invalid_grant',
  )
  const elsewhere = await comeBack(here)
  elsewhere.pathname = '/other'
  assert.equal(await errorOf(authorizationCodeGrant(config, elsewhere, CHECKS)), 'invalid_grant')
  const spa = await discovery(new URL(pool.issuer), 'spa', undefined, undefined, { execute: [allowInsecureRequests] })
  assert.equal(await errorOf(authorizationCodeGrant(spa, await comeBack(here), CHECKS)), 'invalid_grant')
})

test('a sign-in gives an ID token, an access token without an audience, and a refresh token; a refresh only the first two', async (t) => {
  const here = await stage(t)
  const { pool, config } = here
  const callback = await comeBack(here)
  assert.deepEqual([...callback.searchParams.keys()].sort(), ['code', 'state'])
  const first = await authorizationCodeGrant(config, callback, CHECKS)
  assert.deepEqual(Object.keys(first).sort(), ['access_token', 'expires_in', 'id_token', 'refresh_token', 'token_type'])
  assert.equal(first.refresh_token?.split('.').length, 5)
  const keys = createRemoteJWKSet(new URL(`${pool.issuer}/.well-known/jwks.json`))
  const { payload: id } = await jwtVerify(first.id_token ?? '', keys, { issuer: pool.issuer, audience: 'web' })
  const { payload: access } = await jwtVerify(first.access_token, keys, { issuer: pool.issuer })
  assert.deepEqual(
    [id['nonce'], id['at_hash'], id['cognito:groups'], id['token_use']],
    ['a-nonce', leftHalf(first.access_token), ['admins'], 'id'],
  )
  assert.deepEqual(
    [access.aud, access['nonce'], access['scope'], access['client_id'], access['username'], access['origin_jti']],
    [undefined, undefined, 'openid email', 'web', 'ada', id['origin_jti']],
  )
  here.clock.now += 60_000
  const second = await refreshTokenGrant(config, first.refresh_token ?? '')
  assert.deepEqual(Object.keys(second).sort(), ['access_token', 'expires_in', 'id_token', 'token_type'])
  const renewed = decodeJwt(second.id_token ?? '')
  assert.deepEqual(
    [renewed['origin_jti'], renewed['auth_time'], renewed['nonce'], renewed['at_hash']],
    [id['origin_jti'], id['auth_time'], undefined, leftHalf(second.access_token)],
  )
  assert.deepEqual(pool.granted(), [{ grant: 'authorization_code' }, { grant: 'refresh_token' }])
})

test('a client that rotates refresh tokens gives a new one at each refresh, and takes the old one for the grace alone', async (t) => {
  const here = await stage(t, { rotation: { graceSeconds: 10 } })
  const { refresh_token: one = '' } = await signIn(here)
  const { refresh_token: two = '' } = await refreshTokenGrant(here.config, one)
  assert.ok(two !== '' && two !== one)
  assert.equal(await errorOf(refreshTokenGrant(here.config, one)), 'none')
  here.clock.now += 10_000
  assert.equal(await errorOf(refreshTokenGrant(here.config, one)), 'invalid_grant')
  assert.equal(await errorOf(refreshTokenGrant(here.config, two)), 'none')
})

test('a revocation takes refresh tokens of its client alone, ends all tokens of the sign-in, and succeeds for what is none', async (t) => {
  const here = await stage(t)
  const { config, pool, as } = here
  const { access_token: access, refresh_token: refresh = '' } = await signIn(here)
  const userInfo = () => fetchUserInfo(config, access, ADA.sub)
  assert.deepEqual(await userInfo(), { sub: ADA.sub, email_verified: 'true', email: ADA.email, username: 'ada' })
  assert.equal(await errorOf(tokenRevocation(config, access)), 'unsupported_token_type')
  assert.equal(await errorOf(tokenRevocation(await as('web', 'wrong'), refresh)), 'invalid_client')
  assert.equal(await errorOf(tokenRevocation(await as('robot', 'robotsecret'), refresh)), 'none')
  assert.equal(await errorOf(tokenRevocation(config, 'what-is-this')), 'none')
  await userInfo()
  assert.equal(await errorOf(tokenRevocation(config, refresh)), 'none')
  assert.equal(await errorOf(refreshTokenGrant(config, refresh)), 'invalid_grant')
  await assert.rejects(userInfo())
  assert.equal((await fetch(`${pool.domain}/oauth2/userInfo`)).status, 400)
  const without = await stage(t, { revocation: false })
  assert.equal(await errorOf(tokenRevocation(without.config, (await signIn(without)).refresh_token ?? '')), 'invalid_request')
})

test('signing out wants the client and its sign-out URL, by GET, and ends the session also where it has nowhere to go', async (t) => {
  const asks = (query: object, end: string) => ({ query, end })
  for (const ask of [
    ({ signedOut }: Here) => asks({ client_id: 'web', logout_uri: signedOut }, signedOut),
    ({ signedOut }: Here) => asks({ client_id: 'web', logout_uri: `${signedOut}/` }, '/error'),
    ({ signedOut }: Here) => asks({ client_id: 'nobody', logout_uri: signedOut }, '/error'),
    ({ signedOut }: Here) => asks({ logout_uri: signedOut }, '/error'),
    ({ signedOut }: Here) => asks({ client_id: 'web', post_logout_redirect_uri: signedOut, id_token_hint: 'x' }, '/error'),
    () => asks({ client_id: 'web' }, '/error'),
    ({ callback }: Here) => asks({ client_id: 'web', response_type: 'code', redirect_uri: callback, scope: 'openid' }, '/login'),
    ({ signedOut }: Here) => asks({ client_id: 'web', response_type: 'code', redirect_uri: signedOut }, '/error'),
  ]) {
    const here = await stage(t)
    const { pool, browser, callback } = here
    const { query, end } = ask(here)
    const sentTo = async (url: string) => new URL((await browser.get(url)).headers.location ?? '', pool.domain)
    const authorize = (await authorizeUrl(here)).href
    await signIn(here)
    assert.ok((await sentTo(authorize)).href.startsWith(`${callback}?code=`), 'signed in')
    const logout = `${pool.domain}/logout?${new URLSearchParams({ ...query })}`
    assert.equal((await browser.post(logout, {})).status, 404)
    const to = await sentTo(logout)
    assert.equal(to.origin === pool.domain ? to.pathname : to.href, end, JSON.stringify(query))
    if (end === '/error') assert.equal((await browser.get(to.href)).status, 400)
    assert.equal((await sentTo(authorize)).pathname, '/login', 'signed out')
  }
})

import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { createFakeClock } from '../clock.fake.ts'
import { Secret } from '../secret.ts'
import { createIssuerHttp } from './issuer-http.ts'
import { createOidcProvider } from './oidc.ts'
import { BAD_DAYS, providerConfig, readableLog, smallIssuer } from './stage.fake.ts'

const BACK = 'https://mandate.example/signed-out'

async function stage(t: TestContext, offers = true, changes: Readonly<Record<string, unknown>> = {}) {
  const issuer = await smallIssuer(t)
  const { url } = issuer
  const more = offers ? { end_session_endpoint: `${url}/logout`, revocation_endpoint: `${url}/revoke` } : {}
  issuer.answer('/.well-known/openid-configuration', {
    issuer: url,
    authorization_endpoint: `${url}/auth`,
    token_endpoint: `${url}/token`,
    jwks_uri: `${url}/jwks`,
    ...more,
  })
  const log = readableLog()
  const provider = createOidcProvider(providerConfig(url, changes), {
    clock: createFakeClock(),
    log,
    http: createIssuerHttp({ limits: { callMs: 1_500 } }),
  })
  t.after(() => provider.close())
  t.after(() => assert.doesNotMatch(log.lines.join(), /the-refresh|the-id-token|secret-content/))
  return { issuer, log, signOut: provider.signOut }
}

for (const [name, bad] of Object.entries(BAD_DAYS)) {
  test(`an issuer that gives ${name} does not keep anybody from signing out`, async (t) => {
    const { issuer, signOut } = await stage(t)
    issuer.answer('/revoke', bad)
    await signOut.revoke(new Secret('the-refresh'))
    assert.equal(issuer.count('/revoke'), 1)
    const other = await stage(t)
    other.issuer.answer('/.well-known/openid-configuration', bad)
    assert.equal(await other.signOut.url(undefined, BACK), undefined)
    await other.signOut.revoke(new Secret('the-refresh'))
  })
}

const COGNITO = { kind: 'cognito', userPoolId: 'us-east-1_aBcDeFgHi', signIn: true, clientId: 'app client' }

test('Cognito is told nothing that it does not know, the ID token above all, and is not asked where it offers no logout', async (t) => {
  const { signOut } = await stage(t, true, COGNITO)
  const url = await signOut.url(new Secret('the-id-token'), BACK)
  assert.doesNotMatch(url?.href ?? '', /id_token|the-id-token|post_logout/)
  const { signOut: without, log } = await stage(t, false, COGNITO)
  assert.equal(await without.url(new Secret('the-id-token'), BACK), undefined)
  assert.deepEqual(log.lines, [])
})

test('the way out of Cognito names its app client and the sign-out URL, whether there is an ID token or not', async (t) => {
  const { issuer, signOut } = await stage(t, true, COGNITO)
  for (const idToken of [undefined, new Secret('the-id-token')]) {
    const url = await signOut.url(idToken, `${BACK}?a=1&b=2`)
    assert.equal(`${url?.origin}${url?.pathname}`, `${issuer.url}/logout`)
    assert.deepEqual(
      [...(url?.searchParams ?? [])],
      [
        ['client_id', 'app client'],
        ['logout_uri', `${BACK}?a=1&b=2`],
      ],
    )
  }
})

test('an issuer that offers no logout and no revocation is not asked', async (t) => {
  const { issuer, signOut, log } = await stage(t, false)
  assert.equal(await signOut.url(new Secret('the-id-token'), BACK), undefined)
  await signOut.revoke(new Secret('the-refresh'))
  assert.equal(issuer.asked.length, 1)
  assert.deepEqual(log.lines, [])
})

test('the way out names the client, the place to come back to, and the ID token when there is one', async (t) => {
  const { issuer, signOut } = await stage(t)
  const url = await signOut.url(new Secret('the-id-token'), BACK)
  assert.equal(`${url?.origin}${url?.pathname}`, `${issuer.url}/logout`)
  assert.deepEqual(Object.fromEntries(url?.searchParams ?? []), {
    client_id: 'web',
    id_token_hint: 'the-id-token',
    post_logout_redirect_uri: BACK,
  })
  assert.equal((await signOut.url(undefined, BACK))?.searchParams.has('id_token_hint'), false)
})

test('a refresh token is revoked by its type', async (t) => {
  const { issuer, signOut } = await stage(t)
  issuer.answer('/revoke', (response) => response.end())
  await signOut.revoke(new Secret('the-refresh'))
  const { form } = issuer.asked.at(-1) ?? { form: new URLSearchParams() }
  assert.deepEqual(Object.fromEntries(form), { client_id: 'web', token: 'the-refresh', token_type_hint: 'refresh_token' })
})

import assert from 'node:assert/strict'
import type { ServerResponse } from 'node:http'
import { type TestContext, test } from 'node:test'
import { createFakeClock } from '../clock.fake.ts'
import { Refusal } from '../errors.ts'
import { Secret } from '../secret.ts'
import { createIssuerHttp } from './issuer-http.ts'
import { createOidcProvider } from './oidc.ts'
import type { SignInSecrets } from './provider.ts'
import { assertRefused, BAD_DAYS, leftHalf, mint, providerConfig, readableLog, signKey, smallIssuer } from './stage.fake.ts'

const SECRETS: SignInSecrets = { state: 'the-state', nonce: 'the-nonce', verifier: new Secret('v'.repeat(43)) }
const CALLBACK = 'https://mandate.example/callback/test'

async function stage(t: TestContext, changes: Readonly<Record<string, unknown>> = {}) {
  const key = signKey('ES256', 'one')
  const issuer = await smallIssuer(t, [key])
  const clock = createFakeClock()
  const log = readableLog()
  const config = providerConfig(issuer.url, changes)
  const provider = createOidcProvider(config, { clock, log, http: createIssuerHttp({ limits: { callMs: 1_500 } }) })
  t.after(() => provider.close())
  t.after(() => assert.doesNotMatch(log.lines.join(), /the-code|the-access|the-nonce|the-state|secret-content|ada@/))
  const idToken = (more: object = {}, header: object = {}, signer = key) => {
    const now = Math.floor(clock.now() / 1000)
    return mint(signer, { iss: issuer.url, sub: 'user-ada', aud: 'web', iat: now, exp: now + 300, nonce: 'the-nonce', ...more }, header)
  }
  const tokens = (token: string | undefined, more: object = {}) =>
    issuer.answer('/token', {
      access_token: 'the-access',
      token_type: 'Bearer',
      expires_in: 60,
      refresh_token: 'the-refresh',
      id_token: token,
      ...more,
    })
  const complete = (query = 'code=the-code&state=the-state') => provider.signIn.complete(SECRETS, new URL(`${CALLBACK}?${query}`))
  const promiseIss = () => {
    const { url } = issuer
    issuer.answer('/.well-known/openid-configuration', {
      issuer: url,
      authorization_endpoint: `${url}/auth`,
      token_endpoint: `${url}/token`,
      jwks_uri: `${url}/jwks`,
      id_token_signing_alg_values_supported: ['ES256'],
      authorization_response_iss_parameter_supported: true,
    })
  }
  return { issuer, clock, log, provider, idToken, tokens, complete, promiseIss }
}

test('a callback with a wrong, missing or doubled state is refused before the issuer is asked anything', async (t) => {
  const { issuer, complete } = await stage(t)
  for (const query of [
    'code=the-code',
    'code=the-code&state=other',
    'code=the-code&state=',
    'code=the-code&state=the-state&state=the-state',
    '',
  ]) {
    await assertRefused(complete(query), 'sign_in_state_unknown', query)
  }
  assert.equal(issuer.asked.length, 0)
})

test('a callback of another issuer is a mix-up, and so is none where the issuer promises to name itself', async (t) => {
  const { issuer, complete } = await stage(t)
  const own = encodeURIComponent(issuer.url)
  await assertRefused(
    complete(`code=the-code&state=the-state&iss=${encodeURIComponent('https://evil.example')}`),
    'sign_in_issuer_mismatch',
  )
  await assertRefused(complete(`code=the-code&state=the-state&iss=${own}&iss=${own}`), 'sign_in_issuer_mismatch')
  await assertRefused(complete(`error=access_denied&state=the-state&iss=${own}%2F`), 'sign_in_issuer_mismatch')
  assert.equal(issuer.count('/token'), 0)
  const promising = await stage(t)
  promising.promiseIss()
  await assertRefused(promising.complete(), 'sign_in_issuer_mismatch')
})

test('an error of the issuer is refused with its registered word, and with nothing else that the link says', async (t) => {
  const { complete } = await stage(t)
  const details = new Map([
    ['access_denied', 'the issuer said access_denied'],
    ['login_required', 'the issuer said login_required'],
    ['<script>', undefined],
    ['not registered', undefined],
  ])
  for (const [error, detail] of details) {
    await assert.rejects(complete(`state=the-state&error=${encodeURIComponent(error)}&error_description=secret-content`), (refusal) => {
      assert.ok(refusal instanceof Refusal)
      assert.deepEqual([refusal.code, refusal.detail], ['sign_in_refused', detail])
      return true
    })
  }
})

test('an answer that is not exactly one code is refused', async (t) => {
  const { complete, issuer } = await stage(t)
  for (const query of [
    '',
    'code=',
    'code=a&code=b',
    'code=the-code&id_token=x',
    'code=the-code&response=x',
    'code=the-code&access_token=x',
  ]) {
    await assertRefused(complete(`state=the-state&${query}`), 'sign_in_token_invalid', query)
  }
  assert.equal(issuer.count('/token'), 0)
})

for (const [name, bad] of Object.entries(BAD_DAYS)) {
  test(`a token endpoint that gives ${name} makes a clear refusal`, async (t) => {
    const { issuer, complete } = await stage(t)
    issuer.answer('/token', bad)
    await assertRefused(complete(), name === 'an empty object' ? 'sign_in_token_invalid' : 'issuer_unavailable')
    assert.equal(issuer.count('/token'), 1)
  })
}

test('a code that the issuer refuses, replayed for instance, is refused', async (t) => {
  const { issuer, complete } = await stage(t)
  issuer.answer('/token', (response: ServerResponse) =>
    response.writeHead(400, { 'content-type': 'application/json' }).end('{"error":"invalid_grant","error_description":"secret-content"}'),
  )
  await assertRefused(complete(), 'sign_in_refused')
})

test("an error word of the issuer's own is a refusal, is not repeated, and is no outage", async (t) => {
  const { issuer, complete } = await stage(t)
  issuer.answer('/token', (response: ServerResponse) =>
    response.writeHead(400, { 'content-type': 'application/json' }).end('{"error":"not_allowed","error_description":"secret-content"}'),
  )
  await assert.rejects(complete(), (refusal: Refusal) => {
    assert.equal(refusal.code, 'sign_in_refused')
    assert.match(refusal.detail ?? '', /offline_access/)
    assert.doesNotMatch(refusal.message, /not_allowed|secret-content/)
    return true
  })
})

test('an ID token that does not hold is refused whatever is wrong with it', async (t) => {
  const { complete, tokens, idToken, clock } = await stage(t)
  const now = clock.now() / 1000
  const faults: Record<string, string | undefined> = {
    'none at all': undefined,
    'not a JWT': 'x',
    'another nonce': idToken({ nonce: 'other' }),
    'no nonce': idToken({ nonce: undefined }),
    'another issuer': idToken({ iss: 'https://evil.example' }),
    'another client': idToken({ aud: 'other' }),
    'several audiences without azp': idToken({ aud: ['web', 'other'] }),
    'azp of another client': idToken({ azp: 'other' }),
    expired: idToken({ iat: now - 600, exp: now - 31 }),
    'from the future': idToken({ iat: now + 60 }),
    'no sub': idToken({ sub: undefined }),
    'an empty sub': idToken({ sub: '' }),
    'signed by a stranger': idToken({}, {}, signKey('ES256', 'one')),
    'of an unknown key': idToken({}, { kid: 'other' }),
    unsigned: `${idToken({}, { alg: 'none' }).split('.').slice(0, 2).join('.')}.`,
    'with an at_hash of another token': idToken({ at_hash: leftHalf('other') }),
    'an access token': idToken({}, { typ: 'at+jwt' }),
    'a Keycloak access token': idToken({ typ: 'Bearer' }),
    'a logout token': idToken({ events: {} }),
    'groups that are no list of text': idToken({ groups: { a: 1 } }),
    'groups with an entry that is no text': idToken({ groups: ['a', 1] }),
  }
  for (const [what, token] of Object.entries(faults)) {
    tokens(token)
    await assertRefused(complete(), 'sign_in_token_invalid', what)
  }
  tokens(idToken(), { token_type: 'DPoP' })
  await assertRefused(complete(), 'sign_in_token_invalid')
})

test('keys or metadata that cannot be had are an outage, not a refused sign-in', async (t) => {
  const { issuer, complete, tokens, idToken } = await stage(t)
  tokens(idToken())
  issuer.answer('/jwks', (response) => response.writeHead(500).end())
  await assertRefused(complete(), 'issuer_unavailable')
  const other = await stage(t)
  other.issuer.answer('/.well-known/openid-configuration', (response) => response.writeHead(500).end())
  await assertRefused(other.provider.signIn.begin(SECRETS, CALLBACK), 'issuer_unavailable')
})

test('the way out carries S256, state, nonce, resource and claims, and no secret', async (t) => {
  const { provider, issuer } = await stage(t, { resource: 'https://mandate.test/api', scopes: ['openid', 'groups'] })
  const url = await provider.signIn.begin(SECRETS, CALLBACK, '{"id_token":{}}')
  assert.equal(`${url.origin}${url.pathname}`, `${issuer.url}/auth`)
  const { code_challenge, ...rest } = Object.fromEntries(url.searchParams)
  assert.match(code_challenge ?? '', /^[A-Za-z0-9_-]{43}$/)
  assert.deepEqual(rest, {
    client_id: 'web',
    response_type: 'code',
    redirect_uri: CALLBACK,
    scope: 'openid groups',
    state: 'the-state',
    nonce: 'the-nonce',
    code_challenge_method: 'S256',
    resource: 'https://mandate.test/api',
    claims: '{"id_token":{}}',
  })
  assert.doesNotMatch(url.href, /vvvv/)
})

test('a good answer signs in: principal, shown claims, session and tokens', async (t) => {
  const { complete, tokens, idToken, issuer, clock, promiseIss } = await stage(t, {
    resource: 'https://mandate.test/api',
    claims: { whoami: ['sub', 'groups'] },
  })
  promiseIss()
  tokens(
    idToken(
      {
        groups: ['platform', 'platform', 'admins'],
        name: 'Ada',
        email: 'ada@example.test',
        email_verified: true,
        sid: 's1',
        secret_claim: 'x',
        at_hash: leftHalf('the-access'),
        typ: 'ID',
      },
      { typ: 'JWT' },
    ),
  )
  const signedIn = await complete(`code=the-code&state=the-state&iss=${encodeURIComponent(issuer.url)}&session_state=x`)
  assert.deepEqual(signedIn.principal, {
    kind: 'person',
    provider: 'test',
    issuer: issuer.url,
    subject: 'user-ada',
    groups: ['platform', 'admins'],
    name: 'Ada',
    email: 'ada@example.test',
    kubernetesUser: 'user-ada',
  })
  assert.deepEqual(signedIn.shown, { sub: 'user-ada', groups: ['platform', 'platform', 'admins'] })
  assert.deepEqual([signedIn.sid, signedIn.principal.kubernetesUser], ['s1', 'user-ada'])
  assert.deepEqual([signedIn.tokens.accessToken.expose(), signedIn.tokens.refreshToken?.expose()], ['the-access', 'the-refresh'])
  assert.deepEqual(
    [signedIn.tokens.accessExpiresAt, signedIn.tokens.idExpiresAt, signedIn.tokens.obtainedAt],
    [clock.now() + 60_000, clock.now() + 300_000, clock.now()],
  )
  const { form } = issuer.asked.find(({ path }) => path === '/token') ?? { form: new URLSearchParams() }
  assert.deepEqual(Object.fromEntries(form), {
    client_id: 'web',
    grant_type: 'authorization_code',
    code: 'the-code',
    redirect_uri: CALLBACK,
    code_verifier: 'v'.repeat(43),
    resource: 'https://mandate.test/api',
  })
})

test('an e-mail counts only when the issuer verified it, also as the name for clusters', async (t) => {
  const { complete, tokens, idToken } = await stage(t, { kubernetes: { user: 'email' } })
  for (const email_verified of [false, undefined, 'true', 1]) {
    tokens(idToken({ email: 'ada@example.test', email_verified }))
    const { principal, shown } = await complete()
    assert.deepEqual([principal.email, principal.kubernetesUser, shown['email']], [undefined, undefined, undefined])
  }
  tokens(idToken({ email: 'ada@example.test', email_verified: true, groups: 'alone', name: 'line\nbreak' }))
  const { principal } = await complete()
  assert.deepEqual(
    [principal.email, principal.kubernetesUser, principal.groups, principal.name],
    ['ada@example.test', 'ada@example.test', ['alone'], undefined],
  )
})

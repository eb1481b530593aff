import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import type { ServerResponse } from 'node:http'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { createFakeClock } from '../clock.fake.ts'
import { Secret } from '../secret.ts'
import { createIssuerHttp } from './issuer-http.ts'
import { createOidcProvider } from './oidc.ts'
import { BAD_DAYS, leftHalf, mint, providerConfig, readableLog, signKey, smallIssuer } from './stage.fake.ts'

const OLD = new Secret('the-old-refresh-token')

async function stage(t: TestContext, changes: Readonly<Record<string, unknown>> = {}) {
  const key = signKey('ES256', 'one')
  const issuer = await smallIssuer(t, [key])
  const clock = createFakeClock()
  const log = readableLog()
  const provider = createOidcProvider(providerConfig(issuer.url, changes), {
    clock,
    log,
    http: createIssuerHttp({ limits: { callMs: 1_500 } }),
  })
  t.after(() => provider.close())
  const idToken = (more: object = {}, signer = key) => {
    const now = Math.floor(clock.now() / 1000)
    return mint(signer, { iss: issuer.url, sub: 'user-ada', aud: 'web', iat: now, exp: now + 300, groups: ['platform'], ...more })
  }
  const answer = (more: object = {}) => ({
    access_token: 'new-access',
    token_type: 'Bearer',
    expires_in: 60,
    refresh_token: 'new-refresh',
    ...more,
  })
  const redeem = async () => provider.redeem(OLD, 'user-ada')
  t.after(() => assert.doesNotMatch(log.lines.join(), /the-old-refresh-token|new-access|new-refresh|secret-content/))
  return { issuer, clock, key, log, provider, idToken, answer, redeem }
}

for (const [name, bad] of Object.entries(BAD_DAYS)) {
  test(`a token endpoint that gives ${name} leaves the outcome unknown, and is asked once`, async (t) => {
    const { issuer, redeem } = await stage(t)
    issuer.answer('/token', bad)
    assert.deepEqual(await redeem(), { result: 'unknown' })
    assert.equal(issuer.count('/token'), 1)
  })
}

const oauthError =
  (status: number, error: string, headers: Record<string, string> = {}) =>
  (response: ServerResponse) =>
    response
      .writeHead(status, { 'content-type': 'application/json', ...headers })
      .end(JSON.stringify({ error, error_description: 'secret-content' }))

test('only invalid_grant with 400 or 401 is refused; every other error leaves the outcome unknown', async (t) => {
  const { issuer, redeem } = await stage(t)
  const expected: ReadonlyArray<readonly [(response: ServerResponse) => unknown, string]> = [
    [oauthError(400, 'invalid_grant'), 'refused'],
    [oauthError(401, 'invalid_grant', { 'www-authenticate': 'Basic realm="x"' }), 'refused'],
    [oauthError(403, 'invalid_grant'), 'unknown'],
    [oauthError(500, 'invalid_grant'), 'unknown'],
    [oauthError(200, 'invalid_grant'), 'unknown'],
    [oauthError(401, 'invalid_client'), 'unknown'],
    [oauthError(400, 'invalid_request'), 'unknown'],
    [oauthError(400, 'secret-content'), 'unknown'],
    [oauthError(429, 'slow_down'), 'unknown'],
  ]
  for (const [answer, result] of expected) {
    issuer.answer('/token', (response) => void answer(response))
    assert.deepEqual(await redeem(), { result })
  }
})

test('an issuer whose metadata cannot be had, or that accepts no connection, was certainly not sent the token', async (t) => {
  const { issuer, redeem } = await stage(t)
  issuer.answer('/.well-known/openid-configuration', (response) => response.writeHead(500).end())
  assert.deepEqual(await redeem(), { result: 'not-sent' })
  const other = await stage(t)
  const closed = createServer().listen(0, '127.0.0.1')
  await new Promise((resolve) => closed.once('listening', resolve))
  const address = closed.address()
  closed.close()
  const { url } = other.issuer
  other.issuer.answer('/.well-known/openid-configuration', {
    issuer: url,
    authorization_endpoint: `${url}/auth`,
    jwks_uri: `${url}/jwks`,
    token_endpoint: `http://127.0.0.1:${typeof address === 'object' ? address?.port : 0}/token?a=secret`,
  })
  assert.deepEqual(await other.redeem(), { result: 'not-sent' })
  const at = `http://127.0.0.1:${typeof address === 'object' ? address?.port : 0}/token`
  assert.ok(other.log.lines.join().includes(`"reason":"not_connected","code":"ECONNREFUSED","url":"${at}"}`), other.log.lines.join())
})

test('client authentication that cannot be built means that nothing was sent', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'mandate-redeem-'))
  t.after(() => rm(folder, { recursive: true }))
  const file = join(folder, 'secret')
  const { issuer, redeem, answer } = await stage(t, { clientAuth: { method: 'secret', secret: { file } } })
  issuer.answer('/token', answer())
  assert.deepEqual(await redeem(), { result: 'not-sent' })
  assert.equal(issuer.count('/token'), 0)
  await writeFile(file, 'it is back')
  assert.equal((await redeem()).result, 'renewed')
})

test("an ID token that is not the same person's, or does not verify, is refused", async (t) => {
  const { issuer, redeem, answer, idToken } = await stage(t)
  const faults = {
    'another subject': idToken({ sub: 'user-bob' }),
    'another issuer': idToken({ iss: 'https://evil.example' }),
    'another client': idToken({ aud: 'other' }),
    'another azp': idToken({ azp: 'other' }),
    'another key': idToken({}, signKey('ES256', 'one')),
    'another access token': idToken({ at_hash: leftHalf('another') }),
    'groups of another shape': idToken({ groups: [1] }),
    'a token that is none': 'x',
  }
  for (const [what, token] of Object.entries(faults)) {
    issuer.answer('/token', answer({ id_token: token }))
    assert.deepEqual(await redeem(), { result: 'refused' }, what)
  }
})

test('an answer without a usable bearer leaves the outcome unknown', async (t) => {
  const { issuer, redeem, answer } = await stage(t)
  for (const change of [
    { access_token: undefined },
    { access_token: 7 },
    { access_token: '' },
    { token_type: undefined },
    { token_type: 'dpop' },
    { token_type: 'mac' },
    { refresh_token: 5 },
  ]) {
    issuer.answer('/token', answer(change))
    assert.deepEqual(await redeem(), { result: 'unknown' }, JSON.stringify(change))
  }
})

test('a good answer renews: new refresh token, new times, and the person again when an ID token came', async (t) => {
  const { issuer, redeem, answer, idToken, clock } = await stage(t, { resource: 'https://mandate.test/api' })
  issuer.answer('/token', answer({ id_token: idToken({ at_hash: leftHalf('new-access'), sid: 's1' }) }))
  const outcome = await redeem()
  assert.equal(outcome.result, 'renewed')
  assert.ok(outcome.result === 'renewed')
  assert.equal(outcome.tokens.accessToken.expose(), 'new-access')
  assert.equal(outcome.tokens.refreshToken?.expose(), 'new-refresh')
  assert.equal(outcome.tokens.accessExpiresAt, clock.now() + 60_000)
  assert.equal(outcome.tokens.idExpiresAt, clock.now() + 300_000)
  assert.deepEqual(outcome.signedIn?.principal.groups, ['platform'])
  assert.equal(outcome.signedIn?.sid, 's1')
  const { form } = issuer.asked.at(-2) ?? { form: new URLSearchParams() }
  assert.deepEqual(Object.fromEntries(form), {
    client_id: 'web',
    grant_type: 'refresh_token',
    refresh_token: 'the-old-refresh-token',
    resource: 'https://mandate.test/api',
  })
})

test('without a new refresh token the old one stays, without expires_in five minutes count, and never more than a day', async (t) => {
  const { issuer, redeem, answer, clock } = await stage(t)
  const lives = new Map<unknown, number>([
    [undefined, 300],
    [1e12, 86_400],
    ['120', 120],
  ])
  for (const [expires_in, seconds] of lives) {
    issuer.answer('/token', answer({ refresh_token: undefined, expires_in }))
    const outcome = await redeem()
    assert.ok(outcome.result === 'renewed')
    assert.equal(outcome.tokens.refreshToken, OLD)
    assert.equal(outcome.tokens.accessExpiresAt, clock.now() + seconds * 1000)
    assert.equal(outcome.signedIn, undefined)
    assert.equal(outcome.tokens.idToken, undefined)
  }
})

test('when the keys cannot be had the renewed tokens are kept and the unproven ID token is not', async (t) => {
  const { issuer, redeem, answer, idToken } = await stage(t)
  issuer.answer('/jwks', (response) => response.writeHead(500).end())
  issuer.answer('/token', answer({ id_token: idToken() }))
  const outcome = await redeem()
  assert.ok(outcome.result === 'renewed')
  assert.equal(outcome.tokens.idToken, undefined)
  assert.equal(outcome.signedIn, undefined)
})

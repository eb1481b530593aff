import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import type { ServerResponse } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { createFakeClock } from '../clock.fake.ts'
import { Secret } from '../secret.ts'
import { createIssuerHttp } from './issuer-http.ts'
import { createOidcProvider } from './oidc.ts'
import type { ExchangeWish } from './provider.ts'
import { BAD_DAYS, mint, providerConfig, readableLog, signKey, smallIssuer } from './stage.fake.ts'

const SUBJECT = 'the-token-of-the-caller'
const TYPE = 'urn:ietf:params:oauth:token-type:'
const REPORTS = 'api://reports'

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
  const now = () => Math.floor(clock.now() / 1000)
  const jwt = (claims: object = {}, header: object = { typ: 'at+jwt' }) =>
    mint(key, { iss: issuer.url, sub: 'user-ada', aud: REPORTS, iat: now(), exp: now() + 600, ...claims }, header)
  const answer = (token: unknown, more: object = {}) =>
    issuer.answer('/token', {
      access_token: token,
      issued_token_type: `${TYPE}access_token`,
      token_type: 'Bearer',
      expires_in: 60,
      ...more,
    })
  const exchange = async (wish: Partial<ExchangeWish> = {}) => {
    const outcome = await provider.exchange({
      token: new Secret(SUBJECT),
      type: 'access-token',
      subject: 'user-ada',
      audience: REPORTS,
      resource: undefined,
      scopes: [],
      ...wish,
    })
    assert.ok(!JSON.stringify(outcome).includes(SUBJECT))
    return outcome
  }
  t.after(() => assert.doesNotMatch(log.lines.join(), /the-token-of-the-caller|hunter2|secret-content/))
  return { issuer, clock, log, jwt, answer, exchange }
}

test('never sends a subject that is empty or could not be a token: an issuer could take the client for it', async (t) => {
  const { issuer, exchange } = await stage(t)
  for (const token of ['', ' ', 'a b', 'a\r\nb', 'ä'])
    assert.deepEqual(await exchange({ token: new Secret(token) }), { result: 'refused', reason: 'subject_token_unusable' })
  assert.deepEqual(issuer.asked, [])
})

for (const [name, bad] of Object.entries(BAD_DAYS)) {
  test(`a token endpoint that gives ${name} gives no token, and is asked once`, async (t) => {
    const { issuer, exchange } = await stage(t)
    issuer.answer('/token', bad)
    const outcome = await exchange()
    assert.equal(outcome.result, name === 'status 429' ? 'too-many' : 'unavailable')
    assert.equal(issuer.count('/token'), 1)
  })
}

test('does not follow a redirect with the token', async (t) => {
  const { issuer, exchange } = await stage(t)
  const elsewhere = await smallIssuer(t)
  for (const status of [301, 302, 303, 307, 308]) {
    issuer.answer('/token', (response) => response.writeHead(status, { location: `${elsewhere.url}/token` }).end())
    assert.deepEqual(await exchange(), { result: 'unavailable', reason: `status_${status}` })
  }
  assert.deepEqual(elsewhere.asked, [])
})

const oauthError =
  (status: number, error: string, headers: Record<string, string> = {}) =>
  (response: ServerResponse) =>
    void response
      .writeHead(status, { 'content-type': 'application/json', ...headers })
      .end(JSON.stringify({ error, error_description: 'secret-content' }))

test('says of each error whose trouble it is, and repeats no word that is not registered', async (t) => {
  const { issuer, exchange } = await stage(t)
  const expected: ReadonlyArray<readonly [(response: ServerResponse) => void, string, string?]> = [
    [oauthError(400, 'invalid_grant'), 'refused', 'invalid_grant'],
    [oauthError(400, 'invalid_request'), 'refused', 'invalid_request'],
    [oauthError(400, 'invalid_target'), 'refused', 'invalid_target'],
    [oauthError(400, 'invalid_scope'), 'refused', 'invalid_scope'],
    [oauthError(403, 'access_denied'), 'refused', 'access_denied'],
    [oauthError(400, 'secret-content'), 'refused', 'unregistered_error'],
    [oauthError(401, 'invalid_client', { 'www-authenticate': 'Basic realm="x"' }), 'client-refused', 'invalid_client'],
    [oauthError(400, 'unauthorized_client'), 'client-refused', 'unauthorized_client'],
    [oauthError(400, 'unsupported_grant_type'), 'client-refused', 'unsupported_grant_type'],
    [oauthError(400, 'interaction_required'), 'needs-interaction', 'interaction_required'],
    [oauthError(400, 'login_required'), 'needs-interaction', 'login_required'],
    [oauthError(400, 'consent_required'), 'needs-interaction', 'consent_required'],
    [oauthError(400, 'account_selection_required'), 'needs-interaction', 'account_selection_required'],
    [oauthError(400, 'unmet_authentication_requirements'), 'needs-interaction', 'unmet_authentication_requirements'],
    [oauthError(400, 'server_error'), 'unavailable', 'server_error'],
    [oauthError(400, 'temporarily_unavailable'), 'unavailable', 'temporarily_unavailable'],
    [oauthError(500, 'invalid_grant'), 'unavailable', 'status_500'],
    [oauthError(302, 'invalid_grant'), 'unavailable', 'status_302'],
    // Where no error is named nothing was refused.
    [(response) => void response.writeHead(404, { 'content-type': 'text/html' }).end('secret-content'), 'unavailable', 'status_404'],
    [(response) => void response.writeHead(400, { 'content-type': 'application/json' }).end('{}'), 'unavailable', 'status_400'],
    [oauthError(200, 'invalid_grant'), 'unavailable', 'answer_invalid'],
  ]
  for (const [answer, result, reason] of expected) {
    issuer.answer('/token', answer)
    assert.deepEqual(await exchange(), { result, reason })
  }
})

for (const [status, error] of [
  [429, 'temporarily_unavailable'],
  [429, 'invalid_grant'],
  [400, 'slow_down'],
  [503, 'slow_down'],
] as const)
  test(`has asked too much of an issuer that answers ${status} with ${error}`, async (t) => {
    const { issuer, exchange } = await stage(t)
    issuer.answer('/token', oauthError(status, error))
    assert.deepEqual(await exchange(), { result: 'too-many', retryAfterSeconds: 5 })
  })

test('is told how long to wait, within bounds', async (t) => {
  const { issuer, clock, answer, exchange, jwt } = await stage(t)
  const waits: ReadonlyArray<readonly [string | undefined, number]> = [
    [undefined, 5],
    ['7', 7],
    ['0', 1],
    ['999999999', 3_600],
    ['Wed, 21 Oct 2026 07:28:00 GMT', 5],
    ['-1', 5],
  ]
  for (const [header, retryAfterSeconds] of waits) {
    issuer.answer('/token', oauthError(429, 'slow_down', header === undefined ? undefined : { 'retry-after': header }))
    assert.deepEqual(await exchange({ subject: `told-${header}` }), { result: 'too-many', retryAfterSeconds }, String(header))
    await clock.advance(retryAfterSeconds * 1000)
    // Who tries for all after the wait is another.
    answer(jwt())
    assert.equal((await exchange()).result, 'exchanged')
  }
})

test('an issuer without metadata is unavailable; a client that cannot prove itself is our trouble, and nothing is sent', async (t) => {
  const { issuer, exchange } = await stage(t)
  issuer.answer('/.well-known/openid-configuration', (response) => response.writeHead(500).end())
  assert.deepEqual(await exchange(), { result: 'unavailable', reason: 'metadata' })
  const folder = await mkdtemp(join(tmpdir(), 'mandate-exchange-'))
  t.after(() => rm(folder, { recursive: true }))
  const file = join(folder, 'secret')
  const other = await stage(t, { clientAuth: { method: 'secret', secret: { file } } })
  other.answer('opaque')
  assert.deepEqual(await other.exchange(), { result: 'client-refused', reason: 'client_authentication' })
  assert.equal(other.issuer.count('/token'), 0)
  await writeFile(file, 'hunter2')
  assert.equal((await other.exchange()).result, 'exchanged')
  assert.equal(other.issuer.asked.at(-1)?.headers.authorization, `Basic ${Buffer.from('web:hunter2').toString('base64')}`)
})

test('an answer that is no bearer access token gives none', async (t) => {
  const { answer, exchange, jwt } = await stage(t)
  const changes: ReadonlyArray<readonly [object, string]> = [
    [{ token_type: 'N_A' }, 'not_a_bearer'],
    [{ token_type: 'DPoP' }, 'not_a_bearer'],
    [{ token_type: undefined }, 'answer_invalid'],
    [{ issued_token_type: undefined }, 'another_type_of_token'],
    [{ issued_token_type: `${TYPE}refresh_token` }, 'another_type_of_token'],
    [{ issued_token_type: `${TYPE}id_token` }, 'another_type_of_token'],
    [{ access_token: undefined }, 'answer_invalid'],
    [{ access_token: '' }, 'answer_invalid'],
    [{ access_token: 'a b' }, 'not_a_b64token'],
    [{ access_token: 'a\r\nX-Other: b' }, 'not_a_b64token'],
    [{ expires_in: 0 }, 'already_expired'],
    [{ expires_in: -5 }, 'answer_invalid'],
  ]
  for (const [change, reason] of changes) {
    answer(jwt(), change)
    assert.deepEqual(await exchange(), { result: 'unavailable', reason }, JSON.stringify(change))
  }
})

test('a JWT for somebody else, about somebody else, of another issuer, over, or in another form is none', async (t) => {
  const { answer, exchange, jwt, clock } = await stage(t)
  const faults: ReadonlyArray<readonly [string, string, object]> = [
    ['another audience', jwt({ aud: 'api://other' }), { result: 'audience-wrong' }],
    ['a similar audience', jwt({ aud: [`${REPORTS}/`, REPORTS.toUpperCase(), ''] }), { result: 'audience-wrong' }],
    ['no audience', jwt({ aud: undefined }), { result: 'audience-wrong' }],
    ['an audience of another shape', jwt({ aud: { [REPORTS]: true } }), { result: 'audience-wrong' }],
    ['another issuer', jwt({ iss: 'https://evil.example' }), { result: 'unavailable', reason: 'another_issuer' }],
    ['no issuer', jwt({ iss: undefined }), { result: 'unavailable', reason: 'another_issuer' }],
    ['nobody', jwt({ sub: undefined }), { result: 'refused', reason: 'another_subject' }],
    ['a subject that is no text', jwt({ sub: ['user-ada'] }), { result: 'refused', reason: 'another_subject' }],
    ['another person', jwt({ sub: 'user-bob' }), { result: 'refused', reason: 'another_subject' }],
    ["Mandate's own client", jwt({ sub: 'web' }), { result: 'refused', reason: 'another_subject' }],
    ['one that is over', jwt({ exp: clock.now() / 1000 }), { result: 'unavailable', reason: 'already_expired' }],
    ['one in a form that only others read', jwt({}, { crit: ['x'] }), { result: 'unavailable', reason: 'jwt_malformed' }],
  ]
  for (const [what, token, outcome] of faults) {
    answer(token)
    assert.deepEqual(await exchange(), outcome, what)
  }
})

test('refuses the very token that was to be exchanged, whatever it is', async (t) => {
  const { answer, exchange, jwt } = await stage(t)
  for (const token of [jwt(), 'opaque']) {
    answer(token)
    assert.deepEqual(await exchange({ token: new Secret(token) }), { result: 'refused', reason: 'subject_token_returned' })
  }
})

test('an issuer that said how long to wait is asked by no caller for any target until then', async (t) => {
  const { issuer, clock, answer, exchange, jwt } = await stage(t)
  issuer.answer('/token', oauthError(429, 'slow_down', { 'retry-after': '30' }))
  assert.deepEqual(await exchange(), { result: 'too-many', retryAfterSeconds: 30 })
  answer(jwt({ sub: 'user-bob' }))
  const others: ReadonlyArray<Partial<ExchangeWish>> = [{ token: new Secret('of-bob'), subject: 'user-bob' }, { audience: 'api://other' }]
  await clock.advance(500)
  // Who was told leaves the try to others as soon as there are any.
  for (const [at, wish] of [{}, ...others].entries())
    assert.deepEqual(await exchange(wish), { result: 'too-many', retryAfterSeconds: at < 2 ? 30 : 60 })
  await clock.advance(29_499)
  assert.deepEqual(await exchange(others[0]), { result: 'too-many', retryAfterSeconds: 1 })
  assert.equal(issuer.count('/token'), 1)
  await clock.advance(1)
  assert.equal((await exchange(others[0])).result, 'exchanged')
  assert.equal(issuer.count('/token'), 2)
})

test('what it says while others were under way counts to the later end', async (t) => {
  const { issuer, clock, exchange } = await stage(t)
  let asked = 0
  issuer.answer('/token', (response) => {
    asked += 1
    oauthError(429, 'slow_down', { 'retry-after': asked === 1 ? '60' : '2' })(response)
  })
  await Promise.all([exchange(), exchange()])
  await clock.advance(10_000)
  assert.deepEqual(await exchange({ subject: 'user-bob' }), { result: 'too-many', retryAfterSeconds: 20 })
  assert.deepEqual(await exchange(), { result: 'too-many', retryAfterSeconds: 50 })
})

test('a long wait that one caller was told keeps the others out for half a minute at most; then one of them tries', async (t) => {
  const { issuer, clock, answer, exchange, jwt } = await stage(t)
  issuer.answer('/token', oauthError(429, 'slow_down', { 'retry-after': '3600' }))
  assert.deepEqual(await exchange(), { result: 'too-many', retryAfterSeconds: 3_600 })
  await clock.advance(30_000)
  answer(jwt({ sub: 'user-bob' }))
  const bob = { subject: 'user-bob' }
  const results = await Promise.all([exchange(bob), exchange(bob), exchange(bob)])
  assert.deepEqual(
    results.map(({ result }) => result),
    ['exchanged', 'too-many', 'too-many'],
  )
  assert.equal((await exchange(bob)).result, 'exchanged')
  assert.equal(issuer.count('/token'), 3)
  // By another token than the one it was said of; that one waits where credentials are asked for (assume/patient.ts).
  answer(jwt())
  assert.equal((await exchange()).result, 'exchanged')
})

test('refuses nobody for long what a client or an actor was told that shows a token of theirs', async (t) => {
  const { issuer, clock, answer, exchange, jwt } = await stage(t)
  const acting = { act: { iss: 'https://issuer.example', sub: 'agent' } }
  for (const [at, claims] of [acting, { azp: 'service' }, { client_id: 'service' }].entries()) {
    issuer.answer('/token', oauthError(429, 'slow_down', { 'retry-after': '3600' }))
    const by = new Secret(jwt(claims))
    assert.deepEqual(await exchange({ token: by, subject: `user-${at}` }), { result: 'too-many', retryAfterSeconds: 3_600 })
    answer(jwt({ sub: `user-${at}` }))
    await clock.advance(30_000)
    const own = () => exchange({ token: new Secret(jwt()), subject: `user-${at}` })
    // Neither waits nor goes slowly.
    for (let again = 0; again < 3; again++) assert.equal((await own()).result, 'exchanged')
    await clock.advance(600_000)
  }
})

test('where nobody is named to ask for, no JWT is taken', async (t) => {
  const { answer, exchange, jwt } = await stage(t)
  answer(jwt({ aud: '' }))
  assert.deepEqual(await exchange({ audience: '' }), { result: 'audience-wrong' })
})

test('asks with the token of the caller as the subject, for what is configured, and for nothing that is not', async (t) => {
  const { issuer, answer, exchange, jwt, clock } = await stage(t)
  answer(jwt())
  const outcome = await exchange({ scopes: ['read', 'list'], resource: 'https://reports.example' })
  assert.ok(outcome.result === 'exchanged')
  assert.deepEqual([outcome.typ, outcome.audiences, outcome.expiresAt], ['at+jwt', [REPORTS], clock.now() + 60_000])
  const grant = { grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange', client_id: 'web', subject_token: SUBJECT }
  const types = { subject_token_type: `${TYPE}access_token`, requested_token_type: `${TYPE}access_token` }
  assert.deepEqual(Object.fromEntries(issuer.asked.at(-1)?.form ?? []), {
    ...grant,
    ...types,
    audience: REPORTS,
    resource: 'https://reports.example',
    scope: 'read list',
  })
  answer(jwt({ aud: ['other', 'https://reports.example'] }), { issued_token_type: `${TYPE}jwt` })
  assert.equal((await exchange({ type: 'id-token', audience: '', resource: 'https://reports.example' })).result, 'exchanged')
  assert.deepEqual(Object.fromEntries(issuer.asked.at(-1)?.form ?? []), {
    ...grant,
    ...types,
    subject_token_type: `${TYPE}id_token`,
    resource: 'https://reports.example',
  })
})

test('an opaque token is taken as it is and names no audience, whatever dots are in it', async (t) => {
  const { answer, exchange } = await stage(t)
  for (const token of ['opaque', 'ya29.c.abc-_', 'a.b.c.d.e', 'W10.e30.x']) {
    answer(token)
    const outcome = await exchange()
    assert.ok(outcome.result === 'exchanged', token)
    assert.deepEqual([outcome.token.expose(), outcome.typ, outcome.audiences], [token, undefined, []])
  }
})

test('it counts for as long as the issuer says, five minutes if it says nothing, its own exp and an hour at most', async (t) => {
  const { answer, exchange, jwt, clock } = await stage(t)
  const at = clock.now() / 1000
  const lives: ReadonlyArray<readonly [string, unknown, number]> = [
    ['opaque', undefined, 300],
    ['opaque', 1e9, 3_600],
    [jwt({ exp: at + 20 }), 60, 20],
    [jwt({ exp: at + 200 }), undefined, 200],
    [jwt({ exp: undefined }), 60, 60],
  ]
  for (const [token, expires_in, seconds] of lives) {
    answer(token, { expires_in })
    const outcome = await exchange()
    assert.ok(outcome.result === 'exchanged')
    assert.equal(outcome.expiresAt, clock.now() + seconds * 1000)
  }
})

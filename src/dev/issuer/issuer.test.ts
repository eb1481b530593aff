import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { test } from 'node:test'
import { decodeJwt, jwtVerify, SignJWT } from 'jose'
import { createBrowser } from '../../../test/fakes/browser.ts'
import { ADA, AUDIENCE, BATCH, BOB, keysOf, redeem, refresh, SIGNER, signIn, stageIssuer, WEB } from '../../../test/fakes/issuer-stage.ts'
import { exchangeRaw } from '../../../test/fakes/raw-http.ts'
import { authorizationUrl, callTokenEndpoint } from '../../../test/fakes/relying-party.ts'
import { createCertificateAuthority } from '../certificate-authority.ts'
import { startIssuer } from './issuer.ts'

test('who comes by a name of another website gets nothing: its page could have made that name lead here', async (t) => {
  const { issuer } = await stageIssuer(t)
  const { port } = new URL(issuer.issuer)
  for (const host of ['evil.example', `evil.example:${port}`, 'localhost.evil.example', '127.0.0.1.evil.example', '']) {
    const form = 'grant_type=client_credentials'
    const answer = await exchangeRaw(
      Number(port),
      `POST /token HTTP/1.1\r\nHost: ${host}\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: ${form.length}\r\nConnection: close\r\n\r\n${form}`,
    )
    assert.equal(answer.status, 421, host)
    assert.doesNotMatch(answer.body, /[a-z]/)
  }
  for (const host of ['localhost', '127.0.0.1', '[::1]'])
    assert.equal(
      (await exchangeRaw(Number(port), `GET /jwks HTTP/1.1\r\nHost: ${host}:${port}\r\nConnection: close\r\n\r\n`)).status,
      200,
      host,
    )
})

test('an unregistered redirect URI is refused without a redirect', async (t) => {
  const { issuer, browser } = await stageIssuer(t)
  for (const redirect of ['http://evil.test/callback', 'http://localhost:1/callback', '']) {
    const answer = await browser.follow(authorizationUrl(issuer.issuer, WEB.clientId, redirect).url)
    assert.equal(answer.status, 400)
    assert.match(answer.body, /redirect_uri/)
    assert.equal(answer.trail.length, 1)
  }
})

test('an unknown client is refused, and its name cannot put markup on the page', async (t) => {
  const { issuer, browser, party } = await stageIssuer(t)
  const answer = await browser.follow(authorizationUrl(issuer.issuer, '<img src=x>', party.redirectUri).url)
  assert.equal(answer.status, 400)
  assert.doesNotMatch(answer.body, /<img/)
})

test('a request without PKCE, or with plain, is refused', async (t) => {
  const { issuer, browser, party } = await stageIssuer(t)
  const without = { code_challenge: undefined, code_challenge_method: undefined }
  for (const more of [without, { code_challenge_method: 'plain' }]) {
    const answer = await browser.follow(authorizationUrl(issuer.issuer, WEB.clientId, party.redirectUri, more).url)
    assert.equal(new URL(answer.url).searchParams.get('error'), 'invalid_request')
  }
})

test('a wrong verifier is refused', async (t) => {
  const set = await stageIssuer(t)
  const { url } = authorizationUrl(set.issuer.issuer, WEB.clientId, set.party.redirectUri)
  const end = await set.browser.signIn(url, 'ada')
  const code = new URL(end.url).searchParams.get('code') ?? ''
  assert.equal((await redeem(set, code, 'x'.repeat(43))).error, 'invalid_grant')
})

test('a code works once, and its second use ends what the first one gave', async (t) => {
  const set = await stageIssuer(t)
  const { url, verifier } = authorizationUrl(set.issuer.issuer, WEB.clientId, set.party.redirectUri)
  const code = new URL((await set.browser.signIn(url, 'ada')).url).searchParams.get('code') ?? ''
  const first = await redeem(set, code, verifier)
  assert.equal(first.status, 200)
  assert.equal((await redeem(set, code, verifier)).error, 'invalid_grant')
  assert.equal((await refresh(set, first.refresh_token)).error, 'invalid_grant')
})

test('a wrong client secret is refused', async (t) => {
  const { issuer, browser } = await stageIssuer(t)
  const answer = await callTokenEndpoint(browser, issuer.issuer, { grant_type: 'client_credentials' }, { ...BATCH, secret: 'guess' })
  assert.deepEqual([answer.status, answer.error], [401, 'invalid_client'])
})

test('a client for people gets no machine token, an unknown resource none at all', async (t) => {
  const { issuer, browser } = await stageIssuer(t)
  const form = { grant_type: 'client_credentials' }
  assert.equal((await callTokenEndpoint(browser, issuer.issuer, form, WEB)).status, 400)
  const elsewhere = { ...form, resource: 'https://elsewhere.test' }
  assert.equal((await callTokenEndpoint(browser, issuer.issuer, elsewhere, BATCH)).error, 'invalid_target')
})

test('two users who share a subject are refused at start', async () => {
  await assert.rejects(startIssuer({ users: [ADA, { ...BOB, sub: ADA.sub }], clients: [], audience: AUDIENCE }), /share a sub/)
})

test('the code flow gives tokens that say who, for whom and from where', async (t) => {
  const set = await stageIssuer(t)
  const tokens = await signIn(set, ADA, { scope: 'openid read', resource: AUDIENCE })
  const keys = await keysOf(set)
  const id = await jwtVerify(tokens.id_token ?? '', keys, { issuer: set.issuer.issuer, audience: WEB.clientId })
  const { sub, nonce, name, preferred_username, email, email_verified, groups, sid } = id.payload
  assert.deepEqual(
    { sub, nonce, name, preferred_username, email, email_verified, groups },
    {
      sub: ADA.sub,
      nonce: 'a-nonce',
      name: 'ada',
      preferred_username: 'ada',
      email: ADA.email,
      email_verified: true,
      groups: ['platform', 'admins'],
    },
  )
  assert.equal(typeof sid, 'string')
  const access = await jwtVerify(tokens.access_token ?? '', keys, {
    issuer: set.issuer.issuer,
    audience: AUDIENCE,
    typ: 'at+jwt',
  })
  assert.equal(access.protectedHeader.alg, 'RS256')
  assert.deepEqual([access.payload.sub, access.payload.client_id, access.payload.scope], [ADA.sub, 'web', 'read'])
  assert.deepEqual(access.payload.groups, ['platform', 'admins'])
})

test('a command-line client without a secret signs in on any loopback port', async (t) => {
  const { issuer, browser, party } = await stageIssuer(t)
  const redirectUri = `http://127.0.0.1:${new URL(party.redirectUri).port}/callback`
  const { url, verifier } = authorizationUrl(issuer.issuer, 'cli', redirectUri)
  const code = new URL((await browser.signIn(url, 'bob')).url).searchParams.get('code') ?? ''
  const form = {
    grant_type: 'authorization_code',
    client_id: 'cli',
    code,
    code_verifier: verifier,
    redirect_uri: redirectUri,
  }
  const answer = await callTokenEndpoint(browser, issuer.issuer, form)
  assert.equal(decodeJwt(answer.access_token ?? '').sub, BOB.sub)
})

test('a machine gets a token of its own for the resource it names', async (t) => {
  const set = await stageIssuer(t)
  const form = { grant_type: 'client_credentials', resource: AUDIENCE, scope: 'read' }
  const answer = await callTokenEndpoint(set.browser, set.issuer.issuer, form, BATCH)
  const { payload } = await jwtVerify(answer.access_token ?? '', await keysOf(set), {
    audience: AUDIENCE,
    typ: 'at+jwt',
  })
  assert.deepEqual([payload.sub, payload.client_id, payload.scope, payload.groups], ['batch', 'batch', 'read', undefined])
  const unnamed = await callTokenEndpoint(set.browser, set.issuer.issuer, { grant_type: 'client_credentials' }, BATCH)
  assert.equal(decodeJwt(unnamed.access_token ?? '').aud, AUDIENCE)
})

test('private_key_jwt works once for each assertion', async (t) => {
  const { issuer, browser } = await stageIssuer(t)
  const assertion = await new SignJWT({ jti: randomUUID() })
    .setProtectedHeader({ alg: 'ES256', kid: 'one' })
    .setIssuer('signed')
    .setSubject('signed')
    .setAudience(issuer.issuer)
    .setIssuedAt()
    .setExpirationTime('1m')
    .sign(SIGNER.privateKey)
  const form = {
    grant_type: 'client_credentials',
    client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
    client_assertion: assertion,
  }
  assert.equal((await callTokenEndpoint(browser, issuer.issuer, form)).status, 200)
  assert.equal((await callTokenEndpoint(browser, issuer.issuer, form)).error, 'invalid_client')
})

test('links name the issuer URL whatever headers were sent, and requests are counted', async (t) => {
  const { issuer, browser } = await stageIssuer(t, { issuerUrl: 'https://login.example.test' })
  assert.equal(issuer.issuer, 'https://login.example.test')
  const headers = { host: 'evil.localhost', 'x-forwarded-host': 'evil.test', 'x-forwarded-proto': 'http' }
  const { body } = await browser.get(`${issuer.listening}/.well-known/openid-configuration`, { headers })
  assert.doesNotMatch(body, /evil|http:/)
  assert.equal(JSON.parse(body).token_endpoint, 'https://login.example.test/token')
  await browser.get(`${issuer.listening}/jwks`)
  const { discovery, jwks, token } = issuer.requests()
  assert.deepEqual({ discovery, jwks, token }, { discovery: 1, jwks: 1, token: 0 })
})

test('over TLS its cookies are Secure and the whole flow works', async (t) => {
  const authority = await createCertificateAuthority('Mandate dev')
  const tls = await authority.issue({ commonName: 'issuer', dnsNames: ['localhost'] })
  const set = { ...(await stageIssuer(t, { tls })), browser: createBrowser({ ca: authority.certificatePem }) }
  assert.match(set.issuer.issuer, /^https:/)
  const { id_token } = await signIn(set, ADA)
  await jwtVerify(id_token ?? '', await keysOf(set), { issuer: set.issuer.issuer, audience: 'web' })
  const cookies = set.browser.cookies(set.issuer.issuer)
  assert.ok(cookies.length > 0 && cookies.every(({ secure, httpOnly, sameSite }) => secure && httpOnly && sameSite === 'lax'))
})

test('a signing algorithm other than RS256 is used throughout', async (t) => {
  for (const signingAlg of ['ES256', 'PS256', 'EdDSA'] as const) {
    const set = await stageIssuer(t, { signingAlg })
    const tokens = await signIn(set, ADA)
    const keys = await keysOf(set)
    for (const token of [tokens.id_token, tokens.access_token, set.issuer.mintAccessToken('ada')]) {
      assert.equal((await jwtVerify(token ?? '', keys)).protectedHeader.alg, signingAlg)
    }
  }
})

import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { decodeJwt, jwtVerify } from 'jose'
import { ADA, AUDIENCE, BATCH, BOB, type IssuerStage, keysOf, stageIssuer, WEB } from '../../../test/fakes/issuer-stage.ts'
import { callTokenEndpoint, type TokenAnswer } from '../../../test/fakes/relying-party.ts'

const REPORTS = 'https://reports.test'
const TOKEN_TYPE = 'urn:ietf:params:oauth:token-type:'
const GRANT = 'urn:ietf:params:oauth:grant-type:token-exchange'

async function stage(t: TestContext): Promise<IssuerStage> {
  return stageIssuer(t, {
    audience: [AUDIENCE, REPORTS],
    clients: [
      { id: WEB.clientId, secret: WEB.secret, redirectUris: ['http://localhost/callback'], exchanges: [AUDIENCE] },
      { id: BATCH.clientId, secret: BATCH.secret, machine: true },
      { id: 'narrow', secret: 'the-secret-of-narrow', exchanges: [] },
      { id: 'cli', public: true, redirectUris: ['http://127.0.0.1/callback'] },
    ],
  })
}

function exchange(
  { issuer, browser }: IssuerStage,
  token: string,
  more: Readonly<Record<string, string>> = {},
  client: { readonly clientId: string; readonly secret: string } = WEB,
): Promise<TokenAnswer & { readonly issued_token_type?: string; readonly token_type?: string; readonly scope?: string }> {
  const form = { grant_type: GRANT, subject_token: token, subject_token_type: `${TOKEN_TYPE}access_token`, audience: REPORTS, ...more }
  return callTokenEndpoint(browser, issuer.issuer, form, client)
}

test('refuses a subject token that is none, of another type, over, of another issuer or key, or a logout token', async (t) => {
  const set = await stage(t)
  const { issuer } = set
  const other = await stageIssuer(t)
  const idToken = issuer.mintIdToken('ada', 'web')
  const faults: ReadonlyArray<readonly [string, string, string]> = [
    ['nothing', '', 'access_token'],
    ['no token', 'x', 'access_token'],
    ['an ID token as an access token', idToken, 'access_token'],
    ['an access token as an ID token', issuer.mintAccessToken('ada'), 'id_token'],
    ['a type that is not taken', issuer.mintAccessToken('ada'), 'saml2'],
    ['one that is over', issuer.mintAccessToken('ada', { claims: { exp: 1 } }), 'access_token'],
    ['one without a subject', issuer.mintAccessToken('ada', { claims: { sub: undefined } }), 'access_token'],
    ['one of another issuer', other.issuer.mintAccessToken('ada'), 'access_token'],
    ['one without a signature', issuer.mintAccessToken('ada', { header: { alg: 'none' } }), 'access_token'],
    ['a logout token as an ID token', issuer.mintLogoutToken('ada', 'web', { header: { typ: 'JWT' } }), 'id_token'],
  ]
  for (const [what, token, type] of faults) {
    const answer = await exchange(set, token, { subject_token_type: `${TOKEN_TYPE}${type}` })
    assert.deepEqual([answer.status, answer.error, answer.access_token], [400, 'invalid_request', undefined], what)
  }
})

test('refuses a token that was neither issued to the client nor for it', async (t) => {
  const set = await stage(t)
  const narrow = { clientId: 'narrow', secret: 'the-secret-of-narrow' }
  const token = set.issuer.mintAccessToken('ada')
  assert.deepEqual((await exchange(set, token, {}, narrow)).error, 'invalid_request')
  const named = set.issuer.mintAccessToken('ada', { claims: { aud: [AUDIENCE, 'narrow'] } })
  assert.equal((await exchange(set, named, {}, narrow)).status, 200)
})

test('refuses clients that may not: without the right, with a wrong secret, or without a secret at all', async (t) => {
  const set = await stage(t)
  const token = set.issuer.mintAccessToken('ada')
  assert.equal((await exchange(set, token, {}, BATCH)).error, 'invalid_request')
  assert.deepEqual((await exchange(set, token, {}, { ...WEB, secret: 'guess' })).error, 'invalid_client')
  const form = { grant_type: GRANT, client_id: 'cli', subject_token: token, subject_token_type: `${TOKEN_TYPE}access_token` }
  const answer = await callTokenEndpoint(set.browser, set.issuer.issuer, { ...form, audience: REPORTS })
  assert.equal(answer.error, 'invalid_request')
})

test('refuses audiences that are not here, none and two, more scopes, an actor, and other types of token', async (t) => {
  const set = await stage(t)
  const token = set.issuer.mintAccessToken('ada', { claims: { scope: 'read' } })
  const faults: ReadonlyArray<readonly [Record<string, string>, string]> = [
    [{ audience: 'https://elsewhere.test' }, 'invalid_target'],
    [{ audience: '' }, 'invalid_target'],
    [{ resource: 'https://elsewhere.test' }, 'invalid_target'],
    [{ scope: 'read write' }, 'invalid_scope'],
    [{ actor_token: token, actor_token_type: `${TOKEN_TYPE}access_token` }, 'invalid_request'],
    [{ requested_token_type: `${TOKEN_TYPE}refresh_token` }, 'invalid_request'],
  ]
  for (const [more, error] of faults) assert.deepEqual((await exchange(set, token, more)).error, error, JSON.stringify(more))
})

test('gives the same person at the other audience: no more scopes, no longer, no word of who asked', async (t) => {
  const set = await stage(t)
  const own = set.issuer.mintAccessToken('ada', { claims: { exp: Math.floor(Date.now() / 1000) + 100, scope: 'read write' } })
  const answer = await exchange(set, own, { scope: 'read', requested_token_type: `${TOKEN_TYPE}access_token` })
  assert.deepEqual([answer.status, answer.issued_token_type, answer.token_type], [200, `${TOKEN_TYPE}access_token`, 'Bearer'])
  assert.equal(answer.refresh_token, undefined)
  const { payload } = await jwtVerify(answer.access_token ?? '', await keysOf(set), {
    issuer: set.issuer.issuer,
    audience: REPORTS,
    typ: 'at+jwt',
  })
  assert.deepEqual(
    [payload.sub, payload.aud, payload['client_id'], payload['scope'], payload['act']],
    [ADA.sub, REPORTS, 'web', 'read', undefined],
  )
  assert.deepEqual(payload['groups'], ADA.groups)
  assert.ok((payload.exp ?? 0) <= (decodeJwt(own).exp ?? 0))
  const fromId = await exchange(set, set.issuer.mintIdToken('ada', 'web'), { subject_token_type: `${TOKEN_TYPE}id_token` })
  assert.equal(decodeJwt(fromId.access_token ?? '')['scope'], undefined)
})

test('gives a machine, and keeps who acts for a person; a resource names the audience as well', async (t) => {
  const set = await stage(t)
  const robot = set.issuer.mintAccessToken({ client: BATCH.clientId })
  const machine = decodeJwt((await exchange(set, robot, { audience: '', resource: REPORTS })).access_token ?? '')
  assert.deepEqual([machine.sub, machine.aud, machine['groups']], [BATCH.clientId, REPORTS, undefined])
  const act = { sub: 'agent' }
  const acted = decodeJwt((await exchange(set, set.issuer.mintAccessToken('bob', { claims: { act } }))).access_token ?? '')
  assert.deepEqual([acted.sub, acted['act']], [BOB.sub, act])
})

test('takes tokens from before a key rotation until the old key is forgotten', async (t) => {
  const set = await stage(t)
  const token = set.issuer.mintAccessToken('ada')
  await set.issuer.rotateKeys()
  assert.equal((await exchange(set, token)).status, 200)
  await set.issuer.rotateKeys({ forgetOld: true })
  assert.equal((await exchange(set, token)).error, 'invalid_request')
})

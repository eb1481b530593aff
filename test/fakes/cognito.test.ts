/** The stand-in for Cognito and its machines, seen by clients that know nothing of Mandate: openid-client and jose. */
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { createRemoteJWKSet, decodeJwt, decodeProtectedHeader, jwtVerify } from 'jose'
import { allowInsecureRequests, ClientSecretBasic, ClientSecretPost, clientCredentialsGrant, discovery } from 'openid-client'
import { type CognitoUser, startCognito } from './cognito.ts'

const READ = 'https://api.lab.example/read'
const WRITE = 'https://api.lab.example/write'
const ADA: CognitoUser = { username: 'ada', sub: 'e4f8a4b8-0041-70a1-1111-2c3d4e5f6a7b', email: 'ada@corp.example', groups: ['admins'] }
const UUID = /^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/

const stage = async (t: TestContext) => {
  const pool = await startCognito({
    clients: [
      { id: 'robot', secret: 'robotsecret', grant: 'client_credentials', scopes: [READ, WRITE] },
      { id: 'bare', secret: 'baresecret', grant: 'client_credentials', scopes: [] },
      { id: 'web', secret: 'websecret', grant: 'code', scopes: ['openid', 'email'] },
    ],
  })
  t.after(() => pool.close())
  const keys = createRemoteJWKSet(new URL(`${pool.issuer}/.well-known/jwks.json`), { cooldownDuration: 0 })
  return { pool, keys }
}

test('every fault of a request for a token is 400 with its name alone', async (t) => {
  const { pool } = await stage(t)
  const basic = (id: string, secret: string) => `Basic ${Buffer.from(`${id}:${secret}`).toString('base64')}`
  const robot = basic('robot', 'robotsecret')
  const ask = async (authorization: string | undefined, form: Record<string, string>, type = 'application/x-www-form-urlencoded') => {
    const headers = { 'content-type': type, ...(authorization === undefined ? {} : { authorization }) }
    const answer = await fetch(`${pool.domain}/oauth2/token`, { method: 'POST', headers, body: new URLSearchParams(form).toString() })
    return [answer.status, await answer.json()]
  }
  const grant_type = 'client_credentials'
  for (const [error, authorization, form, type] of [
    ['invalid_client', undefined, { grant_type }],
    ['invalid_client', basic('robot', 'wrong'), { grant_type }],
    ['invalid_client', basic('nobody', 'robotsecret'), { grant_type }],
    ['invalid_client', 'Basic %%%', { grant_type }],
    ['unauthorized_client', basic('web', 'websecret'), { grant_type }],
    ['unauthorized_client', robot, { grant_type: 'authorization_code', code: 'x' }],
    ['invalid_request', basic('web', 'websecret'), { grant_type: 'authorization_code', code: 'x' }],
    ['invalid_request', basic('web', 'websecret'), { grant_type: 'refresh_token' }],
    ['invalid_grant', basic('web', 'websecret'), { grant_type: 'authorization_code', code: 'x', redirect_uri: 'https://app.example/cb' }],
    ['invalid_grant', basic('web', 'websecret'), { grant_type: 'refresh_token', refresh_token: 'x' }],
    ['invalid_scope', robot, { grant_type, scope: 'https://api.lab.example/admin' }],
    ['invalid_scope', robot, { grant_type, scope: `${READ} openid` }],
    ['invalid_scope', basic('bare', 'baresecret'), { grant_type }],
    ['unsupported_grant_type', robot, { grant_type: 'password' }],
    ['invalid_request', robot, {}],
    ['invalid_request', robot, { grant_type }, 'application/json'],
  ] as const)
    assert.deepEqual(await ask(authorization, { ...form }, type), [400, { error }], `${error} ${JSON.stringify(form)}`)
})

test('a machine gets a token of the shape that Cognito documents, by either way to show a secret', async (t) => {
  const { pool, keys } = await stage(t)
  for (const proof of [ClientSecretBasic, ClientSecretPost]) {
    const config = await discovery(new URL(pool.issuer), 'robot', 'robotsecret', proof('robotsecret'), { execute: [allowInsecureRequests] })
    const answer = await clientCredentialsGrant(config, { scope: READ })
    assert.deepEqual(
      { ...answer, access_token: '' },
      { access_token: '', expires_in: 3600, token_type: 'bearer' },
      'it says neither scope nor refresh token',
    )
    const { payload, protectedHeader } = await jwtVerify(answer.access_token, keys, { issuer: pool.issuer, algorithms: ['RS256'] })
    assert.deepEqual(Object.keys(protectedHeader), ['kid', 'alg'])
    const { iat = 0, exp = 0, jti = '', ...claims } = payload
    assert.equal(exp - iat, 3600)
    assert.match(jti, UUID)
    assert.deepEqual(claims, {
      sub: 'robot',
      token_use: 'access',
      scope: READ,
      auth_time: iat,
      iss: pool.issuer,
      version: 2,
      client_id: 'robot',
    })
    const all = await clientCredentialsGrant(config)
    assert.equal(decodeJwt(all.access_token)['scope'], `${READ} ${WRITE}`)
  }
})

test("a person's tokens have a user, and ID tokens another key and an audience", async (t) => {
  const { pool, keys } = await stage(t)
  const [access, id] = [pool.userAccessToken(ADA, 'web'), pool.userIdToken(ADA, 'web')]
  assert.notEqual(decodeProtectedHeader(access).kid, decodeProtectedHeader(id).kid)
  const said = (await jwtVerify(access, keys, { issuer: pool.issuer })).payload
  assert.deepEqual(
    [said['username'], said.sub, said['client_id'], said['token_use'], said['cognito:groups'], said.aud],
    ['ada', ADA.sub, 'web', 'access', ['admins'], undefined],
  )
  const known = (await jwtVerify(id, keys, { issuer: pool.issuer, audience: 'web' })).payload
  assert.deepEqual(
    [known['cognito:username'], known['token_use'], known['client_id'], known['scope'], known['email_verified']],
    ['ada', 'id', undefined, undefined, true],
  )
  for (const claims of [said, known])
    assert.ok([claims.jti, claims['origin_jti'], claims['event_id']].every((value) => UUID.test(String(value))))
  assert.match(String(known['at_hash']), /^[\w-]{22}$/)
})

test('two keys are published, named in plain base64, and after a rotation two others', async (t) => {
  const { pool, keys } = await stage(t)
  const kids = async () => {
    const answer = await fetch(`${pool.issuer}/.well-known/jwks.json`)
    const { keys: published } = (await answer.json()) as { keys: Array<Record<string, string>> }
    for (const key of published) assert.deepEqual(Object.keys(key), ['alg', 'e', 'kid', 'kty', 'n', 'use'])
    return published.map(({ kid = '' }) => kid)
  }
  const before = await kids()
  for (const kid of before) assert.equal(Buffer.from(kid, 'base64').toString('base64'), kid)
  const old = pool.machineToken('robot')
  pool.rotate()
  const after = await kids()
  assert.equal(new Set([...before, ...after]).size, 4)
  assert.equal(pool.asked('/jwks.json'), 2)
  await assert.rejects(jwtVerify(old, keys), { code: 'ERR_JWKS_NO_MATCHING_KEY' })
  await jwtVerify(pool.machineToken('robot'), keys)
})

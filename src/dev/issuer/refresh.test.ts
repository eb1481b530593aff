import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import { ADA, BATCH, refresh, signIn, stageIssuer, WEB } from '../../../test/fakes/issuer-stage.ts'

test('a rotating refresh token works once; its second use ends the family', async (t) => {
  const set = await stageIssuer(t)
  const first = await signIn(set, ADA)
  const second = await refresh(set, first.refresh_token)
  assert.equal(second.status, 200)
  assert.notEqual(second.refresh_token, first.refresh_token)
  assert.equal((await refresh(set, first.refresh_token)).error, 'invalid_grant')
  assert.equal((await refresh(set, second.refresh_token)).error, 'invalid_grant')
  assert.deepEqual(
    set.issuer.redemptions().map(({ tokenDigest, reused, status }) => ({ tokenDigest, reused, status })),
    [
      { tokenDigest: digest(first.refresh_token), reused: false, status: 200 },
      { tokenDigest: digest(first.refresh_token), reused: true, status: 400 },
      { tokenDigest: digest(second.refresh_token), reused: false, status: 400 },
    ],
  )
})

test('of twenty simultaneous uses of one rotating refresh token at most one succeeds', async (t) => {
  const set = await stageIssuer(t)
  const { refresh_token: token } = await signIn(set, ADA)
  const answers = await Promise.all(Array.from({ length: 20 }, () => refresh(set, token)))
  assert.ok(answers.filter(({ status }) => status === 200).length <= 1)
  assert.equal(set.issuer.redemptions().filter(({ reused }) => reused).length, 19)
})

test('a reusable refresh token works again', async (t) => {
  const set = await stageIssuer(t, { refreshTokens: 'reusable' })
  const { refresh_token: token } = await signIn(set, ADA)
  for (let round = 0; round < 3; round++) {
    const answer = await refresh(set, token)
    assert.deepEqual([answer.status, answer.refresh_token], [200, token])
  }
})

test('a revoked refresh token is dead, and only its own client may ask about it', async (t) => {
  const set = await stageIssuer(t)
  const { refresh_token: token = '' } = await signIn(set, ADA)
  const ask = async (path: string, { clientId, secret }: typeof WEB) => {
    const authorization = `Basic ${Buffer.from(`${clientId}:${encodeURIComponent(secret)}`).toString('base64')}`
    return set.browser.post(`${set.issuer.issuer}/token/${path}`, { token }, { authorization, accept: 'application/json' })
  }
  assert.equal(JSON.parse((await ask('introspection', BATCH)).body).active, false)
  assert.equal(JSON.parse((await ask('introspection', WEB)).body).active, true)
  assert.equal((await ask('revocation', WEB)).status, 200)
  assert.equal(JSON.parse((await ask('introspection', WEB)).body).active, false)
  assert.equal((await refresh(set, token)).error, 'invalid_grant')
})

function digest(token: string | undefined): string {
  return createHash('sha256')
    .update(token ?? '')
    .digest('hex')
}

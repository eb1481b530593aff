import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createFakeClock } from '../clock.fake.ts'
import { Secret } from '../secret.ts'
import { createVerifyIdToken } from './id-token.ts'
import { accessClaims, assertRefused, mint, signKey } from './stage.fake.ts'

const ISSUER = 'https://issuer.example'

function stage(clientId: string) {
  const clock = createFakeClock()
  const key = signKey('RS256', 'one')
  const verify = createVerifyIdToken(
    { issuer: ISSUER, clientId, algorithms: ['RS256'] },
    { keys: { find: async () => key.publicKey }, clock },
  )
  return (claims: object) => verify(new Secret(mint(key, accessClaims(ISSUER, clock, { aud: 'web', ...claims }))), {})
}

test('refuses what says of itself that it is another token', async () => {
  const verify = stage('web')
  for (const claims of [
    { token_use: 'access' },
    { token_use: 'ID' },
    { token_use: null },
    { typ: 'Bearer' },
    { typ: 'Logout' },
    { events: {} },
  ])
    await assertRefused(verify(claims), 'token_type_wrong', JSON.stringify(claims))
  assert.equal((await verify({ token_use: 'id', typ: 'ID' })).claims.sub, 'user-ada')
  await verify({})
})

test('refuses every token where Mandate has no client', async () => {
  const verify = stage('')
  for (const aud of ['web', '', [], ['']]) await assertRefused(verify({ aud }), 'token_audience_wrong', JSON.stringify(aud))
  await assertRefused(verify({ aud: undefined }), 'token_claims_invalid')
})

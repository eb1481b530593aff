import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { takenAsBearer } from './taken-as-bearer.ts'

const access = { accept: 'access-token', accessTokenType: 'at+jwt', audience: 'api://mandate' } as const
const plain = { ...access, accessTokenType: 'jwt' } as const
const ids = { accept: 'id-token', accessTokenType: 'at+jwt', audience: 'mandate' } as const

describe('a token that could be replayed at Mandate', () => {
  test('is one of the type that the provider takes, with its audience', () => {
    assert.equal(takenAsBearer(access, { typ: 'at+jwt', audiences: ['kubernetes', 'api://mandate'] }), true)
    for (const typ of ['jwt', undefined]) {
      assert.equal(takenAsBearer(plain, { typ, audiences: ['api://mandate'] }), true)
      assert.equal(takenAsBearer(ids, { typ, audiences: ['mandate'] }), true)
    }
  })
  test('is none of another audience or another type', () => {
    for (const provider of [access, plain]) assert.equal(takenAsBearer(provider, { typ: 'at+jwt', audiences: ['kubernetes'] }), false)
    assert.equal(takenAsBearer(ids, { typ: 'jwt', audiences: ['api://mandate'] }), false)
    // The ID token of a provider whose bearers are typed access tokens.
    assert.equal(takenAsBearer(access, { typ: 'jwt', audiences: ['mandate', 'api://mandate'] }), false)
    assert.equal(takenAsBearer(plain, { typ: 'at+jwt', audiences: ['api://mandate'] }), false)
  })
  test('is none of a provider that is not configured', () => assert.equal(takenAsBearer(undefined, { typ: 'jwt', audiences: [''] }), false))
})

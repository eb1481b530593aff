import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Judged } from './bearer-rules/rule-of.ts'
import { takenAsBearer } from './taken-as-bearer.ts'

const access: Judged = { kind: 'oidc', machineClients: [], accept: 'access-token', accessTokenType: 'at+jwt', audience: 'api://mandate' }
const plain: Judged = { ...access, accessTokenType: 'jwt' }
const ids: Judged = { ...access, accept: 'id-token', audience: 'mandate' }
const pool: Judged = { ...plain, kind: 'cognito', audience: '', machineClients: ['robot'] }

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
  test('is one without an audience where the kind names none, and with one only if that is configured', () => {
    assert.equal(takenAsBearer(pool, { typ: undefined, audiences: [] }), true)
    assert.equal(takenAsBearer(pool, { typ: undefined, audiences: ['web'] }), false)
    assert.equal(takenAsBearer({ ...pool, audience: 'api://mandate' }, { typ: undefined, audiences: ['web', 'api://mandate'] }), true)
    assert.equal(takenAsBearer(plain, { typ: undefined, audiences: [] }), false)
  })
  test('is none of a provider that is not configured', () => assert.equal(takenAsBearer(undefined, { typ: 'jwt', audiences: [''] }), false))
})

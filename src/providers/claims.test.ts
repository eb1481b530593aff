import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { principalOf, shownClaims } from './claims.ts'
import { providerConfig } from './stage.fake.ts'
import type { VerifiedClaims } from './verify.ts'

const REGISTERED = { iss: 'https://issuer.example', sub: 'eve', aud: ['a'], exp: 2, iat: 1 }
/** Claims as they come out of JSON. */
const claimsOf = (json: string) => ({ ...REGISTERED, ...(JSON.parse(json) as object) }) as unknown as VerifiedClaims
const CEO = 'ceo@corp.example'
const NAMES = { groups: 'groups', name: 'name', whoami: [], scopes: ['scope'] }
const configOf = (names: object, more: object = {}) => ({
  ...providerConfig('https://issuer.example'),
  claims: { ...NAMES, ...names },
  ruleClaims: [],
  ...more,
})

describe('an e-mail that is not verified is not taken', () => {
  for (const verified of [false, undefined, 'true', 1, null]) {
    const claims = claimsOf(JSON.stringify({ email: CEO, email_verified: verified }))
    test(`as a group, a name, a user of clusters, or in a rule, with email_verified ${JSON.stringify(verified)}`, () => {
      const names = { groups: 'email', name: 'email', whoami: ['email'] }
      const config = configOf(names, { kubernetes: { user: 'email' }, ruleClaims: ['email'] })
      assert.deepEqual(principalOf('person', claims, config), {
        kind: 'person',
        provider: config.name,
        issuer: 'https://issuer.example',
        subject: 'eve',
        groups: [],
        claims: {},
      })
      assert.deepEqual(shownClaims(claims, config), {})
    })
  }
  test('nor makes a list of them groups', () => {
    const claims = claimsOf(JSON.stringify({ email: [CEO, 'admins'], email_verified: false }))
    assert.deepEqual(principalOf('person', claims, configOf({ groups: 'email' })).groups, [])
  })
})

test('a verified e-mail counts wherever the configuration takes it', () => {
  const claims = claimsOf(JSON.stringify({ email: CEO, email_verified: true }))
  const config = configOf({ groups: 'email', name: 'email' }, { kubernetes: { user: 'email' }, ruleClaims: ['email'] })
  const { groups, name, email, kubernetesUser, claims: ruled } = principalOf('person', claims, config)
  assert.deepEqual([groups, name, email, kubernetesUser, ruled], [[CEO], CEO, CEO, CEO, { email: [CEO] }])
})

test('claims that only every object has say nothing', () => {
  const config = configOf({ groups: 'toString', name: 'constructor' }, { ruleClaims: ['valueOf', '__proto__'] })
  const { groups, name, claims } = principalOf('person', claimsOf('{}'), config)
  assert.deepEqual([groups, name, Object.entries(claims ?? {})], [[], undefined, []])
})

describe('a number in a claim that rules look at', () => {
  const said = (json: string) =>
    principalOf('machine', claimsOf(`{"tenant":${json}}`), configOf({}, { ruleClaims: ['tenant'] })).claims?.['tenant']

  for (const number of [
    '1234567890123456789',
    '1234567890123456700',
    '9007199254740993',
    '9007199254740992',
    '-9007199254740993',
    '1.5',
    '1e400',
  ])
    test(`says nothing when it is ${number}, alone and in a list`, () => {
      assert.deepEqual(said(number), [])
      assert.deepEqual(said(`["acme", ${number}, 7, true]`), ['acme', '7', 'true'])
    })
  test('says the same text as no other number', () => {
    fc.assert(
      fc.property(
        fc.oneof(fc.bigInt({ min: -(2n ** 70n), max: 2n ** 70n }), fc.maxSafeInteger().map(BigInt)),
        fc.integer({ min: -5, max: 5 }),
        (number, step) => {
          const neighbour = number + BigInt(step)
          const [text] = said(String(number)) ?? []
          if (text !== undefined) assert.equal(text, String(number))
          const [other] = said(String(neighbour)) ?? []
          assert.ok(number === neighbour || text === undefined || text !== other)
        },
      ),
    )
  })
  test('says its digits as far as they are kept, and text says all of them', () => {
    assert.deepEqual([said('0'), said('-7'), said('9007199254740991')], [['0'], ['-7'], ['9007199254740991']])
    assert.deepEqual(said('"1234567890123456789"'), ['1234567890123456789'])
  })
})

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { bearerCaller, loginCaller, principalOf } from './principal.fake.ts'
import { callerKey, principalKey } from './principal.ts'

describe('the key of a principal', () => {
  test('differs whenever issuer or subject differ, however they are cut', () => {
    const pair = fc.tuple(fc.string(), fc.string())
    fc.assert(
      fc.property(pair, pair, ([issuer, subject], [other, another]) => {
        const same = issuer === other && subject === another
        assert.equal(principalKey({ issuer, subject }) === principalKey({ issuer: other, subject: another }), same)
      }),
    )
    assert.notEqual(principalKey({ issuer: 'a', subject: 'bc' }), principalKey({ issuer: 'ab', subject: 'c' }))
    assert.notEqual(principalKey({ issuer: 'a","b', subject: 'c' }), principalKey({ issuer: 'a', subject: 'b","c' }))
  })

  test('rests on nothing else: attributes may change', () => {
    const one = principalOf({ name: 'Alice', email: 'a@corp.example', groups: [] })
    assert.equal(principalKey(one), principalKey(principalOf({ name: 'Other', groups: ['x'] })))
  })

  test('is a digest: it shows neither', () => assert.match(principalKey(principalOf()), /^[A-Za-z0-9_-]{43}$/))
})

describe('the key of a caller', () => {
  test('differs between proofs of one person', () => {
    const keys = [
      loginCaller({ proof: { loginId: 'l1' } }),
      loginCaller({ proof: { loginId: 'l2' } }),
      bearerCaller('t1'),
      bearerCaller('t2'),
      bearerCaller('t1', { proof: { digest: 'l1' } }),
    ].map(callerKey)
    assert.equal(new Set(keys).size, keys.length)
  })

  test('differs between who acts, also behind the first', () => {
    const [robot, other] = [principalOf({ subject: 'robot' }), principalOf({ subject: 'other' })]
    const keys = [{}, { actor: robot }, { actor: other }, { actor: { ...robot, actor: other } }, { actor: { ...other, actor: robot } }].map(
      (principal) => callerKey(loginCaller({ principal })),
    )
    assert.equal(new Set(keys).size, keys.length)
  })

  test('cannot be imitated by a subject that is written like one', () => {
    const real = callerKey(loginCaller({ principal: { subject: 'alice' }, proof: { loginId: 'x' } }))
    for (const subject of ['alice",null,"login","x"]', 'alice",null,"login","x', '["alice"]'])
      assert.notEqual(callerKey(loginCaller({ principal: { subject } })), real)
  })

  test('is the same for a new request with the same proof', () => {
    assert.equal(callerKey(bearerCaller('t')), callerKey(bearerCaller('t', { principal: { groups: ['later'] } })))
  })
})

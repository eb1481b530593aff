import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { bearerCaller, loginCaller, principalOf } from '../principal.fake.ts'
import { AUDIT_EVENTS, whoOf } from './audit-event.ts'

describe('who', () => {
  test('tells nothing of a token but the beginning of its digest', () => {
    const caller = bearerCaller('very.secret.token')
    const who = JSON.stringify(whoOf(caller))
    assert.ok(!who.includes('secret.token'))
    assert.ok(caller.proof.kind === 'bearer')
    assert.ok(!who.includes(caller.proof.digest))
    assert.ok(who.includes(`bearer:${caller.proof.digest.slice(0, 16)}"`))
  })

  test('tells no name and no e-mail', () => {
    const who = whoOf(loginCaller({ principal: { name: 'Alice Example', email: 'alice@corp.example' } }))
    assert.deepEqual(Object.keys(who), ['kind', 'provider', 'issuer', 'subject', 'proof'])
    assert.ok(!JSON.stringify(who).includes('Example'))
  })

  test('names the client of a bearer and its scopes, and says how many there was no room for', () => {
    const who = whoOf(bearerCaller('t', { proof: { client: 'robot', scopes: ['read', 'write'] } }))
    assert.deepEqual([who.client, who.scopes], ['robot', ['read', 'write']])
    assert.deepEqual(Object.keys(whoOf(bearerCaller('t'))), ['kind', 'provider', 'issuer', 'subject', 'proof'])
    const many = Array.from({ length: 1_000 }, (_, at) => `scope-${at}`)
    const { scopes = [] } = whoOf(bearerCaller('t', { proof: { scopes: many } }))
    assert.equal(scopes.at(-1), `and ${1_000 - scopes.length + 1} more`)
    assert.ok(JSON.stringify(scopes).length < 3_500)
    assert.deepEqual(whoOf(bearerCaller('t', { proof: { scopes: ['x'.repeat(3_000)] } })).scopes, ['and 1 more'])
  })

  test('names who acts for the subject', () => {
    const actor = principalOf({ kind: 'machine', subject: 'robot', name: 'Robot' })
    assert.deepEqual(whoOf(loginCaller({ principal: { actor } })).actor, { issuer: 'https://issuer.example', subject: 'robot' })
  })

  test('tells two sign-ins of one person apart', () => {
    const [one, two] = ['1'.repeat(43), '2'.repeat(43)].map((loginId) => whoOf(loginCaller({ proof: { loginId } })).proof)
    assert.notEqual(one, two)
  })
})

describe('the catalogue', () => {
  test('says what each event means, in a sentence', () => {
    for (const { means } of Object.values(AUDIT_EVENTS)) assert.match(means, /^[A-Z].*\.$/)
  })

  test('has no fact twice in an event and no fact that would hold a secret', () => {
    for (const [name, { facts }] of Object.entries(AUDIT_EVENTS)) {
      assert.equal(new Set(facts).size, facts.length, name)
      for (const fact of facts) assert.doesNotMatch(fact, /token|cookie|secret|password|header|body|email/i)
    }
  })

  test('ties what follows a grant to its attempt', () => {
    for (const name of ['granted', 'refused', 'effect', 'completed', 'failed', 'stream-opened', 'stream-closed'] as const) {
      assert.ok((AUDIT_EVENTS[name].facts as readonly string[]).includes('attempt'), name)
    }
  })
})

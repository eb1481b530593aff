import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import type { HeaderLine } from '../credential.ts'
import { bearerCaller, loginCaller } from '../principal.fake.ts'
import { createNone, identityLines } from './none.ts'

const said = (lines: readonly HeaderLine[], header: string) => lines.find(([name]) => name === header)?.[1]
const membersOf = (lines: readonly HeaderLine[], header: string) => said(lines, header)?.split(',').map(decodeURIComponent) ?? []

describe('nobody is said to ask', () => {
  const target = { id: 'route/app', audience: '', scopes: [] }
  const actor = (changes: object) => ({ actor: { ...loginCaller().principal, ...changes } })
  for (const [what, principal] of [
    ['without a subject', { subject: '' }],
    ['without an issuer', { issuer: '' }],
    ['with half a character in the subject', { subject: 'a\ud800' }],
    ['with half a character in the name', { name: '\udc00' }],
    ['with half a character in the e-mail', { email: '\udc00@x' }],
    ['with half a character in a group', { groups: ['a', '\ud83d'] }],
    ['when an actor has no subject', actor({ subject: '' })],
    ['when an actor has half a character', actor({ issuer: 'https://\ud800' })],
  ] as const) {
    test(what, async () => {
      const answer = await createNone().assume(loginCaller({ principal }), target)
      assert.equal(answer.result === 'refused' && answer.refusal.code, 'identity_unusable')
    })
  }

  test('with half a character in a scope', async () => {
    const answer = await createNone().assume(bearerCaller('t', { proof: { scopes: ['\ud800'] } }), target)
    assert.equal(answer.result === 'refused' && answer.refusal.code, 'identity_unusable')
  })
})

describe('identity headers', () => {
  for (const [value, written] of [
    ['a\r\nX-Mandate-Subject: admin', 'a%0D%0AX-Mandate-Subject: admin'],
    ['a,admins', 'a%2Cadmins'],
    ['100%', '100%25'],
    ['%2C', '%252C'],
    [' a ', '%20a%20'],
    ['  ', '%20%20'],
    ['Zoë', 'Zo%C3%AB'],
    ['a\u0000b\u007f', 'a%00b%7F'],
    ['Alice Adams', 'Alice Adams'],
  ] as const) {
    test(`write ${JSON.stringify(value)} as ${written}`, () => {
      const lines = identityLines(loginCaller({ principal: { subject: value, name: value, groups: [value, 'x'] } }))
      assert.equal(said(lines, 'X-Mandate-Subject'), written)
      assert.equal(said(lines, 'X-Mandate-Name'), written)
      assert.equal(said(lines, 'X-Mandate-Groups'), `${written},x`)
    })
  }

  test('whatever an issuer says comes back as it was said, each header on one line and once', () => {
    const text = fc.string({ unit: 'grapheme', minLength: 1 })
    fc.assert(
      fc.property(text, fc.array(text), (subject, groups) => {
        const lines = identityLines(loginCaller({ principal: { subject, groups } }))
        for (const [, value] of lines) assert.match(value, /^[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?$/)
        assert.equal(new Set(lines.map(([name]) => name)).size, lines.length)
        assert.deepEqual(membersOf(lines, 'X-Mandate-Subject'), [subject])
        assert.deepEqual(membersOf(lines, 'X-Mandate-Groups'), groups)
      }),
      { numRuns: 500 },
    )
  })

  test('leave out what the issuer did not say, and scopes of a login', () => {
    const lines = identityLines(loginCaller({ principal: { groups: [''] } }))
    assert.deepEqual(lines, [
      ['X-Mandate-Subject', 'alice'],
      ['X-Mandate-Issuer', 'https://issuer.example'],
      ['X-Mandate-Provider', 'corp'],
      ['X-Mandate-Kind', 'person'],
    ])
  })

  test('tell who acts for somebody, and whom they act for', () => {
    const actor = { ...loginCaller().principal, subject: 'agent, 7', issuer: 'https://agents.example' }
    const lines = identityLines(loginCaller({ principal: { actor } }))
    assert.equal(said(lines, 'X-Mandate-Subject'), 'alice')
    assert.equal(said(lines, 'X-Mandate-Actor'), 'agent%2C 7')
    assert.equal(said(lines, 'X-Mandate-Actor-Issuer'), 'https://agents.example')
  })

  test("tell a bearer's scopes", () => {
    const caller = bearerCaller('t', {
      principal: { kind: 'machine', groups: [] },
      proof: { scopes: ['read', 'https://api.example/db,x'] },
    })
    const lines = identityLines(caller)
    assert.equal(said(lines, 'X-Mandate-Kind'), 'machine')
    assert.deepEqual(membersOf(lines, 'X-Mandate-Scopes'), ['read', 'https://api.example/db,x'])
    assert.ok(!JSON.stringify(lines).includes('Bearer'))
  })
})

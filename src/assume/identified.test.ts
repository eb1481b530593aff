import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { type HeaderLine, present } from '../credential.ts'
import { Refusal } from '../errors.ts'
import { bearerCaller, loginCaller } from '../principal.fake.ts'
import type { Caller } from '../principal.ts'
import { Secret } from '../secret.ts'
import { type IdentityHeader, identified, identityLines, M2M_HEADERS, MANDATE_HEADERS } from './identified.ts'
import { createNone } from './none.ts'

const said = (lines: readonly HeaderLine[], header: string) => lines.find(([name]) => name === header)?.[1]
const membersOf = (lines: readonly HeaderLine[], header: string) => said(lines, header)?.split(',').map(decodeURIComponent) ?? []

describe('nobody is said to ask', () => {
  const target = { id: 'route/app', audience: '', scopes: [] }
  const actor = (changes: object) => ({ actor: { ...loginCaller().principal, ...changes } })
  for (const [what, principal] of [
    ['without a subject', { subject: '' }],
    ['without an issuer', { issuer: '' }],
    ['with half a character in the subject', { subject: 'a\ud800' }],
    ['with half a character in the provider', { provider: '\ud800' }],
    ['with half a character in the name', { name: '\udc00' }],
    ['with half a character in the e-mail', { email: '\udc00@x' }],
    ['with half a character in a group', { groups: ['a', '\ud83d'] }],
    ['when an actor has no subject', actor({ subject: '' })],
    ['when an actor has half a character', actor({ issuer: 'https://\ud800' })],
  ] as const) {
    test(what, async () => {
      const answer = await identified(createNone(), MANDATE_HEADERS).assume(loginCaller({ principal }), target)
      assert.equal(answer.result === 'refused' && answer.refusal.code, 'identity_unusable')
    })
  }

  for (const [what, proof] of [
    ['scope', { scopes: ['read', '\ud800'] }],
    ['client', { client: '\ud800' }],
  ] as const)
    test(`with half a character in a ${what}`, async () => {
      const answer = await identified(createNone(), MANDATE_HEADERS).assume(bearerCaller('t', { proof }), target)
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

  test('of a machine are what it asked for and by which client, in the words of services that know machines alone', () => {
    const machine = bearerCaller('t', {
      principal: { kind: 'machine' },
      proof: { client: '7abc', scopes: ['https://api.example/read', 'a b', 'c,d'] },
    })
    assert.deepEqual(identityLines(machine, M2M_HEADERS), [
      ['X-M2M-Client-ID', '7abc'],
      ['X-M2M-Scope', 'https://api.example/read a%20b c%2Cd'],
    ])
    const person = bearerCaller('t', { proof: { client: '7abc', scopes: ['https://api.example/read'] } })
    for (const caller of [loginCaller(), person]) assert.deepEqual(identityLines(caller, M2M_HEADERS), [])
    assert.equal(said(identityLines(machine), 'X-Mandate-Client'), '7abc')
  })

  test('have the names that an operator chose, and no others', () => {
    const chosen: readonly IdentityHeader[] = [{ name: 'X-Who', says: 'subject' }]
    assert.deepEqual(identityLines(loginCaller(), chosen), [['X-Who', 'alice']])
  })
})

describe('a credential that says who asks', () => {
  const target = { id: 'route/app', audience: 'app', scopes: [] }
  const bare = (token: string) => ({ kind: 'bearer', token: new Secret(token), expiresAt: 1 }) as const

  test('is dressed anew when the source gives another one, and never with the lines of somebody else', async () => {
    let given = bare('one')
    const source = identified({ assume: async () => ({ result: 'granted', credential: given }) }, MANDATE_HEADERS)
    const of = async (caller: Caller) => {
      const answer = await source.assume(caller, target)
      assert.equal(answer.result, 'granted')
      return answer.result === 'granted' ? present(answer.credential) : []
    }
    const alice = loginCaller()
    const bob = loginCaller({ principal: { subject: 'bob' } })
    assert.deepEqual((await of(alice)).slice(0, 2), [
      ['Authorization', 'Bearer one'],
      ['X-Mandate-Subject', 'alice'],
    ])
    assert.equal(said(await of(bob), 'X-Mandate-Subject'), 'bob')
    given = bare('two')
    assert.deepEqual((await of(alice)).slice(0, 2), [
      ['Authorization', 'Bearer two'],
      ['X-Mandate-Subject', 'alice'],
    ])
    assert.equal(said(await of(bob), 'X-Mandate-Subject'), 'bob')
  })

  test('is dressed once for the same caller, so that whoever gets it refused gives back the very one', async () => {
    const source = identified({ assume: async () => ({ result: 'granted', credential: given }) }, MANDATE_HEADERS)
    const given = bare('one')
    const caller = loginCaller()
    const [first, second] = [await source.assume(caller, target), await source.assume(caller, target)]
    assert.ok(first.result === 'granted' && second.result === 'granted')
    assert.equal(first.credential, second.credential)
  })

  test('is not given when the source refuses', async () => {
    const refusal = new Refusal('credential_not_offered')
    const source = identified({ assume: async () => ({ result: 'refused', refusal }) }, MANDATE_HEADERS)
    assert.deepEqual(await source.assume(loginCaller(), target), { result: 'refused', refusal })
  })
})

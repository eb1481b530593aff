import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import type { HeaderLine } from '../credential.ts'
import { bearerCaller, loginCaller } from '../principal.fake.ts'
import { identityLines } from './none.ts'

const said = (lines: readonly HeaderLine[], header: string) => lines.find(([name]) => name === header)?.[1]
const membersOf = (lines: readonly HeaderLine[], header: string) => said(lines, header)?.split(',').map(decodeURIComponent) ?? []

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

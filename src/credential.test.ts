import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { bearerCredential, type ImpersonationCredential, impersonationCredential, present } from './credential.ts'
import { Secret } from './secret.ts'

const END = Date.UTC(2026, 0, 1)
type Parts = Omit<ImpersonationCredential, 'kind'>
const parts = (changes: Partial<Parts> = {}): Parts => ({
  broker: new Secret('broker'),
  user: 'corp:alice',
  uid: 'u1',
  groups: ['corp:dev'],
  extra: [],
  expiresAt: END,
  ...changes,
})
const NOT_CARRIED = ['', ' ', ' a', 'a ', 'a\r\nb', 'a\nb', 'a\0', '\ta', 'a\t', 'é', '😀', 'a\u00a0', '\ud800']

describe('refuses', () => {
  for (const text of ['', ' ', 'a b', 'a\r\nX: y', 'a,b', '"a"', 'é', '=', '==a', 'a=b', 'Bearer a']) {
    test(`a token that RFC 6750 could not carry: ${JSON.stringify(text)}`, () => {
      assert.throws(() => bearerCredential(new Secret(text), END), { name: 'Refusal', code: 'credential_not_offered' })
      assert.throws(() => impersonationCredential(parts({ broker: new Secret(text) })), {
        name: 'Refusal',
        code: 'credential_unavailable',
        status: 503,
      })
    })
  }
  for (const text of NOT_CARRIED) {
    test(`an identity that a header line could not carry unchanged: ${JSON.stringify(text)}`, () => {
      const all: Partial<Parts>[] = [{ user: text }, { uid: text }, { groups: ['ok', text] }, { extra: [['k', text]] }]
      for (const changes of all) assert.throws(() => impersonationCredential(parts(changes)), { code: 'identity_unusable', status: 403 })
    })
  }
  test('an extra value without a key', () => {
    assert.throws(() => impersonationCredential(parts({ extra: [['', 'v']] })), { code: 'identity_unusable' })
  })
  test('without quoting what it refused', () => {
    for (const changes of [{ user: 'hunter2\n' }, { broker: new Secret('hunter2 ') }]) {
      assert.throws(
        () => impersonationCredential(parts(changes)),
        (error: Error) => !`${error.stack}`.includes('hunter2'),
      )
    }
  })
})

describe('present', () => {
  test('a bearer is one line', () => {
    assert.deepEqual(present(bearerCredential(new Secret('a.b-c_d~e+f/g=='), END)), [['Authorization', 'Bearer a.b-c_d~e+f/g==']])
  })
  test("an impersonation has the broker's token, user, uid, and each group and extra value on a line of its own", () => {
    const credential = impersonationCredential(
      parts({
        groups: ['a', 'b, c', 'a'],
        extra: [
          ['k', '1'],
          ['k', '2'],
        ],
      }),
    )
    assert.deepEqual(present(credential), [
      ['Authorization', 'Bearer broker'],
      ['Impersonate-User', 'corp:alice'],
      ['Impersonate-Uid', 'u1'],
      ['Impersonate-Group', 'a'],
      ['Impersonate-Group', 'b, c'],
      ['Impersonate-Group', 'a'],
      ['Impersonate-Extra-k', '1'],
      ['Impersonate-Extra-k', '2'],
    ])
  })
  test('an identity without rights has no line', () => assert.deepEqual(present({ kind: 'identity', expiresAt: END }), []))

  test('is pure, and nothing can change what it shows', () => {
    const groups = ['dev']
    const credential = impersonationCredential(parts({ groups }))
    groups.push('system:masters')
    const before = JSON.stringify(present(credential))
    assert.throws(() => Object.assign(credential, { user: 'root' }), TypeError)
    assert.throws(() => Object.assign(credential.groups, ['root']), TypeError)
    assert.equal(JSON.stringify(present(credential)), before)
    assert.ok(!before.includes('masters'))
    assert.ok(Object.isFrozen(bearerCredential(new Secret('t'), END)))
  })

  test('of whatever was accepted: never empty, each line a header that can be sent', () => {
    const text = fc.oneof(fc.string(), fc.string({ unit: 'binary' }), fc.constantFrom(...NOT_CARRIED))
    const any = fc.record({ token: text, user: text, uid: text, groups: fc.array(text), extra: fc.array(fc.tuple(text, text)) })
    fc.assert(
      fc.property(any, ({ token, ...identity }) => {
        const made = [
          () => bearerCredential(new Secret(token), END),
          () => impersonationCredential({ broker: new Secret(token), ...identity, expiresAt: END }),
        ]
        for (const make of made) {
          let lines: ReturnType<typeof present>
          try {
            lines = present(make())
          } catch {
            continue
          }
          assert.match(lines[0]?.[1] ?? '', /^Bearer ./)
          for (const [name, value] of lines) {
            assert.match(name, /^[A-Za-z0-9!#$%&'*+.^_`|~-]+$/)
            assert.match(value, /^[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?$/)
          }
        }
      }),
      { numRuns: 2_000 },
    )
  })
})

describe('an extra key', () => {
  const PREFIX = 'Impersonate-Extra-'
  const sent = (key: string) =>
    present(impersonationCredential(parts({ extra: [[key, 'v']] })))
      .at(-1)?.[0]
      .slice(PREFIX.length) ?? ''
  /** What an API server makes of the header's name: lower case first, percent-decoding after that. */
  const received = (name: string) => decodeURIComponent(name.toLowerCase())

  // Pairs as client-go's transport sends them, but for the case of letters, which the server lowers.
  const pairs: ReadonlyArray<[string, string]> = [
    ['scopes', 'scopes'],
    ['Scopes', 'scopes'],
    ['mandate.dev/provider', 'mandate.dev%2Fprovider'],
    ['a b', 'a%20b'],
    ['100%', '100%25'],
    ['%2F', '%252f'],
    ['ü', '%C3%BC'],
    ['a:b\r\n', 'a%3Ab%0D%0A'],
    ["!#$&'*+-.^_`|~", "!#$&'*+-.^_`|~"],
  ]
  for (const [key, expected] of pairs) test(`${JSON.stringify(key)} is sent as ${expected}`, () => assert.equal(sent(key), expected))

  test('arrives as it was, ASCII letters in lower case', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', minLength: 1 }), (key) => {
        assert.equal(
          received(sent(key)),
          key.replace(/[A-Z]/g, (letter) => letter.toLowerCase()),
        )
      }),
    )
  })
})

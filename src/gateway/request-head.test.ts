import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import fc from 'fast-check'
import { Refusal } from '../errors.ts'
import type { RefusalCode } from '../refusal-codes.ts'
import { foldName, readHead } from './request-head.ts'

function refused(lines: readonly string[], code: RefusalCode): void {
  assert.throws(
    () => readHead(lines),
    (error: unknown) => error instanceof Refusal && error.code === code,
  )
}

suite('the request head', () => {
  for (const name of [
    'Impersonate-User',
    'impersonate-user',
    'IMPERSONATE-USER',
    'Impersonate_User',
    'impersonate_user',
    'Impersonate-Group',
    'Impersonate-Uid',
    'Impersonate_Uid',
    'Impersonate-Extra-Scopes',
    'impersonate-extra-acme.com%2fproject',
    'Impersonate_Extra_Scopes',
    'Impersonate',
    'impersonatefoo',
    'IMPERSONATE_',
  ]) {
    test(`refuses ${name} from a caller`, () => refused(['Host', 'x', name, 'admin'], 'impersonation_refused'))
  }

  for (const name of [
    'Host',
    'Authorization',
    'Cookie',
    'Origin',
    'Content-Length',
    'Content-Type',
    'Transfer-Encoding',
    'Sec-Fetch-Site',
    'Expect',
    'Referer',
    'Upgrade',
  ]) {
    test(`refuses ${name} twice, in whatever case`, () => refused([name, '1', name.toLowerCase(), '1'], 'header_ambiguous'))
    if (!name.includes('-')) continue
    test(`refuses ${name} with an underscore, beside the right one or alone`, () => {
      const spelled = name.replaceAll('-', '_')
      refused([spelled, '1'], 'header_ambiguous')
      refused([name, '1', spelled, '1'], 'header_ambiguous')
    })
  }

  for (const coding of ['gzip, chunked', 'chunked, chunked', 'identity', 'xchunked', 'chunked;q=1', '"chunked"', '']) {
    test(`refuses the transfer coding ${JSON.stringify(coding)}`, () => refused(['Transfer-Encoding', coding], 'header_ambiguous'))
  }

  test('refuses a length beside chunks', () => refused(['Transfer-Encoding', 'chunked', 'Content-Length', '5'], 'header_ambiguous'))

  test('takes 100 headers and refuses 101', () => {
    const lines = Array.from({ length: 100 }, (_, i) => [`X-${i}`, 'v']).flat()
    assert.equal(readHead(lines).values.size, 100)
    refused([...lines, 'X-more', 'v'], 'headers_too_many')
  })

  test('an underscored name adds nothing to what a proxy wrote with hyphens', () => {
    const { values } = readHead(['X-Forwarded-For', '10.0.0.9', 'X_Forwarded_For', '203.0.113.66'])
    assert.equal(values.get('x-forwarded-for'), '10.0.0.9')
  })

  test('joins what may be repeated, in its order', () => {
    assert.equal(readHead(['X-Forwarded-For', 'a', 'x-forwarded-for', 'b']).values.get('x-forwarded-for'), 'a, b')
  })

  test('whatever the spelling, a name that folds to impersonate... does not get in', () => {
    const spelling = fc.mixedCase(
      fc.constantFrom('impersonate-user', 'impersonate_user', 'impersonate-extra-a_b', 'impersonate-uid', 'impersonate_group'),
    )
    fc.assert(fc.property(spelling, (name) => refused([name, 'x'], 'impersonation_refused')))
  })

  test('no two names of what was read fold to the same', () => {
    const name = fc.string({ unit: fc.constantFrom('a', 'A', '-', '_', 'b'), minLength: 1, maxLength: 4 })
    fc.assert(
      fc.property(fc.array(fc.tuple(name, fc.constant('v')), { maxLength: 20 }), (lines) => {
        const names = [...readHead(lines.flat()).values.keys()]
        assert.equal(new Set(names.map(foldName)).size, names.length)
      }),
    )
  })
})

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { anyJson } from './json.fake.ts'
import { JsonFaulty, parseJson } from './json.ts'

const refuses = (what: string, bytes: string | Buffer, problem: string) =>
  void test(what, () =>
    assert.throws(
      () => parseJson(Buffer.from(bytes)),
      (error) => error instanceof JsonFaulty && error.problem === problem && error.message === problem,
    ),
  )

describe('refuses', () => {
  refuses('nothing', '', 'it is not JSON')
  refuses('text after the value', '{} {}', 'it is not JSON')
  refuses('a comment', '{} // x', 'it is not JSON')
  refuses('bytes that are not UTF-8', Buffer.from([0x22, 0xff, 0x22]), 'it is not UTF-8')
  refuses('a surrogate as UTF-8 bytes', Buffer.from([0x22, 0xed, 0xa0, 0x80, 0x22]), 'it is not UTF-8')
  refuses('a byte order mark', '\ufeff{}', 'it is not JSON')
  refuses('UTF-16', Buffer.from('{}', 'utf16le'), 'it is not JSON')
  refuses('a key __proto__', '{"a": [{"__proto__": {"admin": true}}]}', 'it holds the key __proto__')
  refuses('a key __proto__ that is spelled with escapes', String.raw`{"__pro\u0074o__": 1}`, 'it holds the key __proto__')
  refuses('half a surrogate pair in a text', String.raw`["\ud800"]`, 'it holds text with half a surrogate pair')
  refuses('half a surrogate pair in a key', String.raw`{"\udc00": 1}`, 'it holds text with half a surrogate pair')
  refuses('a number past a double', '[1e999]', 'it holds a number that is too large')
  refuses('65 lists in each other', `${'['.repeat(65)}${']'.repeat(65)}`, 'it is nested deeper than 64')
  refuses('a million lists in each other', '['.repeat(1_000_000) + ']'.repeat(1_000_000), 'it is nested deeper than 64')
})

test('64 lists in each other are read', () => {
  assert.doesNotThrow(() => parseJson(Buffer.from(`${'['.repeat(64)}${']'.repeat(64)}`)))
})

test('keys of the language are data', () => {
  const read = parseJson(Buffer.from('{"constructor": 1, "toString": 2}'))
  assert.deepEqual(Object.entries(read ?? {}), [
    ['constructor', 1],
    ['toString', 2],
  ])
})

test('whatever JSON says is read as it was written', () => {
  fc.assert(
    fc.property(anyJson, (json) => {
      const text = JSON.stringify(json)
      assert.equal(JSON.stringify(parseJson(Buffer.from(text))), text)
    }),
  )
})

test('whatever the bytes are, the answer is JSON or one kind of error', () => {
  fc.assert(
    fc.property(fc.oneof(fc.uint8Array(), fc.string().map(Buffer.from)), (bytes) => {
      try {
        parseJson(Buffer.from(bytes))
      } catch (error) {
        assert.ok(error instanceof JsonFaulty)
      }
    }),
  )
})

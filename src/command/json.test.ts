import assert from 'node:assert/strict'
import { test } from 'node:test'
import { jsonOf } from './json.ts'

test('no text of it can write into a terminal, and none is lost', () => {
  const hostile = { a: '\u001b[2J\u009b31m\u0080\u007f', '\u009d0;x\u0007': '\u202eevil\u2066\u2028', plain: 'zażółć 🦊' }
  for (const indent of [undefined, 2]) {
    const text = jsonOf(hostile, indent)
    assert.doesNotMatch(text.replaceAll('\n', ''), /[\u0000-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069]/)
    assert.deepEqual(JSON.parse(text), hostile)
  }
  assert.equal(jsonOf(['\u009b']), '["\\u009b"]')
})

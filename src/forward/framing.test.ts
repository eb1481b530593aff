import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { Refusal } from '../errors.ts'
import { endsByClosing, isEncoded, withoutLength } from './framing.ts'

const isBroken = (error: unknown) => error instanceof Refusal && error.code === 'upstream_broke'

suite('the framing of an answer', () => {
  for (const codings of [['gzip'], ['gzip, chunked'], ['chunked, gzip'], ['identity'], ['gzip', 'chunked'], ['chunked', 'chunked'], ['']]) {
    test(`refuses the transfer coding ${codings.map((coding) => `"${coding}"`).join(' and ')}`, () => {
      assert.throws(() => endsByClosing(codings.map((coding) => ['Transfer-Encoding', coding] as const)), isBroken)
    })
  }

  test('is told by its length, its chunks, or by nothing', () => {
    assert.equal(endsByClosing([['CONTENT-LENGTH', '5']]), false)
    assert.equal(endsByClosing([['transfer-encoding', ' Chunked ']]), false)
    assert.equal(endsByClosing([['Content-Type', 'text/plain']]), true)
  })

  test('knows encoded content, and leaves a length out', () => {
    assert.equal(isEncoded([['content-encoding', 'gzip']]), true)
    assert.equal(isEncoded([['Content-Encoding', 'identity']]), false)
    assert.equal(isEncoded([]), false)
    assert.deepEqual(
      withoutLength([
        ['Content-length', '5'],
        ['X', 'y'],
      ]),
      [['X', 'y']],
    )
  })
})

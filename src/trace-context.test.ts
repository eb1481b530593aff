import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { readTraceParent } from './trace-context.ts'

const TRACE = '0af7651916cd43dd8448eb211c80319c'
const SPAN = 'b7ad6b7169203331'
const GOOD = `00-${TRACE}-${SPAN}-01`

describe('ignores', () => {
  const faults: Readonly<Record<string, string | undefined>> = {
    nothing: undefined,
    'an empty header': '',
    'the version ff': `ff-${TRACE}-${SPAN}-01`,
    'a trace id of zeros': `00-${'0'.repeat(32)}-${SPAN}-01`,
    'a span id of zeros': `00-${TRACE}-${'0'.repeat(16)}-01`,
    'upper case': GOOD.toUpperCase(),
    'spaces around it': ` ${GOOD} `,
    'a line behind it': `${GOOD}\n`,
    'two of them, joined': `${GOOD}, ${GOOD}`,
    'more behind version 00': `${GOOD}-00`,
    'more behind a later version without a dash': `01-${TRACE}-${SPAN}-01x`,
    'a trace id that is too short': `00-${TRACE.slice(1)}-${SPAN}-01`,
    'a span id that is too long': `00-${TRACE}-${SPAN}0-01`,
    'no flags': `00-${TRACE}-${SPAN}`,
    'flags that are no number': `00-${TRACE}-${SPAN}-0g`,
    'a header without end': `01-${TRACE}-${SPAN}-01-${'x'.repeat(10_000)}`,
  }
  for (const [what, header] of Object.entries(faults)) test(what, () => assert.equal(readTraceParent(header), undefined))

  test('everything that is not of the form, and never throws', () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 80 }), (header) => {
        assert.equal(readTraceParent(header), undefined)
      }),
    )
  })
})

describe('reads', () => {
  test('ids and whether it is sampled', () => {
    assert.deepEqual(readTraceParent(GOOD), { traceId: TRACE, spanId: SPAN, traceFlags: 1 })
    assert.deepEqual(readTraceParent(`00-${TRACE}-${SPAN}-00`)?.traceFlags, 0)
  })
  test('of flags that are not known the known one alone', () => {
    for (const [flags, known] of [
      ['ff', 1],
      ['fe', 0],
      ['03', 1],
    ] as const)
      assert.equal(readTraceParent(`00-${TRACE}-${SPAN}-${flags}`)?.traceFlags, known)
  })
  test('of a later version what is known', () => {
    for (const header of [`01-${TRACE}-${SPAN}-01`, `cc-${TRACE}-${SPAN}-01-what-the-future-will-be-like`])
      assert.deepEqual(readTraceParent(header), { traceId: TRACE, spanId: SPAN, traceFlags: 1 })
  })
})

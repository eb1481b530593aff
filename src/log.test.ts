import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { createLog, describeError, type Level } from './log.ts'
import { StoreUnavailable } from './store/store.ts'

function stage(level?: Level) {
  const lines: string[] = []
  return { lines, log: createLog((line) => lines.push(line), level) }
}

describe('never repeats', () => {
  test('the message of an error', () => {
    const { log, lines } = stage()
    const error = Object.assign(new TypeError('token eyJhunter2', { cause: new Error('hunter2') }), {
      code: 'ERR_X',
      detail: 'hunter2',
      response: { body: 'hunter2' },
    })
    log.fault('failed', error)
    log.warn('failed', describeError(error))
    assert.ok(!lines.join('').includes('hunter2'))
    assert.deepEqual(describeError(error), { error: 'TypeError', code: 'ERR_X', cause: 'Error' })
  })

  test('a message that is written like the positions of a stack', () => {
    const { log, lines } = stage()
    log.fault('failed', new Error('lost\n    at hunter2 (file:///hunter2:1:1)\n    at more-hunter2:1:2'))
    assert.ok(!lines.join('').includes('hunter2'))
    assert.match(lines[0] ?? '', /"at":"at .*log\.test\.ts/)
  })

  test('a message that was changed after the stack was taken', () => {
    const { log, lines } = stage()
    const error = new Error('hunter2\n    at hunter2 (file:///hunter2:1:1)')
    error.message = 'harmless'
    log.fault('failed', error)
    assert.ok(!lines.join('').includes('hunter2'))
  })

  test('a name or code that was put together at run time', () => {
    const error = Object.assign(new Error('x', { cause: Object.assign(new Error('x'), { name: 'hunter2 hunter2', code: 'hunter2!' }) }), {
      name: 'Error with hunter2',
      code: `hunter2 ${'x'.repeat(80)}`,
    })
    assert.deepEqual(describeError(error), { error: 'Error', cause: 'Error' })
    assert.deepEqual(describeError(Object.assign(new Error('x'), { code: { hunter2: 1 }, name: 7 })), { error: 'Error' })
  })

  test('anything of what was thrown and is no error', () => {
    assert.deepEqual(
      ['hunter2', { message: 'hunter2' }, undefined, null, 1].map((thrown) => describeError(thrown).error),
      ['string', 'object', 'undefined', 'object', 'number'],
    )
    const { log, lines } = stage()
    log.fault('failed', 'hunter2')
    assert.ok(!lines.join('').includes('hunter2'))
  })
})

describe('describes', () => {
  test('an error by its class, code, and the code or class of its cause', () => {
    assert.deepEqual(describeError(new StoreUnavailable('x')), { error: 'StoreUnavailable' })
    const cause = Object.assign(new Error('x'), { code: 'ECONNREFUSED' })
    assert.deepEqual(describeError(new Error('x', { cause })), { error: 'Error', cause: 'ECONNREFUSED' })
    assert.deepEqual(describeError(new Error('x', { cause: new RangeError('x') })), { error: 'Error', cause: 'RangeError' })
    assert.deepEqual(describeError(new Error('x', { cause: 'hunter2' })), { error: 'Error' })
  })
})

describe('a line', () => {
  test('is one JSON object with time, level and message first', () => {
    const { log, lines } = stage()
    log.info('two\nlines', { path: 'a"b\r\n', count: 2, missing: undefined })
    assert.equal(lines.length, 1)
    assert.match(lines[0] ?? '', /^\{"time":"\d{4}-\d\d-\d\dT[\d:.]+Z","level":"info","message":"two\\nlines"/)
    assert.equal((lines[0] ?? '').indexOf('\n'), (lines[0] ?? '').length - 1)
    assert.deepEqual(
      { ...JSON.parse(lines[0] ?? ''), time: '' },
      { time: '', level: 'info', message: 'two\nlines', path: 'a"b\r\n', count: 2 },
    )
  })

  test('keeps its time, level and message whatever the fields are called', () => {
    const { log, lines } = stage()
    log.warn('real', { message: 'other', level: 'info', time: 'never', error: 'x' })
    const line = JSON.parse(lines[0] ?? '')
    assert.deepEqual([line.level, line.message, line.error], ['warn', 'real', 'x'])
    assert.notEqual(line.time, 'never')
  })

  test('is written from the level that is asked for', () => {
    const written = (level: Level) => {
      const { log, lines } = stage(level)
      log.info('i')
      log.warn('w')
      log.fault('f', new Error('x'))
      return lines.map((line) => JSON.parse(line).message).join('')
    }
    assert.deepEqual((['info', 'warn', 'error', 'silent'] as const).map(written), ['iwf', 'wf', 'f', ''])
  })
})

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { advice } from './advice/advice.ts'
import { configOf, faultsAfter } from './config.fake.ts'

const faults = (tracing: unknown) => faultsAfter((draft) => (draft['tracing'] = tracing))
const advised = (tracing: unknown) =>
  advice(configOf((draft) => (draft['tracing'] = tracing))).filter(({ path }) => path.startsWith('tracing'))

describe('traces are refused', () => {
  test('over plain http to another machine, which is not asked for', () => {
    for (const tracing of [{ otlp: 'http://otel.svc:4318' }, { otlp: 'http://10.0.0.1:4318', plaintextOpen: false }])
      assert.deepEqual(faults(tracing), [
        'tracing.otlp | is http to a host that is not loopback | use https, or write plaintextOpen: true if nobody else can reach that network',
      ])
  })
  test('to what is no address, or has a password in it, whatever is asked for', () => {
    for (const otlp of ['otel:4318', 'ftp://otel', 'http://u:p@otel', 'http://otel/?a=b'])
      assert.match(faults({ otlp, plaintextOpen: true }).join(), /^tracing\.otlp \| /, otlp)
  })
})

describe('traces go', () => {
  test('over https, and over http on loopback', () => {
    for (const otlp of ['https://otel.example/otlp', 'http://127.0.0.1:4318', 'http://localhost:4318']) {
      assert.deepEqual(faults({ otlp }), [])
      assert.deepEqual(advised({ otlp }), [])
    }
  })
  test('over plain http when that is asked for, with advice', () => {
    const tracing = { otlp: 'http://otel.svc:4318', plaintextOpen: true }
    assert.deepEqual(faults(tracing), [])
    assert.deepEqual(
      advised(tracing).map(({ path }) => path),
      ['tracing.plaintextOpen'],
    )
  })
})

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import fc from 'fast-check'
import { createFakeClock } from '../clock.fake.ts'
import type { AuditEvent } from './audit-event.ts'
import { effectOf, eventsIn, memoryTarget } from './audit-sink.fake.ts'
import { JsonLinesSink } from './json-lines.ts'
import { PartlyWritten } from './line-target.ts'

const UNAVAILABLE = { name: 'Refusal', code: 'audit_unavailable', status: 503 }

function stage() {
  const clock = createFakeClock()
  const target = memoryTarget()
  const health: boolean[] = []
  const lost: number[] = []
  const sink = new JsonLinesSink({ target, clock, onHealth: (healthy) => health.push(healthy), onLost: (notes) => lost.push(notes) })
  const effects = () => target.writes.flatMap((text) => eventsIn(text)).map((event) => ('effect' in event ? event.effect : event.event))
  return { clock, target, sink, health, lost, effects }
}

const full = () => Promise.reject(Object.assign(new Error('no space left'), { code: 'ENOSPC' }))

describe('refuses', () => {
  test('every record of a write that failed, and takes the next', async () => {
    const { sink, target, health, effects } = stage()
    target.faults.push(full)
    const failed = await Promise.allSettled([sink.record(effectOf('one')), sink.record(effectOf('two'))])
    assert.deepEqual(
      failed.map(({ status }) => status),
      ['rejected', 'rejected'],
    )
    await assert.rejects(Promise.reject(failed[0]?.status === 'rejected' ? failed[0].reason : undefined), UNAVAILABLE)
    await sink.record(effectOf('three'))
    assert.deepEqual(effects(), ['three'])
    assert.deepEqual(health, [false, true])
  })

  test('a record without a word of why the target failed', async () => {
    const { sink, target } = stage()
    target.faults.push(() => Promise.reject(new Error('secret-path')))
    await assert.rejects(sink.record(effectOf('one')), (error: Error) => !`${error.stack}${error.cause}`.includes('secret-path'))
  })

  test('records at once while a write hangs, after giving the hanging ones up', async () => {
    const { sink, target, clock, health } = stage()
    const hanging = Promise.withResolvers<void>()
    target.faults.push(() => hanging.promise)
    const inIt = assert.rejects(sink.record(effectOf('in the hanging write')), UNAVAILABLE)
    await turn()
    const behindIt = assert.rejects(sink.record(effectOf('waits behind it')), UNAVAILABLE)
    await clock.advance(4_999)
    assert.deepEqual(health, [])
    await clock.advance(1)
    await Promise.all([inIt, behindIt])
    await assert.rejects(sink.record(effectOf('comes later')), UNAVAILABLE)
    assert.deepEqual(health, [false])
    hanging.resolve()
    await turn()
    await sink.record(effectOf('after it'))
    assert.deepEqual(
      eventsIn(target.writes.join('')).map((event) => ('effect' in event ? event.effect : '')),
      ['after it'],
    )
    assert.deepEqual(health, [false, true])
  })

  test('records after it was closed', async () => {
    const { sink, target, clock } = stage()
    await sink.close()
    await assert.rejects(sink.record(effectOf('late')), UNAVAILABLE)
    sink.note(effectOf('late'))
    await clock.advance(1_000)
    assert.equal(target.closed, true)
    assert.deepEqual(target.writes, [])
  })
})

describe('recording', () => {
  test('all records of one turn go in one write, in their order', async () => {
    const { sink, target, effects } = stage()
    const names = Array.from({ length: 50 }, (_, at) => `e${at}`)
    await Promise.all(names.map((name) => sink.record(effectOf(name))))
    assert.equal(target.writes.length, 1)
    assert.deepEqual(effects(), names)
  })

  test('resolves only when the write has come to its end', async () => {
    const { sink, target } = stage()
    const slow = Promise.withResolvers<void>()
    target.faults.push(() => slow.promise)
    let done = false
    const recorded = sink.record(effectOf('one')).then(() => (done = true))
    for (let i = 0; i < 5; i++) await turn()
    assert.equal(done, false)
    slow.resolve()
    await recorded
  })

  test('what comes during a write goes with the next one, together', async () => {
    const { sink, target, effects } = stage()
    const slow = Promise.withResolvers<void>()
    target.faults.push(() => slow.promise)
    const first = sink.record(effectOf('in the slow write'))
    await turn()
    const later = [sink.record(effectOf('a'))]
    await turn()
    later.push(sink.record(effectOf('b')))
    await turn()
    assert.deepEqual(target.writes, [])
    slow.resolve()
    await Promise.all([first, ...later])
    assert.equal(target.writes.length, 1)
    assert.deepEqual(effects(), ['a', 'b'])
  })

  test('any text stays within one line and comes back as it was', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.string({ unit: 'binary' }), { minLength: 1, maxLength: 5 }), async (texts) => {
        const { sink, target, effects } = stage()
        await Promise.all(texts.map((text) => sink.record(effectOf(text))))
        assert.equal(target.writes.join('').split('\n').length, texts.length + 1)
        assert.deepEqual(effects(), texts)
      }),
      { numRuns: 200 },
    )
  })

  test("the time is the clock's and stands first", async () => {
    const { sink, target } = stage()
    await sink.record(effectOf('one'))
    assert.match(target.writes[0] ?? '', /^\{"time":"2026-01-01T00:00:00\.000Z","event":"effect",/)
  })
})

describe('notes', () => {
  test('are written within 100 ms, all in one write', async () => {
    const { sink, target, clock, effects } = stage()
    sink.note(effectOf('a'))
    await clock.advance(99)
    sink.note(effectOf('b'))
    assert.deepEqual(target.writes, [])
    await clock.advance(1)
    assert.deepEqual(effects(), ['a', 'b'])
    assert.equal(target.writes.length, 1)
  })

  test('ride along with a record that comes earlier', async () => {
    const { sink, effects, clock, target } = stage()
    sink.note(effectOf('noted'))
    await sink.record(effectOf('recorded'))
    assert.deepEqual(effects(), ['noted', 'recorded'])
    await clock.advance(200)
    assert.equal(target.writes.length, 1)
  })

  test('outlive a full disk and are written when there is room, without anybody asking', async () => {
    const { sink, target, clock, effects, lost } = stage()
    target.faults.push(full, full)
    sink.note(effectOf('a'))
    await clock.advance(100)
    sink.note(effectOf('b'))
    await clock.advance(1_000)
    assert.deepEqual(effects(), [])
    await clock.advance(1_000)
    assert.deepEqual(effects(), ['a', 'b'])
    assert.deepEqual(lost, [])
  })

  test('that were written whole before the disk was full are not written again', async () => {
    const { sink, target, clock, effects } = stage()
    sink.note(effectOf('a'))
    sink.note(effectOf('b'))
    sink.note(effectOf('c'))
    const line = JSON.stringify({ time: new Date(clock.now()).toISOString(), ...effectOf('a') }).length + 1
    target.faults.push(() => Promise.reject(new PartlyWritten(2 * line + 5, undefined)))
    await clock.advance(1_100)
    assert.deepEqual(effects(), ['c'])
  })

  test('are kept up to a bound during an outage, oldest first, and the loss is counted', async () => {
    const { sink, target, clock, effects, lost } = stage()
    target.faults.push(full)
    sink.note(effectOf('first'))
    await clock.advance(100)
    for (let at = 0; at < 12_000; at++) sink.note(effectOf(`n${at}`))
    await clock.advance(1_000)
    const written = effects()
    assert.equal(written.length, 10_000)
    assert.deepEqual([written[0], written.at(-1)], ['first', 'n9998'])
    assert.deepEqual(lost, [2_001])
  })

  test('of a burst are all written while nothing is wrong', async () => {
    const { sink, clock, effects, lost } = stage()
    for (let at = 0; at < 25_000; at++) {
      sink.note(effectOf(`n${at}`))
      if (at % 5_000 === 0) await turn()
    }
    await clock.advance(100)
    assert.equal(effects().length, 25_000)
    assert.deepEqual(lost, [])
  })

  test('leave no timer behind a clean stop', async () => {
    const { sink, clock, effects } = stage()
    sink.note(effectOf('a'))
    await sink.close()
    assert.deepEqual(effects(), ['a'])
    assert.equal(clock.pending, 0)
  })
})

describe('closing', () => {
  test('writes records and notes that wait, then closes the target', async () => {
    const { sink, target, effects } = stage()
    sink.note(effectOf('noted'))
    const recorded = sink.record(effectOf('recorded'))
    await Promise.all([recorded, sink.close()])
    assert.deepEqual(effects(), ['noted', 'recorded'])
    assert.equal(target.closed, true)
  })

  test('waits for the write under way', async () => {
    const { sink, target, effects } = stage()
    const slow = Promise.withResolvers<void>()
    target.faults.push(() => slow.promise)
    const first = sink.record(effectOf('slow'))
    await turn()
    sink.note(effectOf('last'))
    const closed = sink.close()
    await turn()
    assert.equal(target.closed, false)
    slow.resolve()
    await Promise.all([first, closed])
    assert.deepEqual(effects(), ['last'])
  })

  test('says how many notes it could not write', async () => {
    const { sink, target, lost, clock } = stage()
    target.faults.push(full)
    sink.note(effectOf('a'))
    await sink.close()
    assert.deepEqual(lost, [1])
    assert.equal(clock.pending, 0)
  })

  test('does not wait for a write that hangs', async () => {
    const { sink, target, clock } = stage()
    target.faults.push(() => new Promise<void>(() => undefined))
    const record = assert.rejects(sink.record(effectOf('one')), UNAVAILABLE)
    await clock.advance(5_000)
    await record
    await sink.close()
    assert.equal(target.closed, true)
  })
})

test('the events of the type are the events that are written', async () => {
  const { sink, target } = stage()
  const event: AuditEvent = { event: 'refresh', provider: 'corp', login: 'abc', result: 'renewed' }
  await sink.record(event)
  const { time, ...written } = eventsIn(target.writes.join(''))[0] ?? assert.fail()
  assert.ok(time)
  assert.deepEqual(written, event)
})

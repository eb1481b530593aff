import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { createFakeClock } from '../clock.fake.ts'
import { networkOf } from '../gateway/address.ts'
import { anonymousRefusal, effectOf, memorySink } from './audit-sink.fake.ts'
import { summed } from './summed.ts'

function stage() {
  const clock = createFakeClock()
  const inner = memorySink()
  const sink = summed(inner, clock, networkOf)
  const many = (count: number, address: string, changes: Parameters<typeof anonymousRefusal>[1] = {}) =>
    Promise.all(Array.from({ length: count }, () => sink.record(anonymousRefusal(address, changes))))
  const sums = () => inner.noted.map((event) => (event.event === 'refused' ? [event.address, event.code, event.count] : []))
  return { clock, inner, sink, many, sums }
}

const WHO = { kind: 'person', provider: 'corp', issuer: 'https://issuer.example', subject: 'alice', proof: 'login:1' } as const

describe('never sums', () => {
  test('anything but refusals', async () => {
    const { inner, sink } = stage()
    for (let i = 0; i < 50; i++) {
      await sink.record(effectOf('e'))
      sink.note(effectOf('n'))
    }
    assert.deepEqual([inner.recorded.length, inner.noted.length], [50, 50])
  })

  test('the first ten of an address in a second, and they fail as the log does', async () => {
    const { inner, sink, many } = stage()
    inner.failing = 'all'
    await assert.rejects(sink.record(anonymousRefusal('192.0.2.1')), { code: 'audit_unavailable' })
    inner.failing = new Set()
    await many(9, '192.0.2.1')
    assert.equal(inner.recorded.length, 9)
  })
})

describe('sums', () => {
  test('what goes beyond ten a second, and tells how many when the second is over', async () => {
    const { inner, many, sums, clock } = stage()
    await many(1_000, '192.0.2.1')
    assert.equal(inner.recorded.length, 10)
    await clock.advance(999)
    assert.deepEqual(sums(), [])
    await clock.advance(1)
    assert.deepEqual(sums(), [['192.0.2.1', 'not_signed_in', 990]])
  })

  test('each address and each reason by itself', async () => {
    const { many, sums, clock } = stage()
    await many(12, '192.0.2.1')
    await many(5, '192.0.2.1', { code: 'token_expired' })
    await many(11, '192.0.2.2')
    await clock.advance(1_000)
    assert.deepEqual(sums(), [
      ['192.0.2.1', 'not_signed_in', 2],
      ['192.0.2.1', 'token_expired', 5],
      ['192.0.2.2', 'not_signed_in', 1],
    ])
  })

  test('the refusals of one principal, from wherever and with whatever proof, and nobody else among them', async () => {
    const { inner, many, clock } = stage()
    await many(200, '192.0.2.1', { who: WHO, code: 'denied' })
    await many(200, '192.0.2.2', { who: { ...WHO, proof: 'bearer:2' }, code: 'denied' })
    await many(10, '192.0.2.1', { who: { ...WHO, subject: 'bob' }, code: 'denied' })
    await many(10, '192.0.2.1', { code: 'denied' })
    await clock.advance(1_000)
    assert.equal(inner.recorded.length, 30)
    const [sum, ...more] = inner.noted
    assert.ok(sum?.event === 'refused' && more.length === 0)
    assert.deepEqual([sum.address, sum.who, sum.count], ['several', { ...WHO, proof: 'several' }, 390])
  })

  test('the refusals of one machine with what all its tokens say, and nothing that one of them says', async () => {
    const { inner, many, clock } = stage()
    const robot = { ...WHO, kind: 'machine', client: 'robot', scopes: ['read'] } as const
    await many(11, '192.0.2.1', { who: robot, code: 'too_many_requests' })
    await many(1, '192.0.2.1', { who: { ...robot, proof: 'bearer:2', scopes: ['write'] }, code: 'too_many_requests' })
    await many(1, '192.0.2.1', { who: { ...robot, subject: 'other' }, code: 'denied' })
    await many(11, '192.0.2.1', { who: { ...robot, subject: 'other' }, code: 'denied' })
    await clock.advance(1_000)
    const whos = inner.noted.map((event) => (event.event === 'refused' ? event.who : undefined))
    assert.deepEqual(whos, [
      { ...WHO, kind: 'machine', proof: 'several', client: 'robot' },
      { ...robot, subject: 'other' },
    ])
  })

  test('as whom a subject was taken by itself, of ten records together', async () => {
    const { inner, many, clock } = stage()
    const unknown = { ...WHO, kind: 'unknown', proof: 'bearer:2' } as const
    await many(13, '192.0.2.1', { who: WHO, code: 'denied' })
    await many(3, '192.0.2.1', { who: unknown, code: 'denied' })
    await many(2, '192.0.2.1', { who: { ...WHO, provider: 'other' }, code: 'denied' })
    await clock.advance(1_000)
    assert.equal(inner.recorded.length, 10)
    const told = inner.noted.map((event) => (event.event === 'refused' ? [event.who, event.count] : []))
    assert.deepEqual(told, [
      [WHO, 3],
      [unknown, 3],
      [{ ...WHO, provider: 'other' }, 2],
    ])
  })

  test('what one machine sends from all the addresses of its network', async () => {
    const { inner, sink, sums, clock } = stage()
    for (let at = 0; at < 500; at++) await sink.record(anonymousRefusal(`2001:db8::${at.toString(16)}`))
    assert.equal(inner.recorded.length, 10)
    await clock.advance(1_000)
    assert.deepEqual(sums(), [['2001:db8:0:0::/64', 'not_signed_in', 490]])
  })

  test('without the details of one of the summed', async () => {
    const { inner, many, clock } = stage()
    await many(11, '192.0.2.1', { detail: 'of one', properties: { name: 'of one' } })
    await clock.advance(1_000)
    const sum = inner.noted[0]
    assert.ok(sum?.event === 'refused')
    assert.deepEqual([sum.detail, sum.properties], [undefined, {}])
  })

  test('anew in each second, and every refusal is in a record or a sum', async () => {
    const { inner, many, sums, clock } = stage()
    for (let second = 0; second < 3; second++) {
      await many(25, '192.0.2.1')
      await clock.advance(1_000)
    }
    assert.equal(inner.recorded.length, 30)
    assert.deepEqual(
      sums().map(([, , count]) => count),
      [15, 15, 15],
    )
  })

  test('under way are written by settle, and no timer stays', async () => {
    const { sink, many, sums, clock } = stage()
    await many(13, '192.0.2.1')
    sink.settle()
    assert.deepEqual(
      sums().map(([, , count]) => count),
      [3],
    )
    assert.equal(clock.pending, 0)
    sink.settle()
    await clock.advance(2_000)
    assert.equal(sums().length, 1)
  })
})

test('a hundred thousand addresses in one second cost the memory of five thousand', async () => {
  const { inner, sink, sums, clock } = stage()
  for (let at = 0; at < 100_000; at++)
    await sink.record(anonymousRefusal(`2001:db8:${(at >> 16).toString(16)}:${(at & 0xffff).toString(16)}::1`))
  assert.equal(inner.recorded.length, 5_010)
  await clock.advance(1_000)
  assert.deepEqual(sums(), [['others', 'not_signed_in', 94_990]])
  assert.equal(clock.pending, 0)
})

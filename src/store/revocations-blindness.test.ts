import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { createLog } from '../log.ts'
import { withOutage } from './outage.fake.ts'
import { testRing } from './revocations.conformance.ts'
import type { Store } from './store.ts'
import { twoReplicas } from './two-replicas.fake.ts'

const HOUR = 3_600_000

describe('a replica is blind', () => {
  test('before it has read for the first time, and it starts all the same', async (t) => {
    const { make, memory, clock } = await twoReplicas(t)
    const line = withOutage(memory)
    line.down()
    const late = make(line.store)
    assert.deepEqual([late.blind, late.sightAgeMs], [true, Infinity])
    await late.start()
    assert.ok(late.blind)
    line.up()
    await clock.advance(600)
    assert.equal(late.blind, false)
  })
  test('2 s after its last sight while the store is down, and sees again by itself', async (t) => {
    const { clock, lineB, a, b } = await twoReplicas(t)
    const told: boolean[] = []
    b.onBlindness((blind) => told.push(blind))
    lineB.down()
    await clock.advance(1400)
    assert.equal(b.blind, false)
    await clock.advance(700)
    assert.deepEqual([a.blind, b.blind, told], [false, true, [true]])
    lineB.up()
    await clock.advance(600)
    assert.deepEqual([b.blind, told], [false, [true, false]])
  })
  test('2 s after its last sight while the store hangs', async (t) => {
    const { clock, lineB, b } = await twoReplicas(t)
    lineB.hang()
    await clock.advance(2100)
    assert.ok(b.blind)
    await clock.advance(10_000)
    lineB.up()
    await clock.advance(600)
    assert.equal(b.blind, false)
  })
  test('when every answer comes too late to prove anything', async (t) => {
    const { clock, memory, make } = await twoReplicas(t)
    const slow: Store = {
      ...memory,
      read: (log, after) => new Promise((resolve) => clock.after(1900, () => resolve(memory.read(log, after)))),
    }
    const replica = make(slow)
    const started = replica.start()
    await clock.advance(1900)
    await started
    assert.equal(replica.blind, false, 'seen 1.9 s ago')
    assert.ok(replica.sightAgeMs >= 1900)
    await clock.advance(200)
    assert.ok(replica.blind, 'the moment of sight is when the reading began')
  })
  test('at once when its process was stalled, before any timer could run', async (t) => {
    const { clock, b } = await twoReplicas(t)
    clock.jump(2100)
    assert.ok(b.blind)
    await clock.advance(600)
    assert.equal(b.blind, false)
  })
  test('even when the wall clock was set back an hour', async (t) => {
    const { clock, lineB, b } = await twoReplicas(t)
    lineB.down()
    clock.jump(-HOUR)
    await clock.advance(2100)
    assert.ok(b.blind)
  })
  test('while the log has an entry that it cannot open', async (t) => {
    const { clock, memory, make, logout } = await twoReplicas(t)
    const lines: string[] = []
    const other = make(memory.another(), { ring: testRing(), log: createLog((line) => lines.push(line)) })
    await other.start()
    assert.equal(other.blind, false)
    const writer = make(memory.another())
    await writer.start()
    await writer.revoke(logout)
    await clock.advance(5000)
    assert.ok(other.blind)
    assert.equal(lines.filter((line) => line.includes('cannot be read')).length, 1)
    assert.match(lines.join(''), /"code":"key_unknown"|"code":"not_authentic"/)
  })
  test('after stop', async (t) => {
    const { b, clock } = await twoReplicas(t)
    await b.stop()
    assert.ok(b.blind)
    await clock.advance(60_000)
  })
})

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { createFakeClock } from '../clock.fake.ts'
import { systemClock } from '../clock.ts'
import { createMemoryStore } from './memory.ts'
import { withOutage } from './outage.fake.ts'
import { storeConformance } from './store.conformance.ts'
import { StoreUnavailable } from './store.ts'

storeConformance('memory', async () => {
  const store = createMemoryStore(systemClock)
  const second = store.another()
  return { store, second, close: async () => void (await Promise.all([store.close(), second.close()])) }
})

storeConformance('memory behind an ordered outage that never comes', async () => {
  const memory = createMemoryStore(systemClock)
  const { store } = withOutage(memory)
  const { store: second } = withOutage(memory.another())
  return { store, second, close: async () => void (await Promise.all([store.close(), second.close()])) }
})

describe('the memory store', () => {
  test('keeps the others open when one client closes', async () => {
    const store = createMemoryStore(systemClock)
    const second = store.another()
    await store.close()
    assert.equal(await second.put('k', Buffer.from('v'), { ifVersion: 0, ttlMs: 1000 }), 1)
  })

  test('frees expired entries and members as others are written', async () => {
    const clock = createFakeClock()
    const store = createMemoryStore(clock)
    const value = Buffer.alloc(8192)
    const put = (at: number, ttlMs: number) => store.put(`k${at}`, value, { ifVersion: 0, ttlMs })
    setFlagsFromString('--expose-gc')
    const collect: unknown = runInNewContext('gc')
    assert.ok(typeof collect === 'function')
    const heap = () => {
      // Twice: what the first collection finds dead may be swept only by the next.
      collect()
      collect()
      return process.memoryUsage().arrayBuffers
    }
    const before = heap()
    for (let round = 0; round < 40; round++) {
      for (let at = 0; at < 500; at++) {
        await put(round * 500 + at, 1000)
        await store.enrol('set', `m${round * 500 + at}`, 1000)
      }
      await clock.advance(1001)
    }
    // 20,000 values of 8 kB were written: 160 MB, of which 500 at a time were alive: 4 MB.
    const grown = heap() - before
    assert.ok(grown < 20e6, `${Math.round(grown / 1e6)} MB`)
    assert.equal(await store.count('set'), 0)
  })
})

describe('an ordered outage', () => {
  test('rejects while down, waits while hanging, and answers again', async () => {
    const { store, down, hang, up } = withOutage(createMemoryStore(systemClock))
    await store.put('k', Buffer.from('v'), { ifVersion: 0, ttlMs: 10_000 })
    down()
    await assert.rejects(store.get('k'), StoreUnavailable)
    hang()
    let settled = false
    const waiting = store.get('k').finally(() => (settled = true))
    await new Promise(setImmediate)
    assert.equal(settled, false)
    up()
    await assert.rejects(waiting, StoreUnavailable)
    assert.equal((await store.get('k'))?.version, 1)
  })
})

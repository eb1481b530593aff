/** The part of the store's contract that is about sequenced logs and wakes. Run by `store.conformance.ts`. */
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { eventually } from './calls.conformance.ts'
import type { LogEntry, Store } from './store.ts'

const LONG = 60_000
const text = (value: string) => Buffer.from(value)
const plain = (value: Uint8Array | undefined) => value && Buffer.from(value).toString()
const fresh = () => `suite:${randomUUID()}`

/** Every entry after a sequence, page by page, as a reader of the log does it. */
export async function readAll(store: Store, log: string, from = 0): Promise<LogEntry[]> {
  const all: LogEntry[] = []
  for (;;) {
    const page = await store.read(log, all.at(-1)?.sequence ?? from)
    all.push(...page.entries)
    if (page.entries.length === 0 || all.at(-1)?.sequence === page.head) return all
  }
}

/** Registers the suite; `opened` gives two clients of one state once the tests run. */
export function logAndWakeConformance(opened: () => { readonly store: Store; readonly second: Store }): void {
  let store: Store
  let second: Store
  before(() => {
    store = opened().store
    second = opened().second
  })

  describe('logs', () => {
    test('nothing before the first entry, with an epoch that stays', async () => {
      const log = fresh()
      const empty = await store.read(log, 0)
      assert.deepEqual([empty.head, empty.entries], [0, []])
      assert.notEqual(empty.epoch, '')
      await second.append(log, text('a'), LONG)
      assert.equal((await second.read(log, 0)).epoch, empty.epoch)
      assert.equal((await store.read(log, 0)).epoch, empty.epoch)
      assert.notEqual((await store.read(fresh(), 0)).epoch, empty.epoch)
    })
    test('dense sequences over two clients, in one order for all', async () => {
      const log = fresh()
      const appended = await Promise.all(
        Array.from({ length: 60 }, async (_, at) => {
          const value = `entry ${at}`
          return { sequence: await (at % 2 ? store : second).append(log, text(value), LONG), value }
        }),
      )
      const expected = appended.toSorted((a, b) => a.sequence - b.sequence)
      assert.deepEqual(
        expected.map((entry) => entry.sequence),
        Array.from({ length: 60 }, (_, at) => at + 1),
      )
      for (const reader of [store, second]) {
        const page = await reader.read(log, 0)
        assert.deepEqual(
          page.entries.map(({ sequence, value }) => ({ sequence, value: plain(value) })),
          expected,
        )
        assert.equal(page.head, 60)
      }
    })
    test('only what comes after the asked sequence', async () => {
      const log = fresh()
      for (let at = 1; at <= 5; at++) await store.append(log, text(String(at)), LONG)
      assert.deepEqual(
        (await second.read(log, 3)).entries.map((entry) => entry.sequence),
        [4, 5],
      )
      assert.deepEqual((await second.read(log, 5)).entries, [])
      assert.deepEqual((await second.read(log, 99)).entries, [])
      assert.equal((await second.read(log, 5)).head, 5)
    })
    test('entries out of every read once expired, while head and epoch stay', async () => {
      const log = fresh()
      await store.append(log, text('short'), 40)
      await store.append(log, text('long'), LONG)
      await store.append(log, text('short'), 40)
      const { epoch } = await store.read(log, 0)
      const sequences = async () => (await second.read(log, 0)).entries.map((entry) => entry.sequence).join()
      await eventually('the short ones end', async () => (await sequences()) === '2')
      const page = await second.read(log, 1)
      assert.deepEqual([page.head, page.epoch, page.entries.map((entry) => plain(entry.value))], [3, epoch, ['long']])
      assert.equal(await store.append(log, text('next'), LONG), 4)
    })
    test('head and epoch when all entries have expired', async () => {
      const log = fresh()
      for (let at = 0; at < 40; at++) await store.append(log, text('short'), 20)
      const { epoch } = await store.read(log, 0)
      await eventually('all end', async () => (await second.read(log, 0)).entries.length === 0)
      assert.deepEqual(await second.read(log, 0), { epoch, head: 40, entries: [] })
      assert.equal(await store.append(log, text('next'), LONG), 41)
      assert.deepEqual(
        (await second.read(log, 0)).entries.map((entry) => entry.sequence),
        [41],
      )
    })
    test('thousands of entries page by page, over a gap of expired ones', async () => {
      const log = fresh()
      const append = (from: number, to: number, ttlMs: number) =>
        Promise.all(Array.from({ length: to - from }, (_, at) => store.append(log, text(String(from + at)), ttlMs)))
      await append(0, 700, LONG)
      await append(700, 1900, 30)
      await append(1900, 2500, LONG)
      await eventually('the middle ends', async () => (await readAll(second, log, 700)).length === 600)
      const all = await readAll(second, log)
      assert.equal(all.length, 1300)
      assert.deepEqual([all[0]?.sequence, all[699]?.sequence, all[700]?.sequence, all.at(-1)?.sequence], [1, 700, 1901, 2500])
      assert.ok((await second.read(log, 0)).entries.length < 1300, 'one page is bounded')
    })
  })

  describe('wakes', () => {
    test('listeners of the channel on both clients, and no others', async () => {
      const channel = fresh()
      const heard: string[] = []
      const ends = [
        store.listen(channel, () => heard.push('one')),
        second.listen(channel, () => heard.push('two')),
        second.listen(channel, () => heard.push('three')),
        second.listen(`${channel}x`, () => heard.push('other')),
      ]
      await store.wake(channel)
      await eventually('all three hear', () => heard.length >= 3)
      await sleep(20)
      assert.deepEqual(heard.toSorted(), ['one', 'three', 'two'])
      for (const end of ends) end()
    })
    test('nobody who has stopped listening, each listening by itself', async () => {
      const channel = fresh()
      let once = 0
      let heard = 0
      const listener = () => heard++
      const end = second.listen(channel, listener)
      const endTwin = second.listen(channel, listener)
      const control = second.listen(channel, () => once++)
      end()
      end()
      await store.wake(channel)
      await eventually('the control hears', () => once === 1)
      assert.equal(heard, 1)
      endTwin()
      await store.wake(channel)
      await eventually('the control hears again', () => once === 2)
      assert.equal(heard, 1)
      control()
    })
  })
}

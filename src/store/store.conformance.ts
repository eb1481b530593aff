/** The contract of `store.ts` in full, run against every implementation. Refusals first. */
import assert from 'node:assert/strict'
import { randomBytes, randomUUID } from 'node:crypto'
import { after, before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { allowanceConformance } from './allowance.conformance.ts'
import { eventually, everyCallRejects } from './calls.conformance.ts'
import { logAndWakeConformance } from './log.conformance.ts'
import type { Store } from './store.ts'

export interface OpenStores {
  readonly store: Store
  /** Another client of the same state. */
  readonly second: Store
  close(): Promise<void>
}

const LONG = 60_000
const text = (value: string) => Buffer.from(value)
const plain = (value: Uint8Array | undefined) => value && Buffer.from(value).toString()

/** Registers the suite. `open` gives clients of one state; keys of the suite are new each time, so it may be shared. */
export function storeConformance(name: string, open: () => Promise<OpenStores>): void {
  describe(`the store contract: ${name}`, () => {
    let opened: OpenStores
    let store: Store
    let second: Store
    before(async () => {
      opened = await open()
      store = opened.store
      second = opened.second
    })
    after(() => opened.close())
    const fresh = () => `suite:${randomUUID()}`

    describe('refuses', () => {
      test('a put over something where nothing was expected', async () => {
        const key = fresh()
        assert.equal(await store.put(key, text('a'), { ifVersion: 0, ttlMs: LONG }), 1)
        assert.equal(await second.put(key, text('b'), { ifVersion: 0, ttlMs: LONG }), undefined)
        assert.equal(plain((await second.get(key))?.value), 'a')
      })
      test('a put over nothing where something was expected', async () => {
        const key = fresh()
        assert.equal(await store.put(key, text('a'), { ifVersion: 1, ttlMs: LONG }), undefined)
        assert.equal(await store.get(key), undefined)
      })
      test('a put of a stale or of a future version', async () => {
        const key = fresh()
        await store.put(key, text('1'), { ifVersion: 0, ttlMs: LONG })
        await store.put(key, text('2'), { ifVersion: 1, ttlMs: LONG })
        for (const ifVersion of [0, 1, 3, 12, 22]) assert.equal(await store.put(key, text('x'), { ifVersion, ttlMs: LONG }), undefined)
        assert.deepEqual(plain((await store.get(key))?.value), '2')
      })
      test('a life that is no number, by rejecting', async () => {
        const key = fresh()
        await assert.rejects(store.put(key, text('a'), { ifVersion: 0, ttlMs: Number.NaN }), RangeError)
        await assert.rejects(store.enrol(key, 'a', Infinity), RangeError)
        await assert.rejects(store.append(key, text('a'), Number.NaN), RangeError)
        assert.equal(await store.get(key), undefined)
      })
      test('to touch, take or delete what is absent', async () => {
        const key = fresh()
        assert.equal(await store.touch(key, LONG), false)
        assert.equal(await store.take(key), undefined)
        assert.equal(await store.delete(key), false)
        assert.equal(await store.get(key), undefined)
      })
      test('every call after close', async () => {
        const own = await open()
        await own.second.close()
        await everyCallRejects(own.second)
        assert.doesNotThrow(own.second.listen('c', () => {}))
        await own.close()
      })
    })

    describe('compare-and-set', () => {
      test('versions begin at 1, grow by one and begin anew after a delete', async () => {
        const key = fresh()
        for (let version = 0; version < 12; version++) {
          assert.equal(await store.put(key, text(`v${version}`), { ifVersion: version, ttlMs: LONG }), version + 1)
          assert.deepEqual((await second.get(key))?.version, version + 1)
        }
        assert.equal(await second.delete(key), true)
        assert.equal(await store.put(key, text('new'), { ifVersion: 0, ttlMs: LONG }), 1)
      })
      test('of 50 writers exactly one wins each version', async () => {
        const key = fresh()
        for (let version = 0; version < 5; version++) {
          const writers = Array.from({ length: 50 }, (_, at) =>
            (at % 2 ? store : second).put(key, text(`${version}:${at}`), { ifVersion: version, ttlMs: LONG }),
          )
          const results = await Promise.all(writers)
          const winners = results.flatMap((result, at) => (result === undefined ? [] : [[result, `${version}:${at}`]]))
          const held = await store.get(key)
          assert.deepEqual(winners, [[version + 1, plain(held?.value)]])
        }
      })
      test('of 20 takers exactly one gets the entry', async () => {
        const key = fresh()
        await store.put(key, text('one-time'), { ifVersion: 0, ttlMs: LONG })
        const taken = await Promise.all(Array.from({ length: 20 }, (_, at) => (at % 2 ? store : second).take(key)))
        assert.deepEqual(
          taken.filter((entry) => entry !== undefined).map((entry) => [plain(entry.value), entry.version]),
          [['one-time', 1]],
        )
        assert.equal(await second.get(key), undefined)
      })
    })

    describe('keeps', () => {
      test('every byte value, and none at all', async () => {
        const key = fresh()
        const all = Uint8Array.from({ length: 256 }, (_, at) => at)
        await store.put(key, all, { ifVersion: 0, ttlMs: LONG })
        assert.deepEqual(Uint8Array.from((await second.get(key))?.value ?? []), all)
        await store.put(key, new Uint8Array(0), { ifVersion: 1, ttlMs: LONG })
        const empty = await second.get(key)
        assert.deepEqual([empty?.value.length, empty?.version], [0, 2])
        assert.equal((await second.take(key))?.version, 2)
      })
      test('values that begin like a version', async () => {
        const key = fresh()
        await store.put(key, text('99:x'), { ifVersion: 0, ttlMs: LONG })
        const held = await second.get(key)
        assert.deepEqual([plain(held?.value), held?.version], ['99:x', 1])
        assert.equal(await store.put(key, text('y'), { ifVersion: 99, ttlMs: LONG }), undefined)
      })
      test('64 kB in an entry and in a log', async () => {
        const key = fresh()
        const large = randomBytes(64 * 1024)
        await store.put(key, large, { ifVersion: 0, ttlMs: LONG })
        assert.ok(large.equals((await second.get(key))?.value ?? new Uint8Array()))
        await store.append(key, large, LONG)
        assert.ok(large.equals((await second.read(key, 0)).entries[0]?.value ?? new Uint8Array()))
      })
      test('a copy: what the caller changes later is not written', async () => {
        const key = fresh()
        const value = text('before')
        const writing = store.put(key, value, { ifVersion: 0, ttlMs: LONG })
        value.fill(0x78)
        await writing
        assert.equal(plain((await store.get(key))?.value), 'before')
        ;(await store.get(key))?.value.fill(0)
        assert.equal(plain((await store.get(key))?.value), 'before')
      })
      test('keys with odd characters apart', async () => {
        const root = fresh()
        const keys = [
          '',
          ' ',
          '\n',
          '\r\n',
          '\0',
          '{a}',
          '{a}b',
          '*',
          '?',
          'ä',
          'a\u0308',
          '💥',
          '%s',
          "'",
          '"',
          ':',
          '::',
          'x'.repeat(1000),
        ]
        for (const key of keys) assert.equal(await store.put(root + key, text(key), { ifVersion: 0, ttlMs: LONG }), 1, JSON.stringify(key))
        for (const key of keys) assert.equal(plain((await second.get(root + key))?.value), key)
      })
      test('entries, sets and logs of one name apart', async () => {
        const name = fresh()
        await store.put(name, text('entry'), { ifVersion: 0, ttlMs: LONG })
        await store.enrol(name, 'member', LONG)
        await store.append(name, text('log'), LONG)
        assert.equal(plain((await second.get(name))?.value), 'entry')
        assert.equal(await second.count(name), 1)
        assert.equal((await second.read(name, 0)).entries.length, 1)
      })
    })

    describe('ends', () => {
      test('an entry after its life, and its version with it', async () => {
        const key = fresh()
        await store.put(key, text('short'), { ifVersion: 0, ttlMs: 60 })
        await eventually('the entry ends', async () => (await second.get(key)) === undefined)
        assert.equal(await store.touch(key, LONG), false)
        assert.equal(await store.take(key), undefined)
        assert.equal(await store.delete(key), false)
        assert.equal(await store.put(key, text('again'), { ifVersion: 1, ttlMs: LONG }), undefined)
        assert.equal(await store.put(key, text('again'), { ifVersion: 0, ttlMs: LONG }), 1)
      })
      test('an entry later or earlier when touched, without a new version', async () => {
        const longer = fresh()
        await store.put(longer, text('a'), { ifVersion: 0, ttlMs: 500 })
        assert.equal(await second.touch(longer, LONG), true)
        const shorter = fresh()
        await store.put(shorter, text('b'), { ifVersion: 0, ttlMs: LONG })
        assert.equal(await second.touch(shorter, 20), true)
        await eventually('the shortened one ends', async () => (await store.get(shorter)) === undefined)
        await sleep(600)
        assert.equal((await store.get(longer))?.version, 1)
      })
      test('an entry with the life of its last write', async () => {
        const key = fresh()
        await store.put(key, text('a'), { ifVersion: 0, ttlMs: LONG })
        await store.put(key, text('b'), { ifVersion: 1, ttlMs: 20.5 })
        await eventually('the entry ends', async () => (await second.get(key)) === undefined)
      })
      test('an entry of no life at all', async () => {
        const key = fresh()
        await store.put(key, text('a'), { ifVersion: 0, ttlMs: -5 })
        await eventually('the entry ends', async () => (await second.get(key)) === undefined)
      })
    })

    describe('counts', () => {
      test('members once, until their end or withdrawal', async () => {
        const set = fresh()
        assert.equal(await store.count(set), 0)
        await store.enrol(set, 'a', LONG)
        await second.enrol(set, 'a', LONG)
        await store.enrol(set, 'b', LONG)
        await store.enrol(set, 'short', 40)
        await store.withdraw(set, 'never there')
        assert.equal((await second.count(set)) >= 2, true)
        await eventually('the short member ends', async () => (await second.count(set)) === 2)
        await second.withdraw(set, 'a')
        assert.equal(await store.count(set), 1)
        await store.withdraw(set, 'b')
        assert.equal(await store.count(set), 0)
      })
      test('a member to its new end when it is noted again', async () => {
        const set = fresh()
        await store.enrol(set, 'renewed', 50)
        await store.enrol(set, 'renewed', LONG)
        await store.enrol(set, 'shortened', LONG)
        await store.enrol(set, 'shortened', 20)
        await eventually('one is left', async () => (await second.count(set)) === 1)
        await sleep(80)
        assert.equal(await second.count(set), 1)
      })
    })

    allowanceConformance(() => opened)
    logAndWakeConformance(() => opened)
  })
}

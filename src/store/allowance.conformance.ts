/** The part of the store's contract that is about shared allowances. Run by `store.conformance.ts`. */
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { before, describe, test } from 'node:test'
import type { Draw } from './allowance.ts'
import { eventually } from './calls.conformance.ts'
import type { Store } from './store.ts'

const LONG: Draw = { holder: 'a', sequence: 1, spent: 0, held: 0, wanted: 1_000, count: 100, perMs: 60_000, holdMs: 30_000 }
const fresh = () => `suite:${randomUUID()}`

/** Registers the suite; `opened` gives two clients of one state once the tests run. */
export function allowanceConformance(opened: () => { readonly store: Store; readonly second: Store }): void {
  let store: Store
  let second: Store
  before(() => {
    store = opened().store
    second = opened().second
  })

  describe('allowances', () => {
    test('refuse numbers that are none, and rates that cannot be', async () => {
      const faults: Partial<Draw>[] = [{ count: 0 }, { spent: -1 }, { held: 0.5 }, { wanted: Number.NaN }, { perMs: 1 }, { holdMs: 0 }]
      for (const fault of faults) await assert.rejects(store.draw(fresh(), { ...LONG, ...fault }), RangeError, JSON.stringify(fault))
    })

    test('grant nothing while all of it is spent, and say when some comes free', async () => {
      const name = fresh()
      const first = await store.draw(name, { ...LONG, spent: 99, wanted: 0 })
      assert.deepEqual(first, { granted: 0, spent: 99, freeInMs: 0, tenthsInMs: Array(10).fill(60_000) })
      assert.equal((await second.draw(name, { ...LONG, holder: 'b', spent: 2 })).granted, 0)
      const { freeInMs, spent } = await store.draw(name, { ...LONG, sequence: 2 })
      assert.equal(spent, 101)
      assert.ok(freeInMs > 58_000 && freeInMs <= 60_000, String(freeInMs))
    })

    test('grant half of what is left, and never what others hold', async () => {
      const name = fresh()
      assert.equal((await store.draw(name, LONG)).granted, 50)
      assert.deepEqual(await second.draw(name, { ...LONG, holder: 'b' }), { granted: 25, spent: 0, freeInMs: 0, tenthsInMs: [] })
      // What was granted is now held, in part or whole, by whoever says so.
      assert.equal((await store.draw(name, { ...LONG, sequence: 2, spent: 10, held: 40 })).granted, 13)
      assert.equal((await store.draw(name, { ...LONG, sequence: 3, held: 53 })).granted, 6)
    })

    test('grant no more than was asked for, and the last one', async () => {
      const name = fresh()
      assert.equal((await store.draw(name, { ...LONG, wanted: 3 })).granted, 3)
      assert.equal((await second.draw(name, { ...LONG, holder: 'b', spent: 96 })).granted, 1)
      assert.equal((await second.draw(name, { ...LONG, holder: 'c' })).granted, 0)
    })

    test('take back what a holder no longer has', async () => {
      const name = fresh()
      await store.draw(name, LONG)
      await store.draw(name, { ...LONG, sequence: 2, wanted: 0 })
      assert.equal((await second.draw(name, { ...LONG, holder: 'b' })).granted, 50)
    })

    test('note what a repeated draw says was spent once', async () => {
      const name = fresh()
      for (let round = 0; round < 3; round++) await store.draw(name, { ...LONG, sequence: 7, spent: 5 })
      await store.draw(name, { ...LONG, sequence: 8, spent: 5 })
      assert.equal((await second.draw(name, { ...LONG, holder: 'b', sequence: 8, spent: 1 })).spent, 11)
    })

    test('note it once although what was granted with it is lost meanwhile', async () => {
      const name = fresh()
      const lost: Draw = { ...LONG, sequence: 7, spent: 5, holdMs: 40 }
      assert.equal((await store.draw(name, lost)).granted, 48)
      await eventually('its part is free again', async () => (await second.draw(name, { ...LONG, holder: 'b' })).granted === 48)
      assert.equal((await store.draw(name, lost)).spent, 5)
      assert.equal((await store.draw(name, { ...lost, sequence: 8 })).spent, 10)
    })

    test('say when each tenth of what was spent comes free', async () => {
      const name = fresh()
      const draw: Draw = { ...LONG, perMs: 2_000, wanted: 0 }
      await store.draw(name, { ...draw, spent: 3 })
      let sequence = 1
      const firstIn = async () => (await second.draw(name, { ...draw, sequence: ++sequence })).tenthsInMs[0] ?? 0
      await eventually('time passes', async () => (await firstIn()) < 1_950)
      const { tenthsInMs } = await store.draw(name, { ...draw, sequence: ++sequence, spent: 4 })
      const [first = 0] = tenthsInMs
      assert.ok(first > 0 && first < 1_950, String(first))
      // Three of seven are four tenths, and a little.
      assert.deepEqual(tenthsInMs, [...Array(4).fill(first), ...Array(6).fill(2_000)])
    })

    test('take from a holder that does not come back', async () => {
      const name = fresh()
      assert.equal((await store.draw(name, { ...LONG, holdMs: 40 })).granted, 50)
      await eventually('its part is free again', async () => (await second.draw(name, { ...LONG, holder: 'b', wanted: 100 })).granted > 25)
    })

    test('are free again a window after they were spent, not earlier', async () => {
      const name = fresh()
      const short: Draw = { ...LONG, count: 4, perMs: 300, holdMs: 300 }
      const began = performance.now()
      await store.draw(name, { ...short, spent: 4, wanted: 0 })
      let sequence = 1
      await eventually('some of it is free', async () => (await second.draw(name, { ...short, sequence: ++sequence })).granted > 0)
      assert.ok(performance.now() - began >= 299)
      assert.equal((await store.draw(name, { ...short, sequence: ++sequence, wanted: 0 })).spent, 0)
    })

    test('of 40 draws at once grant no more than there is', async () => {
      const name = fresh()
      const drawn = await Promise.all(
        Array.from({ length: 40 }, (_, at) => (at % 2 ? store : second).draw(name, { ...LONG, holder: `h${at}` })),
      )
      assert.equal(
        drawn.reduce((sum, { granted }) => sum + granted, 0),
        100,
      )
    })

    test('of different names do not mix', async () => {
      const [one, other] = [fresh(), fresh()]
      await store.draw(one, { ...LONG, spent: 100 })
      assert.equal((await store.draw(other, LONG)).granted, 50)
    })
  })
}

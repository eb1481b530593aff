import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { createSlidingWindow, PARTS } from './sliding-window.ts'

const WINDOW = 60_000

describe('a window', () => {
  test('never forgets what was spent within it, and counts at most a fiftieth of its length longer', () => {
    const spending = fc.record({ afterMs: fc.integer({ min: 0, max: WINDOW / 4 }), amount: fc.integer({ min: 0, max: 9 }) })
    fc.assert(
      fc.property(fc.array(spending, { minLength: 1, maxLength: 40 }), (all) => {
        const window = createSlidingWindow(WINDOW)
        const spent: Array<{ at: number; amount: number }> = []
        let now = 1_000_000
        for (const { afterMs, amount } of all) {
          now += afterMs
          window.spend(now, amount)
          spent.push({ at: now, amount })
          const since = (ms: number) => spent.filter(({ at }) => at > now - ms).reduce((sum, each) => sum + each.amount, 0)
          const counted = window.spent(now)
          assert.ok(counted >= since(WINDOW), 'less than was spent')
          assert.ok(counted <= since(WINDOW + WINDOW / PARTS), 'more than was spent')
        }
      }),
    )
  })

  test('says to the millisecond when less than so much is spent', () => {
    const window = createSlidingWindow(WINDOW)
    window.spend(1_000, 2)
    window.spend(31_000, 3)
    assert.deepEqual(
      [6, 5, 4, 3, 1].map((count) => window.freeIn(40_000, count)),
      [0, 21_000, 21_000, 51_000, 51_000],
    )
    const idle = createSlidingWindow(WINDOW)
    idle.spend(0, 3)
    assert.equal(idle.freeIn(10 * WINDOW, 1), 0)
    assert.deepEqual([window.spent(60_999), window.spent(61_000), window.spent(90_999), window.spent(91_000)], [5, 3, 3, 0])
  })

  test('says when each tenth of what is spent comes free, and of nothing spent nothing', () => {
    const window = createSlidingWindow(WINDOW)
    assert.deepEqual(window.tenthsIn(0), [])
    window.spend(1_000, 1)
    window.spend(31_000, 3)
    assert.deepEqual(window.tenthsIn(31_000), [...Array(2).fill(30_000), ...Array(8).fill(60_000)])
    window.spend(31_000, 0)
    assert.equal(window.tenthsIn(91_000).length, 0)
  })

  test('takes what was spent later than now for spent just now: a clock that is set back keeps nobody out for longer than a window', () => {
    const window = createSlidingWindow(WINDOW)
    window.spend(10_000_000, 5)
    assert.equal(window.spent(1_000), 5)
    assert.equal(window.freeIn(1_000, 5), WINDOW)
    window.spend(2_000, 1)
    assert.equal(window.spent(1_000 + WINDOW), 6, 'what came after is counted with it')
    assert.equal(window.spent(2_000 + WINDOW), 0)
  })

  test('of fewer parts counts longer, by one of those at most', () => {
    const coarse = createSlidingWindow(WINDOW, 2)
    coarse.spend(0, 1)
    coarse.spend(29_999, 1)
    assert.deepEqual([coarse.spent(WINDOW), coarse.spent(WINDOW + 29_998), coarse.spent(WINDOW + 29_999)], [2, 2, 0])
  })
})

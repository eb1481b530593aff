import assert from 'node:assert/strict'
import { describe, mock, test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { createFakeClock } from './clock.fake.ts'
import { pause, systemClock } from './clock.ts'

const DAY = 86_400_000

/** The clock's timers do not keep the process alive, so the test does. */
async function awake(begin: (resolve: () => void) => unknown): Promise<void> {
  const keep = setInterval(() => undefined, 1_000)
  await new Promise<void>((resolve) => void begin(resolve))
  clearInterval(keep)
}

describe('a timer of the system clock', () => {
  const withTimers = (body: (tick: (ms: number) => void) => void) => {
    mock.timers.enable({ apis: ['setTimeout'] })
    try {
      body((ms) => mock.timers.tick(ms))
    } finally {
      mock.timers.reset()
    }
  }

  test('of months fires neither at once nor after 24 days', () =>
    withTimers((tick) => {
      let fired = 0
      systemClock.after(60 * DAY, () => (fired += 1))
      // By the hour: a coarser step would begin each stretch of the timer late.
      const pass = (days: number) => {
        for (let hour = 0; hour < days * 24; hour++) tick(DAY / 24)
      }
      tick(0)
      pass(59)
      assert.equal(fired, 0)
      pass(2)
      assert.equal(fired, 1)
      pass(60)
      assert.equal(fired, 1)
    }))

  test('does not fire after it was cancelled, in its first stretch or a later one', () =>
    withTimers((tick) => {
      let fired = 0
      const early = systemClock.after(10, () => (fired += 1))
      const late = systemClock.after(60 * DAY, () => (fired += 1))
      early.cancel()
      tick(40 * DAY)
      late.cancel()
      late.cancel()
      tick(40 * DAY)
      assert.equal(fired, 0)
    }))

  test('of no or a past time fires soon, without a warning of Node', async () => {
    const warnings: string[] = []
    const listen = (warning: Error) => warnings.push(warning.name)
    process.on('warning', listen)
    for (const ms of [0, -5]) await awake((resolve) => systemClock.after(ms, resolve))
    await turn()
    process.off('warning', listen)
    assert.deepEqual(warnings, [])
  })
})

describe('a pause', () => {
  const settled = async (promise: Promise<void>) => {
    let done = false
    void promise.then(() => (done = true))
    await turn()
    return done
  }

  test('ends when its time is over, and leaves no timer', async () => {
    const clock = createFakeClock()
    const pausing = pause(clock, 100)
    await clock.advance(99)
    assert.equal(await settled(pausing), false)
    await clock.advance(1)
    assert.equal(await settled(pausing), true)
    assert.equal(clock.pending, 0)
  })

  test('ends at once by its signal, without a rejection and without a timer left', async () => {
    const clock = createFakeClock()
    const controller = new AbortController()
    const pausing = pause(clock, 100, controller.signal)
    controller.abort(new Error('reason'))
    await pausing
    assert.equal(clock.pending, 0)
  })

  test('does not begin when its signal has already fired', async () => {
    const clock = createFakeClock()
    await pause(clock, 100, AbortSignal.abort())
    assert.equal(clock.pending, 0)
  })

  test('leaves no listener behind on a signal that lives on', async () => {
    const clock = createFakeClock()
    const { signal } = new AbortController()
    let listeners = 0
    const { addEventListener, removeEventListener } = signal
    signal.addEventListener = (...all: Parameters<typeof addEventListener>) => {
      listeners += 1
      addEventListener.apply(signal, all)
    }
    signal.removeEventListener = (...all: Parameters<typeof removeEventListener>) => {
      listeners -= 1
      removeEventListener.apply(signal, all)
    }
    const pausing = pause(clock, 10, signal)
    assert.equal(listeners, 1)
    await clock.advance(10)
    await pausing
    assert.equal(listeners, 0)
  })
})

describe('the fake clock', () => {
  test('fires in order, each at its own moment, also what is set on the way', async () => {
    const clock = createFakeClock(0)
    const fired: string[] = []
    clock.after(30, () => fired.push(`b${clock.now()}`))
    clock.after(10, () => {
      fired.push(`a${clock.now()}`)
      clock.after(5, () => fired.push(`c${clock.now()}`))
    })
    const cancelled = clock.after(20, () => fired.push('never'))
    cancelled.cancel()
    await clock.advance(30)
    assert.deepEqual(fired, ['a10', 'c15', 'b30'])
    assert.equal(clock.now(), 30)
  })

  test('keeps timers as they are when the wall clock jumps', async () => {
    const clock = createFakeClock(0)
    let fired = false
    clock.after(10, () => (fired = true))
    clock.jump(1_000)
    await clock.advance(9)
    assert.deepEqual([fired, clock.now()], [false, 1_009])
    await clock.advance(1)
    assert.equal(fired, true)
  })
})

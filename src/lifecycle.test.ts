import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { Lifecycle, type Problem } from './lifecycle.ts'

function stage(boundMs?: number) {
  const stopped: string[] = []
  const problems: Array<[string, Problem]> = []
  const lifecycle = new Lifecycle(boundMs, (part, problem) => problems.push([part, problem]))
  const part = (name: string, stop: () => Promise<void> | void = () => undefined) =>
    lifecycle.onStop(name, () => {
      stopped.push(name)
      return stop()
    })
  return { lifecycle, stopped, problems, part }
}

describe('a part that', () => {
  test('rejects or throws does not keep the others from stopping, and is told of', async () => {
    const { lifecycle, stopped, problems, part } = stage()
    part('first')
    part('throws', () => {
      throw new Error('x')
    })
    part('rejects', () => Promise.reject(new Error('x')))
    await lifecycle.stop()
    assert.deepEqual(stopped, ['rejects', 'throws', 'first'])
    assert.deepEqual(problems, [
      ['rejects', 'failed'],
      ['throws', 'failed'],
    ])
  })

  test('hangs is waited for within its bound only', async () => {
    const { lifecycle, stopped, problems, part } = stage(10)
    part('first')
    part('hangs', () => new Promise(() => undefined))
    await lifecycle.stop()
    assert.deepEqual(stopped, ['hangs', 'first'])
    assert.deepEqual(problems, [['hangs', 'too slow']])
  })

  test('rejects after its bound ends nothing else', async () => {
    const { lifecycle, part } = stage(5)
    const late = Promise.withResolvers<void>()
    part('late', () => late.promise)
    await lifecycle.stop()
    late.reject(new Error('late'))
    await new Promise(setImmediate)
  })
})

describe('stopping', () => {
  test('goes backwards, each part after the one before has stopped', async () => {
    const { lifecycle, stopped, part } = stage()
    part('a')
    part('b', async () => {
      await new Promise(setImmediate)
      stopped.push('b is down')
    })
    lifecycle.add({ name: 'c', stop: () => void stopped.push('c') })
    await lifecycle.stop()
    assert.deepEqual(stopped, ['c', 'b', 'b is down', 'a'])
  })

  test('happens once, and whoever asks again waits for the same end', async () => {
    const { lifecycle, stopped, part } = stage()
    part('a', () => new Promise((resolve) => void setImmediate(resolve)))
    assert.equal(lifecycle.stopping, false)
    const [one, two] = [lifecycle.stop(), lifecycle.stop()]
    assert.equal(lifecycle.stopping, true)
    assert.equal(one, two)
    await one
    await lifecycle.stop()
    assert.deepEqual(stopped, ['a'])
  })

  test('includes what was added while it went on', async () => {
    const { lifecycle, stopped, part } = stage()
    part('a', () => part('added during the stop'))
    await lifecycle.stop()
    assert.deepEqual(stopped, ['a', 'added during the stop'])
  })

  test('of nothing is nothing', () => new Lifecycle().stop())

  test('leaves no timer that keeps the process', async () => {
    const { lifecycle, part } = stage(60_000)
    part('a')
    const before = process.getActiveResourcesInfo().filter((each) => each === 'Timeout').length
    await lifecycle.stop()
    assert.equal(process.getActiveResourcesInfo().filter((each) => each === 'Timeout').length, before)
  })
})

test('add gives the part back', () => {
  const part = { name: 'a', stop: () => undefined, port: 1 }
  assert.equal(new Lifecycle().add(part), part)
})

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { createFakeClock } from '../clock.fake.ts'
import { PartlyWritten } from './line-target.ts'
import { watchedTarget } from './watched-target.ts'

/** A target whose writes fail while `world.fault` is there, and what was heard of it. */
function watched() {
  const clock = createFakeClock()
  const world: { fault: Error | undefined; room: boolean; hang: Promise<void> | undefined } = {
    fault: undefined,
    room: true,
    hang: undefined,
  }
  const heard: string[] = []
  const sizes: number[] = []
  const target = watchedTarget(
    {
      async write(lines) {
        sizes.push(lines.length)
        await world.hang
        if (world.fault !== undefined) throw world.fault
      },
      close: async () => undefined,
    },
    {
      clock,
      hasRoom: async () => world.room,
      onDown: (code) => heard.push(`down ${code}`),
      onUp: () => heard.push('up'),
    },
  )
  return { clock, world, heard, sizes, target, line: () => target.write(Buffer.from('line\n')) }
}

const fault = (code: string) => Object.assign(new Error('of the system'), { code })

describe('is down', () => {
  test('after a write that failed, and says once by which code', async () => {
    const { world, heard, target, line } = watched()
    await line()
    assert.deepEqual([target.down, heard], [false, []])
    world.fault = fault('ENOENT')
    await assert.rejects(line(), world.fault)
    world.fault = new PartlyWritten(0, fault('ENOSPC'))
    await assert.rejects(line(), world.fault)
    assert.deepEqual([target.down, heard], [true, ['down ENOENT']])
  })

  test('after one that broke off, by the code of its cause', async () => {
    const { world, heard, line } = watched()
    world.fault = new PartlyWritten(3, fault('ENOSPC'))
    await assert.rejects(line())
    assert.deepEqual(heard, ['down ENOSPC'])
  })

  test('while a write hangs, during which nothing else is tried', async () => {
    const { clock, world, heard, sizes, target, line } = watched()
    const hanging = Promise.withResolvers<void>()
    world.hang = hanging.promise
    const written = line()
    target.hangs()
    await clock.advance(60_000)
    assert.deepEqual([target.down, heard, sizes], [true, ['down hangs'], [5]])
    hanging.resolve()
    await written
    assert.deepEqual([target.down, heard], [false, ['down hangs', 'up']])
  })

  test('for as long as it fails, or the disk is full', async () => {
    const { clock, world, heard, target, line } = watched()
    world.fault = fault('ENOSPC')
    await assert.rejects(line())
    await clock.advance(5_000)
    world.fault = undefined
    world.room = false
    await clock.advance(5_000)
    assert.deepEqual([target.down, heard], [true, ['down ENOSPC']])
    world.room = true
    await clock.advance(1_000)
    assert.deepEqual([target.down, heard], [false, ['down ENOSPC', 'up']])
  })
})

describe('is up again', () => {
  test('with the first write that works, and waits for nothing more', async () => {
    const { clock, world, heard, target, line } = watched()
    world.fault = fault('EIO')
    await assert.rejects(line())
    world.fault = undefined
    await line()
    assert.deepEqual([target.down, heard, clock.pending], [false, ['down EIO', 'up'], 0])
  })

  test('by itself, without a write of anything: a replica that is not ready gets no requests', async () => {
    const { clock, world, sizes, target, line } = watched()
    world.fault = fault('ENOENT')
    await assert.rejects(line())
    world.fault = undefined
    await clock.advance(1_000)
    assert.deepEqual([target.down, sizes, clock.pending], [false, [5, 0], 0])
  })

  test('ever more rarely when it seemed to work and did not', async () => {
    const { clock, world, heard, line } = watched()
    for (const wait of [1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000]) {
      world.fault = fault('EDQUOT')
      await assert.rejects(line())
      world.fault = undefined
      const before = heard.length
      await clock.advance(wait - 1)
      assert.equal(heard.length, before, String(wait))
      await clock.advance(1)
      assert.equal(heard.at(-1), 'up', String(wait))
    }
    await line()
    world.fault = fault('EDQUOT')
    await assert.rejects(line())
    world.fault = undefined
    await clock.advance(1_000)
    assert.equal(heard.at(-1), 'up')
  })
})

test('a write waits for a trial that is under way, so that lines stay whole', async () => {
  const { clock, world, sizes, line } = watched()
  world.fault = fault('EIO')
  await assert.rejects(line())
  const trial = Promise.withResolvers<void>()
  world.hang = trial.promise
  world.fault = undefined
  await clock.advance(1_000)
  const written = line()
  await clock.advance(0)
  assert.deepEqual(sizes, [5, 0])
  trial.resolve()
  await written
  assert.deepEqual(sizes, [5, 0, 5])
})

test('nothing is tried once it is closed', async () => {
  const { clock, world, target, line } = watched()
  world.fault = fault('EIO')
  await assert.rejects(line())
  await target.close()
  assert.equal(clock.pending, 0)
})

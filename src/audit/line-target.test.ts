import assert from 'node:assert/strict'
import { closeSync, existsSync, openSync } from 'node:fs'
import { mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { connect, createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Writable } from 'node:stream'
import { after, before, describe, test } from 'node:test'
import { descriptorTarget, fileTarget, PartlyWritten, partwiseTarget, streamTarget } from './line-target.ts'

let folder: string
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'mandate-audit-'))
})
after(() => rm(folder, { recursive: true, force: true }))

let counter = 0
const fresh = () => join(folder, `audit-${counter++}.log`)
const line = (text: string) => Buffer.from(`${JSON.stringify(text)}\n`)

describe('a file refuses', () => {
  test('when its folder is missing, and takes lines once it is there', async () => {
    const parent = await mkdtemp(join(folder, 'parent-'))
    await rename(parent, `${parent}-away`)
    const target = fileTarget(join(parent, 'audit.log'))
    await assert.rejects(target.write(line('a')), { code: 'ENOENT' })
    await rename(`${parent}-away`, parent)
    await target.write(line('b'))
    await target.close()
    assert.equal(await readFile(join(parent, 'audit.log'), 'utf8'), '"b"\n')
  })

  test('when it is a folder', async () => {
    const target = fileTarget(folder)
    await assert.rejects(target.write(line('a')), { code: 'EISDIR' })
    await target.close()
  })

  if (existsSync('/dev/full')) {
    test('when the device is full, each time anew', async () => {
      const target = fileTarget('/dev/full')
      for (let at = 0; at < 3; at++) {
        await assert.rejects(target.write(line('a')), (error: Error) => error instanceof PartlyWritten && error.written === 0)
      }
      await target.close()
    })
  }
})

describe('a file', () => {
  test('is appended to and readable by its owner and group alone', async () => {
    const path = fresh()
    await writeFile(path, '"before"\n')
    const target = fileTarget(path)
    await target.write(line('a'))
    await target.write(line('b'))
    await target.close()
    assert.equal(await readFile(path, 'utf8'), '"before"\n"a"\n"b"\n')
  })

  test('that was rotated away is opened anew, and the old one keeps its lines', async () => {
    const path = fresh()
    const target = fileTarget(path, 0)
    await target.write(line('a'))
    await rename(path, `${path}.1`)
    await target.write(line('b'))
    await rename(path, `${path}.2`)
    await writeFile(path, '')
    await target.write(line('c'))
    await target.close()
    assert.deepEqual(await Promise.all([`${path}.1`, `${path}.2`, path].map((each) => readFile(each, 'utf8'))), ['"a"\n', '"b"\n', '"c"\n'])
  })

  test('that was deleted is made anew', async () => {
    const path = fresh()
    const target = fileTarget(path, 0)
    await target.write(line('a'))
    await rm(path)
    await target.write(line('b'))
    await target.close()
    assert.equal(await readFile(path, 'utf8'), '"b"\n')
  })

  test('that was truncated in place is gone on with', async () => {
    const path = fresh()
    const target = fileTarget(path)
    await target.write(line('a'))
    await writeFile(path, '')
    await target.write(line('b'))
    await target.close()
    assert.equal(await readFile(path, 'utf8'), '"b"\n')
  })

  test('that an earlier process left torn is mended by a line break', async () => {
    const path = fresh()
    await writeFile(path, '"whole"\n"tor')
    const target = fileTarget(path)
    await target.write(line('a'))
    await target.close()
    assert.equal(await readFile(path, 'utf8'), '"whole"\n"tor\n"a"\n')
  })

  test('may be opened again after it was closed', async () => {
    const path = fresh()
    const target = fileTarget(path)
    await target.write(line('a'))
    await target.close()
    await target.close()
    await target.write(line('b'))
    await target.close()
    assert.equal(await readFile(path, 'utf8'), '"a"\n"b"\n')
  })
})

describe('a device that takes lines in parts', () => {
  /** Takes at most `most` bytes a write and `room` bytes in all, then says that it is full. */
  const device = (most: number) => {
    const state = { taken: '', room: Number.POSITIVE_INFINITY }
    const target = partwiseTarget(async (part) => {
      if (state.room === 0) throw Object.assign(new Error('no space left'), { code: 'ENOSPC' })
      const bytes = Math.min(most, state.room, part.length)
      state.taken += part.subarray(0, bytes).toString('latin1')
      state.room -= bytes
      return bytes
    })
    return { state, target }
  }

  test('that becomes full in the middle of a line refuses, says how far it came, and goes on with a line break', async () => {
    const { state, target } = device(4)
    state.room = 10
    await assert.rejects(
      target.write(Buffer.from('"one"\n"two"\n')),
      (error: unknown) => error instanceof PartlyWritten && error.written === 10,
    )
    await assert.rejects(target.write(line('three')), (error: unknown) => error instanceof PartlyWritten && error.written === 0)
    state.room = 3
    await assert.rejects(target.write(line('four')), (error: unknown) => error instanceof PartlyWritten && error.written === 2)
    state.room = 1_000
    await target.write(line('five'))
    await target.write(line('six'))
    assert.equal(state.taken, '"one"\n"two\n"f\n"five"\n"six"\n')
  })

  test('that becomes full between two lines is gone on with as it is', async () => {
    const { state, target } = device(100)
    state.room = 6
    await assert.rejects(target.write(Buffer.from('"one"\n"two"\n')), PartlyWritten)
    state.room = 1_000
    await target.write(line('three'))
    assert.equal(state.taken, '"one"\n"three"\n')
  })

  test('that takes nothing and says nothing refuses instead of being asked for ever', async () => {
    await assert.rejects(partwiseTarget(async () => 0).write(line('a')), PartlyWritten)
  })

  test('gets every byte in its order, however small the parts', async () => {
    const { state, target } = device(1)
    await target.write(Buffer.from('"one"\n"two"\n'))
    assert.equal(state.taken, '"one"\n"two"\n')
  })
})

describe('a descriptor', () => {
  test('that is not open refuses', async () => {
    const path = fresh()
    const descriptor = openSync(path, 'a')
    closeSync(descriptor)
    await assert.rejects(descriptorTarget(descriptor).write(line('a')), PartlyWritten)
  })

  test('is left open by close', async () => {
    const path = fresh()
    const descriptor = openSync(path, 'a')
    const target = descriptorTarget(descriptor)
    await target.write(line('a'))
    await target.close()
    await target.write(line('b'))
    closeSync(descriptor)
    assert.equal(await readFile(path, 'utf8'), '"a"\n"b"\n')
  })
})

describe('a stream', () => {
  const socketPair = async (): Promise<[Socket, Socket]> => {
    const accepted = Promise.withResolvers<Socket>()
    const server = createServer((socket) => accepted.resolve(socket)).listen(0, '127.0.0.1')
    await new Promise((resolve) => server.once('listening', resolve))
    const address = server.address()
    const near = connect(typeof address === 'object' && address !== null ? address.port : 0, '127.0.0.1')
    const far = await accepted.promise
    server.close()
    return [near, far]
  }

  test('whose reader left refuses, now and later, and ends nothing', async () => {
    const [near, far] = await socketPair()
    const target = streamTarget(near)
    far.resetAndDestroy()
    await new Promise((resolve) => near.once('close', resolve))
    await assert.rejects(target.write(line('a')))
    await assert.rejects(target.write(line('b')))
    await target.close()
  })

  test('refuses with what its write failed with', async () => {
    const stream = new Writable({ write: (_chunk, _encoding, done) => done(new Error('full')) })
    await assert.rejects(streamTarget(stream).write(line('a')), { message: 'full' })
  })

  test('is waited for until the bytes are taken, and left open', async () => {
    const taken: string[] = []
    let release = () => {}
    const stream = new Writable({
      write(chunk: Buffer, _encoding, done) {
        release = () => {
          taken.push(chunk.toString())
          done()
        }
      },
    })
    const target = streamTarget(stream)
    let done = false
    const written = target.write(line('a')).then(() => (done = true))
    await new Promise(setImmediate)
    assert.equal(done, false)
    release()
    await written
    await target.close()
    assert.equal(stream.writable, true)
    assert.deepEqual(taken, ['"a"\n'])
  })
})

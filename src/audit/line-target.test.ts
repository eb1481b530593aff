import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { closeSync, existsSync, openSync } from 'node:fs'
import { appendFile, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { connect, createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Writable } from 'node:stream'
import { after, before, describe, test } from 'node:test'
import { descriptorTarget, fileTarget, PartlyWritten, streamTarget } from './line-target.ts'

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
    const target = fileTarget(path)
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
    const target = fileTarget(path)
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

describe('standard output of a process', () => {
  const MODULES = new URL('.', import.meta.url).href
  const PROGRAM = `
    const { JsonLinesSink } = await import(${JSON.stringify(`${MODULES}json-lines.ts`)})
    const { standardOutput } = await import(${JSON.stringify(`${MODULES}line-target.ts`)})
    const clock = { now: () => 0, after: (ms, task) => { const timer = setTimeout(task, ms / 20); return { cancel: () => clearTimeout(timer) } } }
    const sink = new JsonLinesSink({ target: standardOutput(), clock })
    const say = (text) => process.stderr.write(text + '\\n')
    const record = (effect) => sink.record({ event: 'effect', attempt: 'a', who: undefined, resource: 'r', effect }).then(() => 'recorded', (error) => error.code)
  `

  interface Run {
    readonly said: string
    readonly code: number | null
  }

  /** Runs a program with its standard output as given; resolves with what it said on standard error. */
  const run = (program: string, stdout: 'pipe' | number, meddle: (child: ReturnType<typeof spawn>) => void = () => undefined) =>
    new Promise<Run>((resolve, reject) => {
      const child = spawn(process.execPath, ['--input-type=module', '-e', PROGRAM + program], { stdio: ['ignore', stdout, 'pipe', 'ipc'] })
      let said = ''
      child.stderr?.setEncoding('utf8').on('data', (text: string) => (said += text))
      child.once('error', reject)
      child.once('close', (code) => resolve({ said: said.trim(), code }))
      meddle(child)
    })

  test('that nobody reads any more refuses each record and does not end the process', async () => {
    const { said, code } = await run(
      `await new Promise((resolve) => process.once('message', resolve))
       for (let i = 0; i < 3; i++) say(await record('e' + i))
       setTimeout(() => process.exit(0), 20)`,
      'pipe',
      (child) => {
        child.stdout?.destroy()
        child.stdout?.once('close', () => child.send('go'))
      },
    )
    assert.deepEqual([said, code], ['audit_unavailable\naudit_unavailable\naudit_unavailable', 0])
  })

  test('that is full refuses after a bound and recovers when it is read', async () => {
    const { said, code } = await run(
      `say(await record('x'.repeat(1_000_000))); say(await record('more'))
       process.on('message', async () => {
         while ((await record('again')) !== 'recorded') await new Promise((resolve) => setTimeout(resolve, 5))
         say('recovered'); process.exit(0)
       })
       process.send('stuck')`,
      'pipe',
      (child) => {
        child.once('message', () => {
          child.stdout?.resume()
          child.send('go')
        })
      },
    )
    assert.equal(said, 'audit_unavailable\naudit_unavailable\nrecovered')
    assert.equal(code, 0)
  })

  test('that is a file takes whole lines after what is there', async () => {
    const path = fresh()
    await appendFile(path, '"before"\n')
    const descriptor = openSync(path, 'a')
    const { said, code } = await run(`say(await record('one')); say(await record('two')); process.exit(0)`, descriptor)
    closeSync(descriptor)
    assert.deepEqual([said, code], ['recorded\nrecorded', 0])
    assert.equal((await readFile(path, 'utf8')).split('\n').length, 4)
  })

  if (existsSync('/dev/full')) {
    test('that is a full device refuses each record and does not end the process', async () => {
      const descriptor = openSync('/dev/full', 'w')
      const { said, code } = await run(`for (let i = 0; i < 3; i++) say(await record('e' + i)); process.exit(0)`, descriptor)
      closeSync(descriptor)
      assert.deepEqual([said, code], ['audit_unavailable\naudit_unavailable\naudit_unavailable', 0])
    })
  }
})

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { closeSync, existsSync, openSync } from 'node:fs'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test } from 'node:test'

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
    const folder = await mkdtemp(join(tmpdir(), 'mandate-stdout-'))
    const path = join(folder, 'audit.log')
    await writeFile(path, '"before"\n')
    const descriptor = openSync(path, 'a')
    const { said, code } = await run(`say(await record('one')); say(await record('two')); process.exit(0)`, descriptor)
    closeSync(descriptor)
    const lines = (await readFile(path, 'utf8')).split('\n')
    await rm(folder, { recursive: true })
    assert.deepEqual([said, code], ['recorded\nrecorded', 0])
    assert.deepEqual(
      lines.slice(0, -1).map((line) => Object(JSON.parse(line)).effect),
      [undefined, 'one', 'two'],
    )
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

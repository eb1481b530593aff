import assert from 'node:assert/strict'
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { lstatSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { Complaint } from '../../complaint.ts'
import { testFolder } from './kept-tokens.fake.ts'
import { tryLock } from './lock.ts'

const run = promisify(execFile)
const LOCK = JSON.stringify(join(import.meta.dirname, 'lock.ts'))

test('refuses a link, or a file with contents, in the place of the lock', async (t) => {
  const folder = testFolder(t)
  writeFileSync(join(folder, 'full'), 'a database of somebody')
  symlinkSync(join(folder, 'full'), join(folder, 'link'))
  for (const name of ['full', 'link']) await assert.rejects(tryLock(join(folder, name)), Complaint)
})

test('is held by one at a time, within a process too, and is the owner’s alone', async (t) => {
  const path = join(testFolder(t), 'lock')
  const first = await tryLock(path)
  assert.ok(first !== undefined)
  assert.equal(await tryLock(path), undefined)
  assert.equal(await tryLock(path), undefined)
  first.release()
  const second = await tryLock(path)
  assert.ok(second !== undefined)
  second.release()
  assert.equal(lstatSync(path).mode & 0o777, 0o600)
})

test('is free the moment its holder is killed', async (t) => {
  const path = join(testFolder(t), 'lock')
  const script = `const { tryLock } = await import(${LOCK}); await tryLock(${JSON.stringify(path)}); console.log('held'); setInterval(() => {}, 1000)`
  const holder = spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: ['ignore', 'pipe', 'inherit'] })
  t.after(() => holder.kill('SIGKILL'))
  await once(holder.stdout, 'data')
  assert.equal(await tryLock(path), undefined)
  holder.kill('SIGKILL')
  await once(holder, 'exit')
  const lock = await tryLock(path)
  assert.ok(lock !== undefined)
  lock.release()
})

test('of eight processes that take it from a dead one, no two have it at once', async (t) => {
  const folder = testFolder(t)
  const [path, log] = [join(folder, 'lock'), join(folder, 'log')]
  // The first holder dies with it.
  await run(process.execPath, [
    '--input-type=module',
    '-e',
    `const { tryLock } = await import(${LOCK}); await tryLock(${JSON.stringify(path)}); process.kill(process.pid, 'SIGKILL')`,
  ]).catch(() => undefined)
  const script = `
    import { appendFileSync } from 'node:fs'
    import { setTimeout as sleep } from 'node:timers/promises'
    const { tryLock } = await import(${LOCK})
    for (let left = 10; left > 0; ) {
      const lock = await tryLock(${JSON.stringify(path)})
      if (lock === undefined) { await sleep(1); continue }
      appendFileSync(${JSON.stringify(log)}, 'in ' + process.pid + '\\n')
      await sleep(1)
      appendFileSync(${JSON.stringify(log)}, 'out ' + process.pid + '\\n')
      lock.release()
      left -= 1
    }`
  await Promise.all(Array.from({ length: 8 }, () => run(process.execPath, ['--input-type=module', '-e', script])))
  const lines = readFileSync(log, 'utf8').trim().split('\n')
  assert.equal(lines.length, 160)
  for (let at = 0; at < lines.length; at += 2) assert.equal(lines[at + 1], lines[at]?.replace('in', 'out'))
})

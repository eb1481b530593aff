import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { chmod, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, type TestContext, test } from 'node:test'
import { Complaint } from '../complaint.ts'
import { createLog } from '../log.ts'
import { startDev } from './dev.ts'
import { freePort } from './free-port.ts'
import { holdStateFolder } from './state-folder.ts'

async function folderFor(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'mandate-state-'))
  t.after(() => rm(folder, { recursive: true, force: true }))
  return folder
}
const silent = createLog(() => undefined, 'silent')
const complains = (words: string) => (error: unknown) => error instanceof Complaint && error.message === words

describe('a state folder is refused', () => {
  test('while another process holds it, and while this one does', async (t) => {
    const folder = await folderFor(t)
    const other = spawn(process.execPath, ['-e', 'setInterval(() => undefined, 1000)'], { stdio: 'ignore' })
    t.after(() => other.kill('SIGKILL'))
    await once(other, 'spawn')
    await writeFile(join(folder, 'lock'), `${other.pid}\n`)
    await assert.rejects(holdStateFolder(folder), complains(`${folder} is in use by process ${other.pid}: stop it, or give --state FOLDER`))
    const own = join(folder, 'own')
    const release = await holdStateFolder(own)
    await assert.rejects(holdStateFolder(own), complains(`${own} is in use by process ${process.pid}: stop it, or give --state FOLDER`))
    await release()
    await (await holdStateFolder(own))()
  })

  test('when it is a file, or lies below one, or on a way that this user may not go', async (t) => {
    const folder = await folderFor(t)
    const file = join(folder, 'file')
    await writeFile(file, '')
    await assert.rejects(
      holdStateFolder(file),
      complains(`${file} is a file and no folder (EEXIST): give another folder with --state FOLDER`),
    )
    await assert.rejects(holdStateFolder(join(file, 'x')), /lies below a file \(ENOTDIR\): give another folder/)
    if (process.getuid?.() === 0) return
    await chmod(folder, 0o500)
    await assert.rejects(holdStateFolder(join(folder, 'x')), /may not be written by this user \(EACCES\): give another folder/)
    await chmod(folder, 0o700)
  })
})

test('a lock whose process is gone is taken over; it is let go when a start fails, and nothing goes on listening', async (t) => {
  const folder = await folderFor(t)
  const { pid } = spawnSync(process.execPath, ['-e', ''])
  await writeFile(join(folder, 'lock'), `${pid}\n`)
  await assert.rejects(startDev({ log: silent, port: 0, state: folder, context: 'no-such-context' }))
  await assert.rejects(readFile(join(folder, 'lock')), { code: 'ENOENT' })
})

test('ports that would lie above the last one are free ones instead, and a port that is taken is named', async (t) => {
  assert.ok((await freePort(65_536)) < 65_536)
  const taken = createServer().listen(0, '127.0.0.1')
  t.after(() => taken.close())
  await once(taken, 'listening')
  const { port } = taken.address() as AddressInfo
  const folder = await folderFor(t)
  const dev = await startDev({ log: silent, port, state: folder })
  t.after(() => dev.stop())
  assert.ok(dev.welcome.includes(`\n${port} is in use; serving on ${new URL(dev.publicUrl).port}.\n`), dev.welcome)
  assert.ok((await stat(join(folder, 'lock'))).size > 0)
})

/**
 * The state folder of `mandate dev`, held by one process at a time: what one writes there, tokens and a kubeconfig, would
 * lead the commands of another to the wrong ports.
 */
import { mkdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { uptime } from 'node:os'
import { join } from 'node:path'
import { Complaint } from '../complaint.ts'

/** Of this process: its number in a lock of before says nothing, because numbers come again. */
const held = new Set<string>()

const WHY: Readonly<Record<string, string>> = {
  EEXIST: 'is a file and no folder',
  ENOTDIR: 'lies below a file',
  EACCES: 'may not be written by this user',
  EPERM: 'may not be written by this user',
  EROFS: 'lies on a disk that cannot be written',
  ENOSPC: 'lies on a disk that is full',
}

/** Makes the folder, readable by its owner only, and holds it; resolves to what lets it go. Throws a Complaint when it cannot be had. */
export async function holdStateFolder(folder: string): Promise<() => Promise<void>> {
  const lock = join(folder, 'lock')
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 })
    await take(folder, lock)
  } catch (error) {
    const { code = '' } = error as NodeJS.ErrnoException
    const why = WHY[code]
    throw why === undefined ? error : new Complaint(`${folder} ${why} (${code}): give another folder with --state FOLDER`)
  }
  held.add(lock)
  return async () => {
    held.delete(lock)
    await rm(lock, { force: true })
  }
}

/** Writes the lock, over one whose process is gone. */
async function take(folder: string, lock: string): Promise<void> {
  const write = () =>
    writeFile(lock, `${process.pid}\n`, { flag: 'wx', mode: 0o600 }).then(
      () => true,
      (error: NodeJS.ErrnoException) => {
        if (error.code === 'EEXIST') return false
        throw error
      },
    )
  if (await write()) return
  const holder = await holderOf(lock)
  if (holder === undefined) {
    await rm(lock, { force: true })
    if (await write()) return
  }
  const by = holder === undefined ? 'another process' : `process ${holder}`
  throw new Complaint(`${folder} is in use by ${by}: stop it, or give --state FOLDER`)
}

/** The process that holds a lock; undefined when it is gone. */
async function holderOf(lock: string): Promise<number | undefined> {
  const written = await readFile(lock, 'utf8').catch(() => '')
  const holder = /^[1-9][0-9]*$/.test(written.trim()) ? Number(written) : undefined
  const made = await stat(lock).catch(() => undefined)
  if (holder === undefined || made === undefined || made.mtimeMs < Date.now() - uptime() * 1_000) return undefined
  if (holder === process.pid) return held.has(lock) ? holder : undefined
  try {
    process.kill(holder, 0)
    return holder
  } catch (error) {
    // A process of somebody else may not be asked, and so is there.
    return (error as NodeJS.ErrnoException).code === 'EPERM' ? holder : undefined
  }
}

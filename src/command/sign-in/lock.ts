/**
 * A lock between processes: who holds it may renew tokens or sign a person in.
 *
 * It is SQLite's lock on an empty database file, so the kernel's: the moment its holder dies, however it dies, it is free.
 * That is why it is not a file with a process number in it. Such a file must be stolen from the dead, and between
 * looking and taking it may have become somebody living's; ids come again, and heartbeats stop when a laptop sleeps. The
 * file stays where it is: removing it would let two processes lock two files of one name.
 */
import { closeSync, lstatSync, openSync } from 'node:fs'
import { Complaint } from '../../complaint.ts'
import { codeOf } from './private-file.ts'

export interface Lock {
  release(): void
}

/** SQLITE_BUSY: another connection holds it. */
const BUSY = 5

/** Takes the lock if it is free; undefined when another holds it. Throws Complaint where files cannot be locked. */
export async function tryLock(path: string): Promise<Lock | undefined> {
  create(path)
  const { DatabaseSync } = await import('node:sqlite')
  const unusable = () => new Complaint(`${path} cannot be locked: keep the state on a local disk (MANDATE_STATE)`)
  let database: InstanceType<typeof DatabaseSync>
  try {
    database = new DatabaseSync(path, { timeout: 0 })
  } catch {
    throw unusable()
  }
  try {
    database.exec('BEGIN EXCLUSIVE')
  } catch (error) {
    database.close()
    if (error instanceof Error && 'errcode' in error && error.errcode === BUSY) return undefined
    throw unusable()
  }
  return { release: () => database.close() }
}

/**
 * Made here, so that it is the person's alone from the start. An existing one is looked at and not opened: closing any
 * descriptor of a file would drop the locks that this process has on it (POSIX fcntl).
 */
function create(path: string): void {
  try {
    const found = lstatSync(path)
    if (!found.isFile() || found.size > 0) throw new Complaint(`${path} is not a lock of ours: remove it`)
  } catch (error) {
    if (error instanceof Complaint) throw error
    try {
      closeSync(openSync(path, 'wx', 0o600))
    } catch (fault) {
      if (codeOf(fault) !== 'EEXIST') throw new Complaint(`${path} cannot be written (${codeOf(fault)})`)
    }
  }
}

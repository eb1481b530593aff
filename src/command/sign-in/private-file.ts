/**
 * Files and folders that only their owner may read, written whole or not at all.
 *
 * Security: a file is made with mode 0600 and not narrowed later, so there is no moment at which somebody else could open
 * it (CWE-378). It is read without following a link, and only if nobody else could have written or read it: what others
 * may write could hold a stranger's token, and the person would act as somebody else.
 */
import { randomBytes } from 'node:crypto'
import {
  closeSync,
  constants,
  fchmodSync,
  fstatSync,
  fsyncSync,
  lstatSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  type Stats,
  writeFileSync,
} from 'node:fs'
import { dirname } from 'node:path'
import { Complaint } from '../../complaint.ts'

const LARGEST_BYTES = 1_048_576

/** Makes the folder when it is missing. Throws Complaint when it is not the person's alone. */
export function privateFolder(path: string): void {
  mkdirSync(path, { recursive: true, mode: 0o700 })
  const found = lstatSync(path)
  if (found.isSymbolicLink()) throw new Complaint(`${path} is a symbolic link: name the folder itself (MANDATE_STATE)`)
  if (!found.isDirectory()) throw new Complaint(`${path} is not a folder: remove it, or name another one (MANDATE_STATE)`)
  requireOwn(path, found, 'chmod 700')
}

/** The content, or undefined when there is no such file. Throws Complaint when it is not the person's alone. */
export function readPrivate(path: string): string | undefined {
  let file: number
  try {
    // Not blocking: a pipe of that name would wait for a writer.
    file = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined
    if (codeOf(error) === 'ELOOP') throw new Complaint(`${path} is a symbolic link, so it is not used: remove it`)
    throw new Complaint(`${path} cannot be read (${codeOf(error)})`)
  }
  try {
    const found = fstatSync(file)
    if (!found.isFile()) throw new Complaint(`${path} is not a file: remove it`)
    requireOwn(path, found, 'chmod 600')
    return found.size > LARGEST_BYTES ? '' : readFileSync(file, 'utf8')
  } finally {
    closeSync(file)
  }
}

/** Replaces a file by a new one that is on the disk when this returns. `mode` is for files that hold no secret. */
export function writePrivate(path: string, content: string, mode = 0o600): void {
  const fresh = `${path}.${randomBytes(6).toString('hex')}`
  const file = openSync(fresh, 'wx', 0o600)
  try {
    try {
      writeFileSync(file, content)
      if (mode !== 0o600) fchmodSync(file, mode)
      fsyncSync(file)
    } finally {
      closeSync(file)
    }
    renameSync(fresh, path)
  } catch (error) {
    rmSync(fresh, { force: true })
    throw new Complaint(`${path} cannot be written (${codeOf(error)})`)
  }
  syncFolder(dirname(path))
}

/** A rename is on the disk only when its folder is. Not every system lets a folder be opened. */
function syncFolder(path: string): void {
  try {
    const folder = openSync(path, 'r')
    try {
      fsyncSync(folder)
    } finally {
      closeSync(folder)
    }
  } catch {
    // The content is whole either way.
  }
}

function requireOwn(path: string, found: Stats, mend: string): void {
  // Windows has neither owners nor modes in this form; there the profile folder is the person's by its access list.
  if (process.getuid === undefined) return
  if (found.uid !== process.getuid()) throw new Complaint(`${path} belongs to another user, so it is not used: remove it`)
  if ((found.mode & 0o077) !== 0) throw new Complaint(`others may read or write ${path}, so it is not used: ${mend} ${path}`)
}

/** The errno word of an error. */
export function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : 'unknown'
}

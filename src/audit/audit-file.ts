/** Whether audit lines can be appended to a file, asked before anything rests on it. */
import { accessSync, closeSync, constants, openSync, statSync } from 'node:fs'
import { statfs } from 'node:fs/promises'
import { dirname } from 'node:path'
import { describeError } from '../log.ts'

const WORDS: Readonly<Record<string, string>> = {
  ENOENT: 'its folder is not there',
  ENOTDIR: 'a part of its path is no folder',
  EISDIR: 'it is a folder',
  EACCES: 'this user may not write there',
  EPERM: 'this user may not write there',
  EROFS: 'it is on a file system that can only be read',
}

/**
 * Why a file cannot be appended to, in words; undefined when it can. Nothing is written to it; `make` creates it when it is
 * not there. A pipe or device is not opened: whoever reads a pipe would take the closing for its end.
 */
export function whyUnwritable(file: string, make: boolean): string | undefined {
  try {
    const there = statSync(file, { throwIfNoEntry: false })
    // With the dot a file in the place of the folder is told apart from one without rights.
    if (there === undefined && !make) accessSync(`${dirname(file)}/.`, constants.W_OK | constants.X_OK)
    else if (there === undefined || there.isFile() || there.isDirectory()) closeSync(openSync(file, make ? APPEND_OR_MAKE : APPEND, 0o640))
    else accessSync(file, constants.W_OK)
    return undefined
  } catch (error) {
    const { code = 'unknown' } = describeError(error)
    return `${WORDS[code] ?? 'it cannot be opened'} (${code})`
  }
}

const APPEND = constants.O_WRONLY | constants.O_APPEND
const APPEND_OR_MAKE = APPEND | constants.O_CREAT

/** False when the disk of a file is full. What has no disk, such as a pipe, is never full. */
export async function hasRoom(file: string): Promise<boolean> {
  const disk = await statfs(file).catch(() => undefined)
  return disk === undefined || disk.blocks === 0 || disk.bavail > 0
}

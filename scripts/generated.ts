/** Files that are written from the code: which of them are stale, and writing them. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'

/** What each file must be, by its path. */
export type Generated = ReadonlyMap<string, string>

/** The paths of files that are not what they must be. */
export function staleOf(files: Generated): string[] {
  return [...files].filter(([path, content]) => read(path) !== content).map(([path]) => path)
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return undefined
  }
}

/** Writes what is stale and says so; with `--check` it fails instead. `what` names the files, `script` how to write them. */
export function writeOrCheck(files: Generated, what: string, script: string): void {
  const checkOnly = process.argv.includes('--check')
  const stale = staleOf(files)
  for (const path of stale) {
    if (checkOnly) console.error(`${path} differs from the code: run node ${script}`)
    else {
      mkdirSync(dirname(path), { recursive: true })
      writeFileSync(path, files.get(path) ?? '')
    }
  }
  if (checkOnly && stale.length > 0) process.exitCode = 1
  if (!checkOnly) console.log(stale.length === 0 ? `${what} are what the code says` : `written: ${stale.join(', ')}`)
}

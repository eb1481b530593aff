/**
 * Reads what references name. A value is read again when its file has changed, so a rotated secret is used without a
 * restart; a file that has become unreadable or empty is an error, never an empty secret or an empty CA. A relative path
 * is looked for in the working directory; errors say the whole path, because that is what tells a wrong directory.
 */
import { readFileSync, statSync } from 'node:fs'
import { resolve } from 'node:path'
import { Secret } from '../secret.ts'
import { environmentVariable } from './environment.ts'
import type { Reference } from './values.ts'

/** A reference that cannot be read. Its message names the reference and why, never the value. */
export class ReferenceUnreadable extends Error {
  override readonly name = 'ReferenceUnreadable'
  readonly code = 'reference_unreadable'
  readonly mend: string

  constructor(message: string, mend = 'put it there, readable by this user') {
    super(message)
    this.mend = mend
  }
}

/** The system's code of an error, such as " (ENOENT)", to stand at the end of a sentence; '' when it has none. */
export function systemCode(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  return typeof code === 'string' && /^E[A-Z0-9]+$/.test(code) ? ` (${code})` : ''
}

export interface SecretSource {
  /** The value now, without surrounding white space. Throws ReferenceUnreadable. */
  read(): Secret
  /** Changes when the value may have changed; cheap. */
  version(): string
}

/** A source for a reference. Nothing is read before the first `read`. */
export function secretSource(reference: Reference): SecretSource {
  if ('env' in reference) {
    const { env } = reference
    return {
      read: () => nonEmpty(environmentVariable(env), `the environment variable ${env} is not set or empty`, `set ${env}`),
      version: () => 'env',
    }
  }
  const file = resolve(reference.file)
  let cached: { version: string; value: Secret } | undefined
  const version = () => {
    try {
      const { mtimeMs, ino, size } = statSync(file)
      return `${mtimeMs}-${ino}-${size}`
    } catch (error) {
      throw fileUnreadable(file, error)
    }
  }
  return {
    version,
    read() {
      const current = version()
      if (cached?.version === current) return cached.value
      const value = nonEmpty(readText(file), `the file ${file} is empty`, 'write the secret or certificate into it')
      cached = { version: current, value }
      return value
    },
  }
}

function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    throw fileUnreadable(file, error)
  }
}

function fileUnreadable(file: string, error: unknown): ReferenceUnreadable {
  const code = systemCode(error)
  if (code === ' (EISDIR)') return new ReferenceUnreadable(`${file} is a directory (EISDIR)`, 'name the file within it')
  return new ReferenceUnreadable(`the file ${file} cannot be read${code}`, 'put the file there, readable by this user')
}

function nonEmpty(value: string | undefined, complaint: string, mend: string): Secret {
  const trimmed = value?.trim()
  if (trimmed === undefined || trimmed === '') throw new ReferenceUnreadable(complaint, mend)
  return new Secret(trimmed)
}

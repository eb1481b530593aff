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

/** A reference that cannot be read. Its message names the reference, never the value. */
export class ReferenceUnreadable extends Error {
  override readonly name = 'ReferenceUnreadable'
  readonly code = 'reference_unreadable'
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
      read: () => nonEmpty(environmentVariable(env), `the environment variable ${env} is not set or empty`),
      version: () => 'env',
    }
  }
  const file = resolve(reference.file)
  let cached: { version: string; value: Secret } | undefined
  const version = () => {
    try {
      const { mtimeMs, ino, size } = statSync(file)
      return `${mtimeMs}-${ino}-${size}`
    } catch {
      throw new ReferenceUnreadable(`the file ${file} cannot be read`)
    }
  }
  return {
    version,
    read() {
      const current = version()
      if (cached?.version === current) return cached.value
      const value = nonEmpty(readText(file), `the file ${file} is empty`)
      cached = { version: current, value }
      return value
    },
  }
}

function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    throw new ReferenceUnreadable(`the file ${file} cannot be read`)
  }
}

function nonEmpty(value: string | undefined, complaint: string): Secret {
  const trimmed = value?.trim()
  if (trimmed === undefined || trimmed === '') throw new ReferenceUnreadable(complaint)
  return new Secret(trimmed)
}

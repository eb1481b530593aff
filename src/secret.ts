/**
 * A value that never prints itself.
 *
 * Security: every token, cookie, key and client secret travels in a Secret from the edge where it is read to
 * the edge where it is sent. Printing, JSON, template strings and the inspector all yield `[secret]`, so an error,
 * log line or audit record that carries one by mistake leaks nothing. `expose()` is the only way in and is easy to
 * search for: each call is a place a reviewer looks at.
 */
import { createHash, hash, timingSafeEqual } from 'node:crypto'
import { inspect } from 'node:util'

const MASK = '[secret]'

export class Secret {
  readonly #value: string

  constructor(value: string) {
    this.#value = value
  }

  /** The value itself. Call it only where the value leaves the process or enters a cryptographic operation. */
  expose(): string {
    return this.#value
  }

  /** Length in UTF-16 units: what may be logged about a secret. */
  get length(): number {
    return this.#value.length
  }

  /** SHA-256 of the value as base64url: names the secret in caches and stores without holding it. */
  digest(): string {
    return hash('sha256', this.#value, 'base64url')
  }

  /** Compares in time that does not depend on where two values differ. */
  equals(other: Secret): boolean {
    const ours = createHash('sha256').update(this.#value).digest()
    const theirs = createHash('sha256').update(other.#value).digest()
    return timingSafeEqual(ours, theirs)
  }

  toString(): string {
    return MASK
  }

  toJSON(): string {
    return MASK
  }

  [inspect.custom](): string {
    return MASK
  }
}

// A program that uses the package must not be able to replace how secrets are opened, by mistake or otherwise.
Object.freeze(Secret.prototype)

/** A sealing key for one process: nothing sealed under it outlives the process. */
import { randomBytes } from 'node:crypto'
import { Secret } from '../secret.ts'

/** 32 random bytes as base64, the form that key rings take. */
export function randomKey(): Secret {
  return new Secret(randomBytes(32).toString('base64'))
}

/**
 * Has the buffers of large bodies freed while they pass.
 *
 * Each read of a socket makes a buffer of up to 64 kB outside of V8's heap. V8 looks for those that are spent only once
 * there are about 64 MB of them, or when its own young objects have filled their space, of which a large body makes few: a
 * single upload would take more memory than all else a gateway does. So after so many bytes the young objects are collected,
 * which takes about a millisecond, and with them nearly all such buffers.
 */
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

const EVERY_BYTES = 16_000_000

let since = 0
let collectYoung: (() => void) | undefined

/** Told of bytes of bodies that were passed on. */
export function passedOn(bytes: number): void {
  since += bytes
  if (since < EVERY_BYTES) return
  since = 0
  collectYoung ??= collector()
  collectYoung()
}

/** The collector of young objects; where this Node does not give it out, V8 is left to itself. */
function collector(): () => void {
  setFlagsFromString('--expose-gc')
  const collect: unknown = runInNewContext('globalThis.gc')
  // No other code of this process is to have it.
  setFlagsFromString('--no-expose-gc')
  return typeof collect === 'function' ? () => void collect({ type: 'minor' }) : () => undefined
}

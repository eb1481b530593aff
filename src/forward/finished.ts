/** The beginning and the proper end of an answer. */
import type { ServerResponse } from 'node:http'

/**
 * Sends a head that was written and calls `goesOn`, unless the whole answer was there at once: a short answer is one write,
 * and a head whose body is slow does not wait for it.
 */
export function unlessOver(response: ServerResponse, goesOn: () => void): void {
  setImmediate(() => {
    if (response.destroyed || response.writableEnded) return
    response.flushHeaders()
    goesOn()
  })
}

/** Ends an answer and waits until it is out; a caller that does not fetch the rest of it within `withinMs` is cut off. */
export function finished(response: ServerResponse, withinMs: number): Promise<void> {
  return new Promise((resolve) => {
    if (response.destroyed) return resolve()
    response.end()
    // With the kernel already, as a short answer is: only its close is still to come.
    const cut = response.socket?.writableLength === 0 ? undefined : setTimeout(() => response.destroy(), withinMs)
    response.once('close', () => {
      clearTimeout(cut)
      resolve()
    })
  })
}

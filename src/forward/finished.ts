/** The beginning and the proper end of an answer. */
import type { ServerResponse } from 'node:http'

/**
 * Sends a head that was written, unless what follows it took it along meanwhile: head and body of a short answer are one
 * write, and a head whose body is slow does not wait for it.
 */
export function flushSoon(response: ServerResponse): void {
  setImmediate(() => {
    if (!response.destroyed && !response.writableEnded) response.flushHeaders()
  })
}

/** Ends an answer and waits until it is out; a caller that does not fetch the rest of it within `withinMs` is cut off. */
export function finished(response: ServerResponse, withinMs: number): Promise<void> {
  return new Promise((resolve) => {
    if (response.destroyed) return resolve()
    const cut = setTimeout(() => response.destroy(), withinMs)
    response.once('close', () => {
      clearTimeout(cut)
      resolve()
    })
    response.end()
  })
}

/** The proper end of an answer. */
import type { ServerResponse } from 'node:http'

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

/**
 * Expositions of the metrics: one at a time and four a second, however many are asked for.
 *
 * Security: each reads the shared store and writes out every series, and while it is written nobody else is served. Whoever
 * reaches the operations port may ask without end and need not read what he gets, so one is shared, as the same bytes, by
 * all who ask before it is there. None is kept: who asks again at once waits for the next, so that an answer
 * tells of what was before the question.
 */
import { type Clock, pause } from '../clock.ts'
import type { Metrics } from '../metrics.ts'

/** From the beginning of one to that of the next. */
const APART_MS = 250

export interface Exposition {
  readonly contentType: string
  readonly body: Buffer
}

/** What to ask for expositions. Rejects as `expose` does, for all who asked. */
export function shareExpositions({ expose }: Pick<Metrics, 'expose'>, clock: Clock): () => Promise<Exposition> {
  let shared: Promise<Exposition> | undefined
  let apart = Promise.resolve()
  const next = async () => {
    await apart
    apart = pause(clock, APART_MS)
    const { contentType, body } = await expose()
    return { contentType, body: Buffer.from(body) }
  }
  return () => {
    shared ??= next().finally(() => {
      shared = undefined
    })
    return shared
  }
}

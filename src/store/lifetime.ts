/** How every store reads a `ttlMs`: whole milliseconds, rounded up, at least one. */

/** Throws RangeError for what is no length of time; a life of zero or less ends after one millisecond. */
export function lifetime(ttlMs: number): number {
  if (!Number.isFinite(ttlMs)) throw new RangeError('ttlMs is not a finite number of milliseconds')
  return Math.max(1, Math.ceil(ttlMs))
}

/** How many log entries one `read` yields at most: a replica that begins at 0 must not stop the store for others. */
export const LOG_PAGE = 512

/** Waits for the platform's or a person's word to stop. */
import type { Log } from '../log.ts'

const START_ENDS_WITHIN_MS = 5_000

/** Resolves at the first SIGTERM or SIGINT from this call on; a second one ends the process at once. */
export function untilSignal(log: Log): Promise<void> {
  return new Promise((resolve) => {
    let asked = false
    const stop = (signal: NodeJS.Signals) => {
      if (asked) process.exit(1)
      asked = true
      log.info('stopping', { signal })
      resolve()
    }
    process.on('SIGTERM', stop)
    process.on('SIGINT', stop)
  })
}

/**
 * Gives what `starting` gives, to be stopped in order even when the word to stop came first. A start that does not come to
 * its end within 5 seconds of that word ends with the process: it has served nobody yet.
 */
export async function endingSoon<T>(told: Promise<void>, starting: Promise<T>): Promise<T> {
  let over = false
  let late: NodeJS.Timeout | undefined
  void told.then(() => {
    if (!over) late = setTimeout(() => process.exit(), START_ENDS_WITHIN_MS)
  })
  try {
    return await starting
  } finally {
    over = true
    clearTimeout(late)
  }
}

/** Waits for the platform's or a person's word to stop. */
import type { Log } from '../log.ts'

/** Resolves at the first SIGTERM or SIGINT; a second one ends the process at once. */
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

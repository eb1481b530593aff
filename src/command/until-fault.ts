/**
 * The last guard of the process that serves: what was thrown where nobody caught it, rejections included.
 *
 * Security: after that nobody knows in which state the process is, and it holds credentials; so it must not go on. It does
 * not break off either, which would let whoever can set off one fault cut everybody's answers: it stops being ready, answers
 * get their grace, streams end, the audit log is written, and it ends as failed, for the platform to start another. No
 * caller is meant to get here: what a connection sets off is guarded where it arises (`gateway/guarded.ts`).
 */
import type { Log } from '../log.ts'

const ENDS_WITHIN_MS = 30_000

/** Resolves at the first such fault from this call on; a second one ends the process at once, and so does half a minute. */
export function untilFault(log: Log): Promise<void> {
  return new Promise((resolve) => {
    let isEnding = false
    // Rejections that nobody sees to arrive here as well, as Node has it by default.
    process.on('uncaughtException', (error, origin) => {
      log.fault('a fault that nobody caught ends this process', error, { origin })
      if (isEnding) process.exit(1)
      isEnding = true
      process.exitCode = 1
      setTimeout(() => process.exit(1), ENDS_WITHIN_MS).unref()
      resolve()
    })
  })
}

/**
 * Knows whether audit lines can be written, and finds out when they can be again.
 *
 * A replica that is not ready gets no requests, so nothing would be written that could show that the disk has room again:
 * while it is down the target is tried by itself, with a write of nothing. That proves less than a line would, so a target
 * that goes down again right after is tried ever more rarely.
 */
import type { Clock, Timer } from '../clock.ts'
import { describeError } from '../log.ts'
import type { LineTarget } from './line-target.ts'

interface Options {
  readonly clock: Clock
  /** False when a write would be sure to fail, although one of nothing does not. */
  readonly hasRoom: () => Promise<boolean>
  /** Told when writing begins to fail, with the code of the error where it has one. */
  readonly onDown: (code: string | undefined) => void
  /** Told when it works again, or seems to. */
  readonly onUp: () => void
}

export interface WatchedTarget extends LineTarget {
  /** True while lines cannot be written. */
  readonly down: boolean
  /** To be called when a write does not come to its end. */
  hangs(): void
}

const TRY_AFTER_MS = 1_000
const LONGEST_TRY_AFTER_MS = 30_000

/** Watches the writes to a target, and passes them on as they are. */
export function watchedTarget(target: LineTarget, { clock, hasRoom, onDown, onUp }: Options): WatchedTarget {
  let down = false
  let closed = false
  let writing = 0
  let tryAfter = TRY_AFTER_MS
  let timer: Timer | undefined
  let trying: Promise<void> | undefined

  const goDown = (code: string | undefined) => {
    if (!down) onDown(code)
    down = true
    if (!closed) timer ??= clock.after(tryAfter, () => void tryIt())
  }
  const goUp = () => {
    timer?.cancel()
    timer = undefined
    if (down) onUp()
    down = false
  }
  const tryIt = async () => {
    timer = undefined
    // A write that is under way tells more.
    if (writing > 0) return goDown(undefined)
    const trial = target.write(Buffer.alloc(0)).then(hasRoom)
    trying = trial.then(
      () => undefined,
      () => undefined,
    )
    const works = await trial.catch(() => false)
    trying = undefined
    if (!down || closed) return
    if (!works) return goDown(undefined)
    tryAfter = Math.min(2 * tryAfter, LONGEST_TRY_AFTER_MS)
    goUp()
  }
  const write = async (lines: Buffer) => {
    writing += 1
    try {
      await target.write(lines)
    } catch (error) {
      const { code, cause } = describeError(error)
      goDown(code ?? cause)
      throw error
    } finally {
      writing -= 1
    }
    tryAfter = TRY_AFTER_MS
    goUp()
  }
  return {
    get down() {
      return down
    },
    hangs: () => goDown('hangs'),
    // One write at a time keeps lines whole.
    write: (lines) => (trying === undefined ? write(lines) : trying.then(() => write(lines))),
    close() {
      closed = true
      timer?.cancel()
      return target.close()
    },
  }
}

/** Time as a part that tests replace. Milliseconds since the epoch everywhere; seconds only inside JWTs. */

export interface Timer {
  cancel(): void
}

export interface Clock {
  now(): number
  /** Runs `task` once after `ms`. The timer does not keep the process alive. */
  after(ms: number, task: () => void): Timer
}

export const systemClock: Clock = {
  now: () => Date.now(),
  after(ms, task) {
    let timer: NodeJS.Timeout
    // setTimeout fires at once past 2^31-1 ms; a token that lives for months must not end now, nor after 24 days.
    const wait = (left: number) => {
      timer = left > MOST_TIMEOUT_MS ? setTimeout(() => wait(left - MOST_TIMEOUT_MS), MOST_TIMEOUT_MS) : setTimeout(task, Math.max(0, left))
      timer.unref()
    }
    wait(ms)
    return { cancel: () => clearTimeout(timer) }
  },
}

const MOST_TIMEOUT_MS = 0x7fffffff

/** Resolves after `ms`, or as soon as `signal` fires. Never rejects. */
export function pause(clock: Clock, ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted) return resolve()
    const finish = () => {
      timer.cancel()
      signal?.removeEventListener('abort', finish)
      resolve()
    }
    const timer = clock.after(ms, finish)
    signal?.addEventListener('abort', finish, { once: true })
  })
}

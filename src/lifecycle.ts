/** Ordered start and stop: parts stop in the reverse order of their start, each within its bound. */

export interface Part {
  readonly name: string
  /** Ends the part. Must settle by itself; the lifecycle waits at most `boundMs`. */
  stop(): Promise<void> | void
}

/** How a part failed to stop: in time, or at all. */
export type Problem = 'too slow' | 'failed'

export class Lifecycle {
  readonly #parts: Part[] = []
  readonly #boundMs: number
  readonly #report: (part: string, problem: Problem) => void
  #stopping: Promise<void> | undefined

  /** `report` is told of each part that failed to stop. */
  constructor(boundMs = 10_000, report: (part: string, problem: Problem) => void = () => undefined) {
    this.#boundMs = boundMs
    this.#report = report
  }

  /** Adds a part that has just been started, and gives it back. */
  add<P extends Part>(part: P): P {
    this.#parts.push(part)
    return part
  }

  /** Registers an end without an object of its own. */
  onStop(name: string, stop: () => Promise<void> | void): void {
    this.#parts.push({ name, stop })
  }

  get stopping(): boolean {
    return this.#stopping !== undefined
  }

  /** Stops everything once, newest first. A part that fails or hangs does not keep the others from stopping. */
  stop(): Promise<void> {
    this.#stopping ??= this.#stopAll()
    return this.#stopping
  }

  async #stopAll(): Promise<void> {
    // Taken one by one: a part that is added during the stop is stopped as well.
    for (let part = this.#parts.pop(); part !== undefined; part = this.#parts.pop()) {
      const problem = await this.#stopOne(part)
      if (problem !== undefined) this.#report(part.name, problem)
    }
  }

  async #stopOne(part: Part): Promise<Problem | undefined> {
    const bound = Promise.withResolvers<Problem>()
    const timer = setTimeout(() => bound.resolve('too slow'), this.#boundMs)
    const stopped = (async (): Promise<Problem | undefined> => {
      try {
        await part.stop()
        return undefined
      } catch {
        return 'failed'
      }
    })()
    try {
      return await Promise.race([stopped, bound.promise])
    } finally {
      clearTimeout(timer)
    }
  }
}

/** Ordered start and stop: parts stop in the reverse order of their start, each within its bound. */

export interface Part {
  readonly name: string
  /** Ends the part. Must settle by itself; the lifecycle waits at most `boundMs`. */
  stop(): Promise<void> | void
}

export class Lifecycle {
  readonly #parts: Part[] = []
  readonly #boundMs: number
  #stopping: Promise<void> | undefined

  constructor(boundMs = 10_000) {
    this.#boundMs = boundMs
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
    for (const part of this.#parts.toReversed()) {
      const bound = Promise.withResolvers<void>()
      const timer = setTimeout(bound.resolve, this.#boundMs)
      await Promise.race([Promise.resolve().then(() => part.stop()), bound.promise]).catch(() => undefined)
      clearTimeout(timer)
    }
  }
}

/**
 * Bytes on their way from a client to a command, which reads them in its own time. Unlike a stream of Node's, what one
 * reader took too much can be given back for the next one.
 */
export class InputQueue {
  readonly #chunks: Buffer[] = []
  readonly #onRoom: () => void
  #size = 0
  #isEnded = false
  #wake: (() => void) | undefined

  /** `onRoom` is called when a reader has emptied the queue. */
  constructor(onRoom: () => void) {
    this.#onRoom = onRoom
  }

  /** How many bytes wait for a reader. */
  get size(): number {
    return this.#size
  }

  /** Appends; after the end it does nothing. */
  push(bytes: Buffer): void {
    if (this.#isEnded || bytes.length === 0) return
    this.#chunks.push(bytes)
    this.#size += bytes.length
    this.#wake?.()
  }

  end(): void {
    this.#isEnded = true
    this.#wake?.()
  }

  /** Resolves with what comes next, undefined at the end. One reader at a time. */
  async read(): Promise<Buffer | undefined> {
    if (this.#chunks.length === 0 && !this.#isEnded) {
      this.#onRoom()
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    }
    const chunk = this.#chunks.shift()
    this.#size -= chunk?.length ?? 0
    return chunk
  }

  /** Gives back the rest of what was read last. */
  unread(bytes: Buffer): void {
    if (bytes.length === 0) return
    this.#chunks.unshift(bytes)
    this.#size += bytes.length
  }
}

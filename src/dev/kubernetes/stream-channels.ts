/**
 * The streams of exec and attach over one WebSocket, as `remotecommand` lays them out: every message begins with the
 * number of its stream. v4.channel.k8s.io and v5.channel.k8s.io differ in one thing: only in v5 can a client end a stream.
 */
import { setImmediate } from 'node:timers/promises'
import type { RawData, WebSocket } from 'ws'
import { InputQueue } from './input-queue.ts'
import type { JsonObject } from './object.ts'

/** The protocols this server speaks, the preferred one first. Older ones cannot say how a command ended. */
export const streamProtocols = ['v5.channel.k8s.io', 'v4.channel.k8s.io'] as const

export type StreamProtocol = (typeof streamProtocols)[number]

const numbers = { stdin: 0, stdout: 1, stderr: 2, error: 3, end: 255 } as const
const endOfTransmission = 0x04

/** How many bytes a command's input may be ahead of it. */
const inputLimit = 64 * 1024

/** Which streams a request asked for. A terminal has one output: what goes to stderr appears on stdout. */
export type WantedStreams = { stdin: boolean; stdout: boolean; stderr: boolean; tty: boolean }

/** The bytes of a message, however they came. */
export function bytesOf(data: RawData): Buffer {
  if (Array.isArray(data)) return Buffer.concat(data)
  return data instanceof ArrayBuffer ? Buffer.from(data) : data
}

/** The server's end of the streams. */
export class StreamChannels {
  /** What the client sends; at its end at once when the client asked for no stdin. */
  readonly stdin: InputQueue
  /** Aborted when the connection is gone, for whatever reason. */
  readonly closed: AbortSignal
  readonly #socket: WebSocket
  readonly #wanted: WantedStreams

  constructor(socket: WebSocket, protocol: StreamProtocol, wanted: WantedStreams) {
    this.#socket = socket
    this.#wanted = wanted
    const closed = new AbortController()
    this.closed = closed.signal
    // What nobody reads stays with the client: the kernel's buffers fill up and its writes wait.
    this.stdin = new InputQueue(() => socket.resume())
    if (!wanted.stdin) this.stdin.end()
    socket.on('message', (data) => {
      const message = bytesOf(data)
      const body = message.subarray(1)
      if (message[0] === numbers.end && protocol === 'v5.channel.k8s.io' && body[0] === numbers.stdin) this.stdin.end()
      // Everything else, the size of the terminal too, has no meaning here and is dropped as the API server does.
      if (message[0] !== numbers.stdin) return
      const stop = wanted.tty ? body.indexOf(endOfTransmission) : -1
      this.stdin.push(stop === -1 ? body : body.subarray(0, stop))
      if (stop !== -1) this.stdin.end()
      if (this.stdin.size > inputLimit && socket.readyState === socket.OPEN) socket.pause()
    })
    socket.on('error', () => undefined)
    socket.on('close', () => {
      this.stdin.end()
      closed.abort()
    })
    // Empty, on the first stream there is: it tells the client that the streams are open.
    const first = wanted.stdout ? numbers.stdout : wanted.stderr ? numbers.stderr : numbers.error
    socket.send(Buffer.from([first]))
  }

  /**
   * Resolves when the bytes are with the kernel, which is what makes a fast writer wait for a slow reader. Never at
   * once: a writer without end must leave time for the end to be noticed.
   */
  async write(stream: 'stdout' | 'stderr', bytes: Buffer): Promise<void> {
    const target = this.#wanted.tty ? 'stdout' : stream
    const sent =
      this.#wanted[target] &&
      (await new Promise<boolean>((resolve) => {
        this.#socket.send(Buffer.concat([Buffer.from([numbers[target]]), bytes]), (error) => resolve(error == null))
      }))
    if (!sent) await setImmediate()
  }

  /** Bytes written and not yet sent. */
  get waiting(): number {
    return this.#socket.bufferedAmount
  }

  /** Says how it ended, a meta/v1 Status, and closes. Resolves when the connection is closed. */
  async finish(status: JsonObject): Promise<void> {
    if (this.closed.aborted) return
    const gone = new Promise<void>((resolve) => this.closed.addEventListener('abort', () => resolve(), { once: true }))
    this.#socket.send(Buffer.concat([Buffer.from([numbers.error]), Buffer.from(JSON.stringify(status))]))
    // What the client still sends is read and dropped, or its answer to the close would not be seen.
    this.stdin.end()
    this.#socket.close(1000)
    this.#socket.resume()
    await gone
  }
}

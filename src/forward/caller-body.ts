/**
 * The caller's request body as a stream of its own, counted.
 *
 * It stands between the caller's connection and the upstream's so that neither breaks the other: when the upstream is
 * gone or the body too large, this stream is destroyed and the rest of what the caller sends is read and dropped, and
 * the caller still gets an answer. Destroying the request itself would cut the connection the answer goes out on.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { Readable } from 'node:stream'
import { Refusal } from '../errors.ts'
import { passedOn } from './spent-buffers.ts'

class CallerBody extends Readable {
  readonly #request: IncomingMessage
  readonly #begin: () => void
  readonly #limit: number
  #begun = false
  #seen = 0
  readonly #onData = (chunk: Buffer) => {
    this.#seen += chunk.length
    passedOn(chunk.length)
    if (this.#seen > this.#limit) this.destroy(tooLarge(this.#limit))
    else if (!this.push(chunk)) this.#request.pause()
  }
  readonly #onEnd = () => void this.push(null)
  readonly #onClose = () => {
    if (!this.#request.complete) this.destroy(new Refusal('request_timeout', { detail: 'its body broke off' }))
  }

  constructor(request: IncomingMessage, limit: number, begin: () => void) {
    super({ highWaterMark: 65_536 })
    this.#request = request
    this.#limit = limit
    this.#begin = begin
    // Whoever reads this stream has the error from its end; without any reader left it is nobody's.
    this.on('error', () => undefined)
  }

  override _read(): void {
    if (this.#begun) return void this.#request.resume()
    this.#begun = true
    this.#begin()
    this.#request.on('data', this.#onData)
    this.#request.once('end', this.#onEnd)
    this.#request.once('close', this.#onClose)
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.#request.removeListener('data', this.#onData)
    this.#request.removeListener('end', this.#onEnd)
    this.#request.removeListener('close', this.#onClose)
    this.#request.resume()
    done(error)
  }
}

/**
 * The body of a request, or undefined for none. A caller that waits for `100 Continue` gets it when the upstream first
 * reads. Throws Refusal `body_too_large` for an announced length; the stream fails with it for one that only grows.
 */
export function callerBody(request: IncomingMessage, response: ServerResponse, limit: number): Readable | undefined {
  const announced = request.headers['content-length']
  if (announced === undefined && request.headers['transfer-encoding'] === undefined) return undefined
  if (announced !== undefined && Number(announced) === 0) return undefined
  if (announced !== undefined && Number(announced) > limit) throw tooLarge(limit)
  return new CallerBody(request, limit, () => {
    if (request.headers.expect !== undefined && !response.headersSent) response.writeContinue()
  })
}

function tooLarge(limit: number): Refusal {
  return new Refusal('body_too_large', { detail: `at most ${limit} bytes` })
}

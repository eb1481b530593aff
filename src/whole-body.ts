/** Reads a request's body whole, where it must be understood before anything is done. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { Refusal } from './errors.ts'

export interface WholeBounds {
  /** Bytes. */
  readonly limit: number
  /** Milliseconds from now on in which it must have come; default: as long as the listener gives any request. */
  readonly withinMs?: number
}

/** The bytes. Throws Refusal `body_too_large`, or `request_timeout` when it breaks off or is late; what still comes is dropped. */
export async function readWhole(request: IncomingMessage, response: ServerResponse, { limit, withinMs }: WholeBounds): Promise<Buffer> {
  const tooLarge = () => new Refusal('body_too_large', { detail: `at most ${limit} bytes` })
  if (Number(request.headers['content-length'] ?? 0) > limit) throw tooLarge()
  // It has gone already: neither `end` nor `close` will come any more.
  if (request.destroyed) throw new Refusal('request_timeout', { detail: 'its body broke off' })
  if (request.headers.expect !== undefined) response.writeContinue()
  const { promise, resolve, reject } = Promise.withResolvers<Buffer>()
  const parts: Buffer[] = []
  let size = 0
  let isOver = false
  const giveUp = (refusal: Refusal) => {
    isOver = true
    parts.length = 0
    reject(refusal)
  }
  const late = () => giveUp(new Refusal('request_timeout', { detail: 'its body did not come in time' }))
  const timer = withinMs === undefined ? undefined : setTimeout(late, withinMs)
  // By events and not by `for await`, which would cut the connection together with the refusal on it.
  request.on('data', (part: Buffer) => {
    if (isOver) return
    size += part.length
    if (size > limit) giveUp(tooLarge())
    else parts.push(part)
  })
  request.once('end', () => resolve(Buffer.concat(parts)))
  request.once('close', () => {
    if (!request.complete) giveUp(new Refusal('request_timeout', { detail: 'its body broke off' }))
  })
  try {
    return await promise
  } finally {
    clearTimeout(timer)
  }
}

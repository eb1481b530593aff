/** Reads a request's body whole, where it must be understood before anything is done. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { Refusal } from './errors.ts'

/** The bytes, at most `limit` of them. Throws Refusal `body_too_large`, or `request_timeout` when it breaks off. */
export async function readWhole(request: IncomingMessage, response: ServerResponse, limit: number): Promise<Buffer> {
  const tooLarge = () => new Refusal('body_too_large', { detail: `at most ${limit} bytes` })
  if (Number(request.headers['content-length'] ?? 0) > limit) throw tooLarge()
  // It has gone already: neither `end` nor `close` will come any more.
  if (request.destroyed) throw new Refusal('request_timeout', { detail: 'its body broke off' })
  if (request.headers.expect !== undefined) response.writeContinue()
  const { promise, resolve, reject } = Promise.withResolvers<Buffer>()
  const parts: Buffer[] = []
  let size = 0
  // By events and not by `for await`, which would cut the connection together with the refusal on it.
  request.on('data', (part: Buffer) => {
    size += part.length
    if (size <= limit) return void parts.push(part)
    parts.length = 0
    reject(tooLarge())
  })
  request.once('end', () => resolve(Buffer.concat(parts)))
  request.once('close', () => {
    if (!request.complete) reject(new Refusal('request_timeout', { detail: 'its body broke off' }))
  })
  return promise
}

/** Reads the small url-encoded bodies of our own forms and of back-channel logout. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { Refusal } from '../errors.ts'

const MOST_BYTES = 64 * 1024

/** The fields of an `application/x-www-form-urlencoded` body of at most 64 kB. Throws Refusal. */
export async function readForm(request: IncomingMessage, response: ServerResponse): Promise<URLSearchParams> {
  const type = request.headers['content-type']?.split(';', 1)[0]?.trim().toLowerCase()
  if (type !== 'application/x-www-form-urlencoded') throw new Refusal('csrf_refused', { detail: 'the body is not a form' })
  // It has gone already: neither `end` nor `close` will come any more.
  if (request.destroyed) throw new Refusal('request_timeout', { detail: 'its body broke off' })
  if (request.headers.expect !== undefined) response.writeContinue()
  const { promise, resolve, reject } = Promise.withResolvers<Buffer>()
  const parts: Buffer[] = []
  let size = 0
  // By events and not by `for await`, which would cut the connection together with the refusal on it.
  request.on('data', (part: Buffer) => {
    size += part.length
    if (size > MOST_BYTES) reject(new Refusal('body_too_large', { detail: 'at most 64 kB' }))
    else parts.push(part)
  })
  request.once('end', () => resolve(Buffer.concat(parts)))
  request.once('close', () => {
    if (!request.complete) reject(new Refusal('request_timeout', { detail: 'its body broke off' }))
  })
  return new URLSearchParams((await promise).toString('utf8'))
}

/** Reads the small url-encoded bodies of our own forms and of back-channel logout. */
import type { IncomingMessage } from 'node:http'
import { Refusal } from '../errors.ts'

const MOST_BYTES = 64 * 1024

/** The fields of an `application/x-www-form-urlencoded` body of at most 64 kB. Throws Refusal. */
export async function readForm(request: IncomingMessage): Promise<URLSearchParams> {
  const type = request.headers['content-type']?.split(';', 1)[0]?.trim().toLowerCase()
  if (type !== 'application/x-www-form-urlencoded') throw new Refusal('csrf_refused', { detail: 'the body is not a form' })
  const parts: Buffer[] = []
  let size = 0
  for await (const part of request as AsyncIterable<Buffer>) {
    size += part.length
    if (size > MOST_BYTES) throw new Refusal('body_too_large', { detail: 'at most 64 kB' })
    parts.push(part)
  }
  return new URLSearchParams(Buffer.concat(parts).toString('utf8'))
}

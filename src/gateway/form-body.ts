/** Reads the small url-encoded bodies of our own forms and of back-channel logout. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { Refusal } from '../errors.ts'
import { readWhole } from '../whole-body.ts'

const MOST_BYTES = 64 * 1024

/** The fields of an `application/x-www-form-urlencoded` body of at most 64 kB. Throws Refusal. */
export async function readForm(request: IncomingMessage, response: ServerResponse): Promise<URLSearchParams> {
  const type = request.headers['content-type']?.split(';', 1)[0]?.trim().toLowerCase()
  if (type !== 'application/x-www-form-urlencoded') throw new Refusal('csrf_refused', { detail: 'the body is not a form' })
  return new URLSearchParams((await readWhole(request, response, MOST_BYTES)).toString('utf8'))
}

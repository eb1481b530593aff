/**
 * Reads the small url-encoded bodies of our own forms and of back-channel logout.
 *
 * Security: they are read before anybody knows who sends them. So each is small, must come soon, and only so many are read
 * at once, of one address only a part of those: whoever sends slowly keeps nobody from signing out or from being signed out.
 */
import { Refusal } from '../errors.ts'
import { readWhole } from '../whole-body.ts'
import { networkOf } from './address.ts'
import type { Visit } from './visit.ts'

export interface FormBounds {
  /** Bytes of one: a logout token is a signed JWT of a few kB. */
  readonly limit: number
  /** Milliseconds in which one must have come. */
  readonly withinMs: number
  /** How many are read at once. */
  readonly atOnce: number
  /** How many of those may be of one address. */
  readonly perAddress: number
}

const BOUNDS: FormBounds = { limit: 16_384, withinMs: 10_000, atOnce: 1_024, perAddress: 128 }

/**
 * The fields of an `application/x-www-form-urlencoded` body. Throws Refusal `csrf_refused` for another type, `too_busy` when
 * too many are read already, `body_too_large`, `request_timeout`.
 */
export type ReadForm = (visit: Pick<Visit, 'request' | 'response' | 'address'>) => Promise<URLSearchParams>

/** Nothing is being read yet. `bounds` replaces bounds in tests. */
export function createFormReader(bounds: Partial<FormBounds> = {}): ReadForm {
  const { atOnce, perAddress, ...whole } = { ...BOUNDS, ...bounds }
  const reading = new Map<string, number>()
  let all = 0
  return async ({ request, response, address }) => {
    const type = request.headers['content-type']?.split(';', 1)[0]?.trim().toLowerCase()
    if (type !== 'application/x-www-form-urlencoded') throw new Refusal('csrf_refused', { detail: 'the body is not a form' })
    const network = networkOf(address)
    const ofNetwork = reading.get(network) ?? 0
    if (all >= atOnce || ofNetwork >= perAddress) throw new Refusal('too_busy', { detail: 'many forms are coming in slowly' })
    all += 1
    reading.set(network, ofNetwork + 1)
    try {
      return new URLSearchParams((await readWhole(request, response, whole)).toString('utf8'))
    } finally {
      all -= 1
      const left = (reading.get(network) ?? 1) - 1
      if (left > 0) reading.set(network, left)
      else reading.delete(network)
    }
  }
}

/**
 * Where a sign-in leads back to.
 *
 * Security: the value is parsed by the same URL parser browsers have (WHATWG), against our own origin, and what is
 * stored is what the parser wrote, not what came in. So `/\evil`, `//evil`, encoded or literal white space and the like
 * are judged as a browser would read them (oauth2-proxy's four advisories, Pomerium CVE-2021-29651).
 */
import { Refusal } from '../errors.ts'

const MOST_LENGTH = 2_048

/** A path on the sign-in host, normalised; never one that would begin or end a login. Throws Refusal `return_to_refused`. */
export function readReturnTo(value: string | undefined, origin: string): string {
  const path = readPathOn(value, origin)
  return /^\/(login|logout|callback)(\/|\?|#|$)/.test(path) ? '/' : path
}

/** A path on `origin`, normalised. Throws Refusal `return_to_refused`. */
export function readPathOn(value: string | undefined, origin: string): string {
  if (value === undefined || value === '') return '/'
  if (value.length > MOST_LENGTH) throw new Refusal('return_to_refused', { detail: 'it is too long' })
  // Browsers drop tabs and line breaks and trim spaces before they parse; a value that relies on it is an attack.
  if (/[\x00-\x20\x7f\\]/.test(value)) throw new Refusal('return_to_refused', { detail: 'it has a space, control character or backslash' })
  if (!value.startsWith('/') || value.startsWith('//')) throw new Refusal('return_to_refused', { detail: 'it is not a path on this site' })
  const url = URL.parse(value, origin)
  if (url === null || url.origin !== origin || url.username !== '' || url.password !== '') throw new Refusal('return_to_refused')
  const path = url.pathname + url.search + url.hash
  // Dot segments can leave a path that begins with two slashes, which a browser reads as another host.
  if (path.startsWith('//') || /^\/(?:%(?:09|0[ad]|20|2f|5c))/i.test(path))
    throw new Refusal('return_to_refused', { detail: 'it is not a path on this site' })
  return path
}

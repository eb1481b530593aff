/**
 * The request target, read in the one way in which it can be read, or refused.
 *
 * Security: the bytes we decide on are the bytes we forward (promise 6). A path that two parsers could read
 * differently is not normalised but refused: empty and dot segments, `\`, `;`, `#`, encoded delimiters (`/`, `\`, `;`,
 * `?`, `#`) or dots, needless or double percent-encoding, bytes outside printable ASCII (Oathkeeper CVE-2026-33494, Istio
 * CVE-2021-31920, fastify/middie CVE-2026-2880). The absolute form of RFC 9112 3.2.2 names a host of its own and is refused
 * as well.
 */
import { Refusal } from '../errors.ts'

export interface RequestTarget {
  /** The target as sent; what is forwarded is cut from it, never rebuilt. */
  readonly raw: string
  /** Path as sent, without the query. */
  readonly path: string
  /** Decoded segments; a trailing slash yields a last empty one. */
  readonly segments: readonly string[]
  /** The query with its question mark as sent, or ''. */
  readonly search: string
}

const MOST_LENGTH = 8_192
// RFC 3986 pchar without ";", which servlet containers cut off, and with "/" as separator.
const PATH = /^\/[A-Za-z0-9\-._~!$&'()*+,=:@%/]*$/
// Beyond RFC 3986 what people type into curl; not ";", which Go drops with its pair and WHATWG keeps, nor "\\".
const QUERY = /^[A-Za-z0-9\-._~!$&'()*+,=:@%/?[\]{}|"<>^`]*$/
// Encoded: delimiters, dots, control characters, what needs none, and what would decode again (%uXXXX as IIS does).
const MISLEADING =
  /%(?:2[3DdEeFf]|3[0-9BbFf]|4[1-9A-Fa-f]|5[0-9AaCcFf]|6[1-9A-Fa-f]|7[0-9AaEeFf]|[01][0-9A-Fa-f]|25(?:[0-9A-Fa-f]{2}|[Uu][0-9A-Fa-f]{4}))/

function ambiguous(detail: string): Refusal {
  return new Refusal('path_ambiguous', { detail })
}

/** Parses an origin-form target. Throws Refusal `path_ambiguous` saying what was wrong. */
export function readTarget(raw: string): RequestTarget {
  if (raw.length > MOST_LENGTH) throw ambiguous('it is longer than 8192 characters')
  if (!raw.startsWith('/')) throw ambiguous('it is not of the origin form')
  const mark = raw.indexOf('?')
  const path = mark === -1 ? raw : raw.slice(0, mark)
  const search = mark === -1 ? '' : raw.slice(mark)
  if (!PATH.test(path)) throw ambiguous('the path has a character that must not stand there')
  if (search.length > 1 && !QUERY.test(search.slice(1))) throw ambiguous('the query has a character that must not stand there')
  if (/%(?:00|(?![0-9A-Fa-f]{2}))/.test(search) || !isUtf8(search)) throw ambiguous('the query has a percent-encoding that is not text')
  return { raw, path, segments: path.slice(1).split('/').map(readSegment), search }
}

function readSegment(segment: string, index: number, all: readonly string[]): string {
  if (segment === '' && index < all.length - 1) throw ambiguous('the path has an empty segment')
  if (!segment.includes('%')) return refuseDots(segment)
  if (/%(?![0-9A-Fa-f]{2})/.test(segment)) throw ambiguous('the path has an incomplete percent-encoding')
  if (MISLEADING.test(segment)) throw ambiguous('the path encodes a separator, a control character, an encoding, or what needs none')
  if (!isUtf8(segment)) throw ambiguous('the path is not UTF-8')
  return refuseDots(decodeURIComponent(segment))
}

function isUtf8(encoded: string): boolean {
  try {
    decodeURIComponent(encoded)
    return true
  } catch {
    return false
  }
}

function refuseDots(segment: string): string {
  if (segment === '.' || segment === '..') throw ambiguous('the path has a dot segment')
  return segment
}

/**
 * The JSON that callers send and that templates give: read strictly, so that no later part meets a value that it reads
 * otherwise than the part before it.
 *
 * Security: a body is refused whole for bytes that are not UTF-8, text with half a surrogate pair (two such texts become
 * one when they are written out), numbers past the range of a double, depth on which recursion would die, and any key
 * `__proto__`, which plain assignment would take for something else than data. Of a key that stands twice the last one
 * counts, here and for everything after, since everything after sees this value alone (RFC 8259 section 4). Integers
 * beyond 2^53 lose digits, as everywhere in JSON (section 6).
 */

/** Any JSON value. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json }

/** Deepest nesting that is read or made. */
export const DEEPEST = 64

/** The bytes are no JSON that is taken. Its problem is in fixed words and never quotes them. */
export class JsonFaulty extends Error {
  override readonly name = 'JsonFaulty'
  readonly problem: string

  constructor(problem: string) {
    super(problem)
    this.problem = problem
  }
}

/** Reads bytes as one JSON value. Throws JsonFaulty. */
export function parseJson(bytes: Buffer): Json {
  const value = parsed(decoded(bytes))
  const problem = problemIn(value, 1)
  if (problem !== undefined) throw new JsonFaulty(problem)
  return value
}

function decoded(bytes: Buffer): string {
  try {
    // A byte order mark is kept, and then is no JSON (RFC 8259 section 8.1).
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch {
    throw new JsonFaulty('it is not UTF-8')
  }
}

function parsed(text: string): Json {
  try {
    return JSON.parse(text)
  } catch {
    throw new JsonFaulty('it is not JSON')
  }
}

function problemIn(value: Json, depth: number): string | undefined {
  if (typeof value === 'number') return Number.isFinite(value) ? undefined : 'it holds a number that is too large'
  if (typeof value === 'string') return value.isWellFormed() ? undefined : HALF
  if (typeof value !== 'object' || value === null) return undefined
  if (depth > DEEPEST) return `it is nested deeper than ${DEEPEST}`
  for (const [key, item] of Object.entries(value)) {
    const problem = problemOfKey(key) ?? problemIn(item, depth + 1)
    if (problem !== undefined) return problem
  }
  return undefined
}

const HALF = 'it holds text with half a surrogate pair'

function problemOfKey(key: string): string | undefined {
  if (key === '__proto__') return 'it holds the key __proto__'
  return key.isWellFormed() ? undefined : HALF
}

/** One part of a JSON Pointer (RFC 6901 section 3). */
export function pointerPart(key: string): string {
  return key.replaceAll('~', '~0').replaceAll('/', '~1')
}

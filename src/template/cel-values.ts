/**
 * JSON to CEL values and back.
 *
 * Security: the library's own reading of plain objects goes by their `constructor` and copies them on each use, so it
 * never sees one: objects are given as maps that answer by own keys alone, and keys such as `constructor` are data. A map
 * is read when it is selected and once only, so an expression pays for what it looks at and not for the body. On the way
 * back a key `__proto__`, text with half a surrogate pair and numbers that JSON has no word for fail.
 */
import { type CelInput, type CelMap, type CelValue, celList, celMap, isCelList, isCelMap, isCelUint } from '@bufbuild/cel'
import { ExpressionFailed } from './expression-failed.ts'
import { DEEPEST, type Json } from './json.ts'
import type { Work } from './work.ts'

/** A JSON value for expressions: integers that are safe become int, other numbers double. */
export function celOf(value: Json): CelValue {
  if (typeof value === 'number') return Number.isSafeInteger(value) ? BigInt(value) : value
  if (value === null || typeof value !== 'object') return value
  if (isArray(value)) return celList(value.map(celOf))
  return celMap(new OwnKeys(value))
}

/** Own enumerable keys of an object as a map; values become CEL values when they are first asked for. */
class OwnKeys implements ReadonlyMap<string, CelInput> {
  readonly #object: Readonly<Record<string, Json>>
  readonly #read = new Map<string, CelValue>()
  readonly #keys: readonly string[]

  constructor(object: Readonly<Record<string, Json>>) {
    this.#object = object
    this.#keys = Object.keys(object)
  }

  get size(): number {
    return this.#keys.length
  }

  get(key: unknown): CelValue | undefined {
    if (typeof key !== 'string') return undefined
    const known = this.#read.get(key)
    if (known !== undefined) return known
    const json = Object.hasOwn(this.#object, key) ? this.#object[key] : undefined
    if (json === undefined) return undefined
    const value = celOf(json)
    this.#read.set(key, value)
    return value
  }

  has(key: unknown): boolean {
    return this.get(key) !== undefined
  }

  forEach(visit: (value: CelInput, key: string, map: ReadonlyMap<string, CelInput>) => void): void {
    for (const [key, value] of this.entries()) visit(value, key, this)
  }

  *entries(): MapIterator<[string, CelValue]> {
    for (const key of this.#keys) {
      const value = this.get(key)
      if (value !== undefined) yield [key, value]
    }
  }

  *keys(): MapIterator<string> {
    yield* this.#keys
  }

  *values(): MapIterator<CelValue> {
    for (const [, value] of this.entries()) yield value
  }

  [Symbol.iterator](): MapIterator<[string, CelValue]> {
    return this.entries()
  }
}

/**
 * What an expression gave, as JSON. A null in a map leaves its key out; in a list it stays. Throws ExpressionFailed for
 * what JSON does not have, for integers beyond 2^53, and when the result is larger than the work allows.
 */
export function jsonOf(value: CelValue, work: Work, depth = 0): Json {
  if (typeof value === 'string') return madeText(value, work)
  if (typeof value === 'bigint') return madeInteger(value, work)
  if (isCelUint(value)) return madeInteger(value.value, work)
  if (typeof value === 'number') {
    if (!Number.isFinite(value)) throw new ExpressionFailed('its number is infinite or none')
    work.made(20)
    return value
  }
  if (value === null || typeof value === 'boolean') {
    work.made(6)
    return value
  }
  if (depth >= DEEPEST) throw new ExpressionFailed(`what it makes is nested deeper than ${DEEPEST}`)
  work.made(2)
  if (isCelList(value)) return Array.from(value, (item) => jsonOf(item, work, depth + 1))
  if (isCelMap(value)) return madeMap(value, work, depth)
  if (value instanceof Uint8Array) throw new ExpressionFailed('it makes bytes, which JSON does not have')
  throw new ExpressionFailed('it makes a timestamp, a duration or a type, which JSON does not have; use string() of it')
}

function madeMap(map: CelMap, work: Work, depth: number): Json {
  const object: Record<string, Json> = {}
  for (const [key, value] of map) {
    if (typeof key !== 'string') throw new ExpressionFailed('it makes a map with a key that is not text')
    if (key === '__proto__') throw new ExpressionFailed('it makes a map with the key __proto__')
    madeText(key, work)
    const json = jsonOf(value, work, depth + 1)
    if (json !== null) object[key] = json
  }
  return object
}

function madeText(text: string, work: Work): string {
  // Counted before it is looked at: text that was joined from parts costs memory only then.
  work.made(text.length + 3)
  if (!text.isWellFormed()) throw new ExpressionFailed('it makes text with half a surrogate pair')
  return text
}

function madeInteger(integer: bigint, work: Work): number {
  const number = Number(integer)
  if (!Number.isSafeInteger(number)) throw new ExpressionFailed('its integer is beyond 2^53')
  work.made(17)
  return number
}

/** Array.isArray does not know read-only arrays. */
export function isArray(value: unknown): value is readonly Json[] {
  return Array.isArray(value)
}

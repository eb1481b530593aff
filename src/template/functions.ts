/**
 * The functions of expressions: CEL's own and the library's strings extension, each charged for its work, with those
 * replaced that are slow or wrong in the library.
 *
 * Security: `replace` of the library takes time with the square of a text; `+` in a `map()` makes a list that takes the
 * square to read, and the stack when it is long; `in` of a map takes a null for absent, so an expression that asks
 * whether a caller sent a key would be told no. `int("")` was 0.
 */

import {
  type CelEnv,
  type CelFunc,
  type CelList,
  CelScalar,
  type CelType,
  type CelValue,
  celEnv,
  celFunc,
  celList,
  celMethod,
  isCelError,
  listType,
  mapType,
} from '@bufbuild/cel'
import { strings } from '@bufbuild/cel/ext'
import { ExpressionFailed } from './expression-failed.ts'
import { work } from './work.ts'

const { BOOL, DOUBLE, DYN, INT, STRING } = CelScalar
const LIST = listType(DYN)
const MAP = mapType(DYN, DYN)

/** Functions that go through the whole of what they are given. */
const WITHIN: ReadonlySet<string> = new Set(['_==_', '_!=_', '@in', 'format'])

/** Functions that seek one text in another, in the worst case in the product of their lengths. */
const SEARCHING: ReadonlySet<string> = new Set(['contains', 'indexOf', 'lastIndexOf', 'split', 'replace'])

/** Functions that the library writes character by character. */
const SLOW: ReadonlySet<string> = new Set(['lowerAscii', 'upperAscii', 'format', 'strings.quote'])

/** Not words that an expression can have: put into the syntax tree of comprehensions by `syntax.ts`. */
export const TURN = '@turn'
export const OVER = '@over'
export const APPEND = '@append'

const REPLACED: CelFunc[] = [
  celMethod('replace', STRING, [STRING, STRING], STRING, function (old, by) {
    return replaced(this, old, by, -1n)
  }),
  celMethod('replace', STRING, [STRING, STRING, INT], STRING, function (old, by, most) {
    return replaced(this, old, by, most)
  }),
  celMethod('split', STRING, [STRING, INT], LIST, function (separator, most) {
    return celList(splitIn(this, separator, most))
  }),
  celFunc('@in', [STRING, MAP], BOOL, (key, map) => map.get(key) !== undefined),
  celFunc('int', [STRING], INT, digitsOf),
  celFunc('double', [STRING], DOUBLE, (text) => Number(/^-?\d[\d.]*(?:[eE][+-]?\d+)?$/.test(text) ? text : Number.NaN)),
  celFunc('_+_', [LIST, LIST], LIST, (left, right) => celList([...left, ...right])),
]

/** The library takes no text at all for 0, and takes hexadecimal. */
function digitsOf(text: string): bigint {
  if (!/^-?\d{1,19}$/.test(text)) throw new TypeError('no integer')
  const integer = BigInt(text)
  if (BigInt.asIntN(64, integer) !== integer) throw new RangeError('overflow')
  return integer
}

function replaced(text: string, old: string, by: string, most: bigint): string {
  if (old === '') return spread(text, by, most)
  const parts = splitIn(text, old, most < 0n ? -1n : most + 1n)
  work().charge((parts.length * by.length) / 16)
  return parts.join(by)
}

/** Put before each character and at the end: what replacing nothing means in CEL's reference. */
function spread(text: string, by: string, most: bigint): string {
  const characters = Array.from(text)
  const all = characters.length + 1
  const count = most < 0n || most > all ? all : Number(most)
  work().charge(all + (count * by.length) / 16)
  return characters.map((character, at) => (at < count ? by + character : character)).join('') + (count === all ? by : '')
}

/** At most so many parts, the last with the rest; all for -1, none for 0: the meaning of CEL's strings extension. */
function splitIn(text: string, separator: string, most: bigint): string[] {
  if (most === 0n) return []
  const parts = separator === '' ? Array.from(text) : text.split(separator)
  work().charge(parts.length)
  if (most < 0n || BigInt(parts.length) <= most) return parts
  const last = Number(most) - 1
  return [...parts.slice(0, last), parts.slice(last).join(separator)]
}

/** Lists that a comprehension makes right now. Nothing else can have one before it is whole. */
const growing = new WeakMap<CelList, CelValue[]>()

const OURS: readonly CelFunc[] = [
  celFunc(TURN, [DYN], DYN, (condition) => {
    work().charge(4)
    return condition
  }),
  celFunc(OVER, [DYN], DYN, (range) => {
    work().look(range, false)
    return range
  }),
  celFunc(APPEND, [LIST, DYN], LIST, (list, item) => {
    const known = growing.get(list)
    if (known !== undefined) {
      known.push(item)
      return list
    }
    const items = [...list, item]
    const grown = celList(items)
    growing.set(grown, items)
    return grown
  }),
]

/** The function, charged before it runs. */
function charged(inner: CelFunc): CelFunc {
  const look = lookOf(inner)
  const pay = (target: CelValue | undefined, args: readonly CelValue[]): CelValue => {
    const given = target === undefined ? args : [target, ...args]
    for (const arg of given) if (look !== 'text' || typeof arg === 'string') work().look(arg, look === 'within')
    const [text, sought] = given
    const product = typeof text === 'string' && typeof sought === 'string' ? text.length * sought.length : 0
    if (SEARCHING.has(inner.name)) work().charge(product / 1024)
    if (typeof text === 'string' && SLOW.has(inner.name)) work().charge(text.length / 4)
    if (typeof text === 'string' && typeof sought === 'string' && inner.name === 'matches') {
      work().charge(text.length * 2 + product / 8 + sought.length * 64)
    }
    const result = inner.call(0, target, [...args])
    if (result === undefined) throw new TypeError('no overload')
    // Thrown anew, so that it gets the place of the call in the expression.
    if (isCelError(result)) throw result.cause instanceof ExpressionFailed ? result.cause : new TypeError(result.message)
    return result
  }
  const types: readonly CelType[] = inner.arguments
  if (inner.target === undefined) return celFunc(inner.name, types, DYN, (...args: CelValue[]) => pay(undefined, args))
  return celMethod(inner.name, inner.target, types, DYN, function (...args: CelValue[]) {
    return pay(this, args)
  })
}

/** What a function looks at of lists and maps: nothing, their items, or all that is in them. */
function lookOf(inner: CelFunc): 'text' | 'items' | 'within' {
  if (inner.name === 'size' || inner.name === 'type' || inner.name === 'dyn') return 'text'
  if (inner.name === '@in' && inner.arguments[1]?.kind === 'map') return 'text'
  return WITHIN.has(inner.name) ? 'within' : 'items'
}

/** Where every expression is planned. */
export const ENVIRONMENT: CelEnv = celEnv({
  funcs: [...Array.from(celEnv({ funcs: [...strings, ...REPLACED] }).funcs, charged), ...OURS],
})

/** Whether an expression may call this: by its name, on a value or not, and with so many arguments. */
export function isCallable(name: string, onValue: boolean, count: number): boolean {
  if (PLANNED.has(name)) return true
  for (const known of ENVIRONMENT.funcs.find(name) ?? []) {
    if ((known.target !== undefined) === onValue && known.arguments.length === count) return true
  }
  return false
}

/** Whether there is a function of this name at all. */
export function isFunction(name: string): boolean {
  return ENVIRONMENT.funcs.find(name) !== undefined
}

/** What the library plans on its own and knows no function for. */
const PLANNED: ReadonlySet<string> = new Set(['_[_]', '_?_:_', '_&&_', '_||_', '@not_strictly_false'])

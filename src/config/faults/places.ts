/**
 * Where in the file a fault is. Its path is followed through the text as it stands there, so that aliases, JSON and keys
 * with dots lead to what one would have to change.
 */

import { isAlias, isMap, isScalar, isSeq, LineCounter, parseDocument } from 'yaml'
import { ConfigFaulty, type Fault } from './faults.ts'

/** From 1, as editors count. */
export interface Place {
  readonly line: number
  readonly column: number
}

/** Keys with more dots, as no label of Kubernetes has them, are not looked for: each is tried in all its lengths. */
const MOST_DOTS = 8

/** Where a path stands in a text; undefined for the whole of it. */
export type Places = (path: string) => Place | undefined

const REMEMBERED = new WeakMap<object, Places>()

/** Keeps where things stand with the configuration that was read from there. */
export function rememberPlaces(config: object, places: Places): void {
  REMEMBERED.set(config, places)
}

/** What was found in a configuration, with its places where it was read from a text. */
export function placed(config: object, faults: readonly Fault[]): Fault[] {
  const places = REMEMBERED.get(config)
  return faults.map((fault) => (fault.line === undefined ? { ...fault, ...places?.(fault.path) } : fault))
}

/** Does what reads a text; the faults that it throws get their places there, and the name of the file. */
export function located<T>(places: Places, file: string | undefined, read: () => T): T {
  try {
    return read()
  } catch (error) {
    if (!(error instanceof ConfigFaulty)) throw error
    const faults = error.faults.map((fault) => (fault.line === undefined ? { ...fault, ...places(fault.path) } : fault))
    throw new ConfigFaulty(faults, error.routeNames, file)
  }
}

/**
 * The places in a text that parses: of a key, of an entry of a list; of what is not there, that of the group in which it
 * would stand. Undefined for the whole of the text. The text is parsed only when the first place is asked for.
 */
export function placesIn(source: string): Places {
  let find: ((path: string) => Place) | undefined
  return (path) => {
    if (path === '') return undefined
    find ??= finder(source)
    return find(path)
  }
}

function finder(source: string): (path: string) => Place {
  const lines = new LineCounter()
  const document = parseDocument(source, { lineCounter: lines, uniqueKeys: false, merge: false, logLevel: 'error' })
  // Each group is looked through once, however many faults are in it.
  const groups = new WeakMap<object, ReadonlyMap<string, Entry>>()
  const anchors = new WeakMap<object, unknown>()

  const entriesOf = (node: unknown): ReadonlyMap<string, Entry> => {
    if (!isMap(node)) return new Map()
    let entries = groups.get(node)
    if (entries === undefined) {
      entries = new Map(
        node.items.flatMap(
          ({ key, value }): Array<[string, Entry]> => (isScalar(key) ? [[String(key.value), { start: key.range?.[0], value }]] : []),
        ),
      )
      groups.set(node, entries)
    }
    return entries
  }
  const named = (node: unknown): unknown => {
    if (!isAlias(node)) return node
    if (!anchors.has(node)) anchors.set(node, node.resolve(document))
    return anchors.get(node)
  }
  const below = (node: unknown, keys: readonly string[]): (Entry & { readonly taken: number }) | undefined => {
    if (isSeq(node)) {
      const value = /^\d+$/.test(keys[0] ?? '') ? node.items[Number(keys[0])] : undefined
      return value === undefined ? undefined : { start: startOf(value), value, taken: 1 }
    }
    const entries = entriesOf(node)
    for (let taken = 1; taken <= Math.min(keys.length, MOST_DOTS); taken += 1) {
      const entry = entries.get(keys.slice(0, taken).join('.'))
      if (entry !== undefined) return { ...entry, taken }
    }
    return undefined
  }

  return (path) => {
    let start = startOf(document.contents) ?? 0
    let node = named(document.contents)
    let keys: readonly string[] = path.split('.')
    for (let next = below(node, keys); next !== undefined; next = below(node, keys)) {
      start = next.start ?? start
      node = named(next.value)
      keys = keys.slice(next.taken)
    }
    const { line, col } = lines.linePos(start)
    return { line, column: col }
  }
}

interface Entry {
  readonly start: number | undefined
  readonly value: unknown
}

function startOf(node: unknown): number | undefined {
  return isMap(node) || isSeq(node) || isScalar(node) || isAlias(node) ? node.range?.[0] : undefined
}

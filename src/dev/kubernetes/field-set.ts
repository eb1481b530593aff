import { elementKey, isAtomicMap, listTopology } from './list-topology.ts'
import { asArray, asObject, type Json, type JsonObject, same } from './object.ts'

/**
 * A set of fields of an object, as structured-merge-diff has them. One field is a path of elements written as in
 * FieldsV1: `f:name`, `k:{"name":"x"}` for an element of a keyed list, `v:"x"` for one of a set.
 */
export type FieldSet = Set<string>

const separator = '\u0000'

/** Joins path elements to a member of a field set. */
export function joined(path: readonly string[]): string {
  return path.join(separator)
}

/** The path elements of a member. */
export function parted(member: string): string[] {
  return member.split(separator)
}

/** Whether a member lies under a path, or is it. */
export function isUnder(member: string, path: string): boolean {
  return member === path || member.startsWith(path + separator)
}

/** The path as a conflict message prints it: `.data.k`, `.spec.containers[name="web"].image`. */
export function printed(member: string): string {
  return parted(member)
    .map((element) => {
      const rest = element.slice(2)
      if (element.startsWith('f:')) return `.${rest}`
      if (element.startsWith('v:')) return `[=${rest}]`
      const key = asObject(JSON.parse(rest) as Json) ?? {}
      const terms = Object.entries(key).sort(([left], [right]) => (left < right ? -1 : 1))
      return `[${terms.map(([name, value]) => `${name}=${JSON.stringify(value)}`).join(',')}]`
    })
    .join('')
}

/** The children of a value that are fields of their own: path element, field names, value. Undefined for a leaf. */
export function children(value: Json | undefined, fields: readonly string[]): [string, readonly string[], Json][] | undefined {
  if (Array.isArray(value)) {
    const topology = listTopology(fields)
    if (topology.type === 'atomic' || value.length === 0) return undefined
    if (topology.type === 'set') return value.map((element) => [`v:${JSON.stringify(element)}`, fields, element])
    return value.map((element, index) => {
      const key = elementKey(element, topology.keys)
      return [key === undefined ? `i:${index}` : `k:${sortedJson(key)}`, fields, element]
    })
  }
  const record = asObject(value)
  if (record === undefined || isAtomicMap(fields) || Object.keys(record).length === 0) return undefined
  return Object.entries(record).map(([key, child]) => [`f:${key}`, [...fields, key], child])
}

function sortedJson(key: JsonObject): string {
  const entries = Object.entries(key).sort(([left], [right]) => (left < right ? -1 : 1))
  return JSON.stringify(Object.fromEntries(entries))
}

/** Every leaf of a value, and every element of a keyed list as a member of its own. */
export function fieldsOf(value: Json, fields: readonly string[] = [], path: readonly string[] = []): FieldSet {
  const set: FieldSet = new Set()
  const below = children(value, fields)
  if (path.at(-1)?.startsWith('k:') === true || (below === undefined && path.length > 0)) set.add(joined(path))
  for (const [element, names, child] of below ?? []) {
    for (const member of fieldsOf(child, names, [...path, element])) set.add(member)
  }
  return set
}

// These are never absent from a typed object, so adding something inside them does not add them.
const alwaysThere = new Set(['f:metadata', 'f:spec', 'f:status', 'f:template', 'f:strategy', 'f:containers'])

/** What a change touched: fields added or given another value, and fields taken away. */
export function difference(
  before: Json | undefined,
  after: Json | undefined,
  fields: readonly string[] = [],
  path: readonly string[] = [],
): { changed: FieldSet; removed: FieldSet } {
  const changed: FieldSet = new Set()
  const removed: FieldSet = new Set()
  if (same(before, after)) return { changed, removed }
  const left = new Map((children(before, fields) ?? []).map((child) => [child[0], child]))
  const right = new Map((children(after, fields) ?? []).map((child) => [child[0], child]))
  const isContainer = path.length > 0 && !alwaysThere.has(path.at(-1) ?? '')
  if (after === undefined) {
    if (left.size === 0 || isContainer) removed.add(joined(path))
  } else if (right.size === 0) {
    if (path.length > 0) changed.add(joined(path))
  } else if (before === undefined && isContainer) {
    changed.add(joined(path))
  }
  for (const element of new Set([...left.keys(), ...right.keys()])) {
    const [, names, old] = left.get(element) ?? [element, right.get(element)?.[1] ?? fields, undefined]
    const inner = difference(old, right.get(element)?.[2], names, [...path, element])
    for (const member of inner.changed) changed.add(member)
    for (const member of inner.removed) removed.add(member)
  }
  return { changed, removed }
}

/** FieldsV1: the set as nested objects; a member that has members below it carries `.`. */
export function encodeFields(set: FieldSet): JsonObject {
  const root: JsonObject = {}
  for (const member of [...set].sort()) {
    let node = root
    for (const element of parted(member)) {
      node[element] ??= {}
      node = asObject(node[element]) ?? {}
    }
    node['.'] = {}
  }
  return withoutLeafDots(root)
}

function withoutLeafDots(node: JsonObject): JsonObject {
  const entries = Object.entries(node)
  if (entries.length === 1 && entries[0]?.[0] === '.') return {}
  return Object.fromEntries(entries.map(([key, child]) => [key, withoutLeafDots(asObject(child) ?? {})]))
}

/** Reads FieldsV1. What is not an object is the empty set. */
export function decodeFields(fieldsV1: Json | undefined, path: readonly string[] = []): FieldSet {
  const set: FieldSet = new Set()
  const entries = Object.entries(asObject(fieldsV1) ?? {})
  if (path.length > 0 && (entries.length === 0 || entries.some(([key]) => key === '.'))) set.add(joined(path))
  for (const [element, child] of entries) {
    if (element === '.') continue
    for (const member of decodeFields(child, [...path, element])) set.add(member)
  }
  return set
}

/** The element of a list that a path element names, by index; -1 when there is none. */
export function elementIndex(list: Json, element: string, fields: readonly string[]): number {
  return asArray(list).findIndex((_, index) => children(list, fields)?.[index]?.[0] === element)
}

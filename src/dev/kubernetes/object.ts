import { isDeepStrictEqual } from 'node:util'

/** Any JSON value. */
export type Json = null | boolean | number | string | Json[] | { [key: string]: Json }

/** A JSON object. */
export type JsonObject = { [key: string]: Json }

/** A Kubernetes object as it stands on the wire: type, metadata, and whatever its kind adds. */
export type KubernetesObject = JsonObject & { apiVersion: string; kind: string; metadata: JsonObject }

/** The value when it is a JSON object, else undefined. */
export function asObject(value: Json | undefined): JsonObject | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? value : undefined
}

/** The value when it is an array, else an empty one. */
export function asArray(value: Json | undefined): Json[] {
  return Array.isArray(value) ? value : []
}

/** The value when it is a string, else the empty string (as Go's zero value reads). */
export function asText(value: Json | undefined): string {
  return typeof value === 'string' ? value : ''
}

/** The strings of an array, other elements left out. */
export function asTexts(value: Json | undefined): string[] {
  return asArray(value).filter((element): element is string => typeof element === 'string')
}

/** Follows keys into nested objects; undefined as soon as one is absent. */
export function at(value: Json | undefined, ...keys: string[]): Json | undefined {
  let current = value
  for (const key of keys) {
    const record = asObject(current)
    if (record === undefined || !Object.hasOwn(record, key)) return undefined
    current = record[key]
  }
  return current
}

/** metadata.name, or the empty string. */
export function nameOf(object: KubernetesObject): string {
  return asText(object.metadata.name)
}

/** metadata.namespace, or the empty string for what is cluster-scoped. */
export function namespaceOf(object: KubernetesObject): string {
  return asText(object.metadata.namespace)
}

/** A deep copy: what is stored is never shared with what a caller may change. */
export function clone<T extends Json>(value: T): T {
  return structuredClone(value)
}

/** Deep equality without regard to the order of keys. */
export function same(left: Json | undefined, right: Json | undefined): boolean {
  return isDeepStrictEqual(left, right)
}

/** The time as metav1.Time writes it: UTC, whole seconds. */
export function timestamp(milliseconds: number = Date.now()): string {
  return `${new Date(milliseconds).toISOString().slice(0, 19)}Z`
}

/**
 * Reads JSON without letting `__proto__` through: several places here copy keys from a client's
 * object into another, and that key would change the prototype instead of adding a field.
 * Throws SyntaxError as JSON.parse does.
 */
export function parseJson(text: string): Json {
  if (!text.includes('__proto__')) return JSON.parse(text) as Json
  return JSON.parse(text, (key, value: Json) => (key === '__proto__' ? undefined : value)) as Json
}

/** Objects as they travel: what every kind has, and the rest unread. */
import { Refusal } from '../errors.ts'

export interface Metadata {
  readonly name?: string
  readonly generateName?: string
  readonly namespace?: string
  readonly uid?: string
  readonly resourceVersion?: string
  readonly labels?: Readonly<Record<string, string>>
  readonly annotations?: Readonly<Record<string, string>>
  readonly [field: string]: unknown
}

export interface KubernetesObject {
  readonly apiVersion: string
  readonly kind: string
  readonly metadata: Metadata
  readonly [field: string]: unknown
}

/** Changes to one object: RFC 7386 as an object, RFC 6902 as an array. */
export type Patch = Readonly<Record<string, unknown>> | readonly object[]

type Body = Readonly<Record<string, unknown>>

/** A patch's text, and the type that the text is of. */
export function patchOf(patch: Patch): { readonly json: string; readonly said: unknown; readonly contentType: string } {
  const { json, said } = jsonOf(patch)
  return { json, said, contentType: Array.isArray(said) ? 'application/json-patch+json' : 'application/merge-patch+json' }
}

/** What a deletion is bound to, and what becomes of what the object owns. */
export interface DeleteOptions {
  readonly uid?: string
  /** Default `Background`: it goes after its owner. Left to the API server, a Job's pods would stay. */
  readonly propagationPolicy?: 'Background' | 'Foreground' | 'Orphan'
}

/** The body of a deletion. */
export function deleteOptionsOf({ uid, propagationPolicy = 'Background' }: DeleteOptions): string {
  const preconditions = uid === undefined ? {} : { preconditions: { uid } }
  return jsonOf({ apiVersion: 'v1', kind: 'DeleteOptions', propagationPolicy, ...preconditions }).json
}

/** One page of a list. */
export interface Page {
  readonly items: readonly KubernetesObject[]
  readonly resourceVersion: string
  /** What asks for the next page; absent on the last. */
  readonly continue?: string
}

/** An answer as an object. Throws a Refusal (`upstream_broke`) when it is none. */
export function objectIn(body: Body): KubernetesObject {
  const { apiVersion, kind, metadata } = body
  if (typeof apiVersion !== 'string' || typeof kind !== 'string' || !isRecord(metadata)) throw broke('its answer is not an object')
  return { ...body, apiVersion, kind, metadata }
}

/** An answer as a list. Items get the kind and version that a list states once for all. */
export function pageIn(body: Body): Page {
  const { apiVersion, kind, metadata, items } = body
  // An empty list of some kinds has `items: null`.
  const listed: unknown = items ?? []
  if (!Array.isArray(listed) || !isRecord(metadata)) throw broke('its answer is not a list')
  const each = { apiVersion, kind: typeof kind === 'string' ? kind.replace(/List$/, '') : undefined }
  const next = metadata['continue']
  return {
    items: listed.map((item: unknown) => {
      if (!isRecord(item)) throw broke('its list holds something that is not an object')
      return objectIn({ ...each, ...item })
    }),
    resourceVersion: typeof metadata['resourceVersion'] === 'string' ? metadata['resourceVersion'] : '',
    ...(typeof next === 'string' && next !== '' ? { continue: next } : {}),
  }
}

/**
 * What is sent of a value: its text, and what that text says. Whoever checks looks at the second and sends the first, so
 * neither a `toJSON` nor a change in between makes them differ. Throws a TypeError for what is no JSON.
 */
export function jsonOf(value: unknown): { readonly json: string; readonly said: unknown } {
  // Undefined for a function and the like, whatever its type says.
  const json: string | undefined = JSON.stringify(value)
  if (json === undefined) throw new TypeError('what is to be sent is no JSON')
  return { json, said: JSON.parse(json) }
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function broke(detail: string): Refusal {
  return new Refusal('upstream_broke', { detail })
}

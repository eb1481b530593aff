import { assertListOptions } from './list-options.ts'
import { asObject, asText, at, type JsonObject, type KubernetesObject, nameOf, namespaceOf, parseJson } from './object.ts'
import type { ObjectStore } from './object-store.ts'
import type { ResourceType } from './resource-table.ts'
import { selectorOf } from './selectors.ts'
import { badRequest, StatusError } from './status-error.ts'

/** One page of a list, and the list's metadata. */
export type Page = { objects: KubernetesObject[]; metadata: JsonObject }

type Continue = { revision: number; start: string }

function encodeContinue({ revision, start }: Continue): string {
  return Buffer.from(JSON.stringify({ v: 'meta.k8s.io/v1', rv: revision, start })).toString('base64url')
}

function decodeContinue(token: string): Continue {
  try {
    const fields = asObject(parseJson(Buffer.from(token, 'base64url').toString('utf8')))
    const revision = Number(at(fields, 'rv'))
    const start = asText(at(fields, 'start'))
    if (at(fields, 'v') === 'meta.k8s.io/v1' && Number.isInteger(revision) && start !== '') return { revision, start }
  } catch {
    // Falls to the refusal below: whatever is wrong with it, the token is not one of ours.
  }
  throw badRequest("invalid continue token: continue key is not valid: it is not one of this server's")
}

/** A resourceVersion of a query as a number; undefined when absent. Throws 400 for what is not one. */
export function versionOf(query: URLSearchParams): number | undefined {
  const sent = query.get('resourceVersion') ?? ''
  if (sent === '') return undefined
  if (/^\d+$/.test(sent)) return Number(sent)
  const shown = JSON.stringify(sent)
  const why = `resourceVersion: Invalid value: ${shown}: strconv.ParseUint: parsing ${shown}: invalid syntax`
  throw badRequest(`invalid resource version: ${why}`)
}

function tooLarge(wanted: number, current: number): StatusError {
  const message = `Timeout: Too large resource version: ${wanted}, current: ${current}`
  const causes = [{ reason: 'ResourceVersionTooLarge', message: 'Too large resource version' }]
  return new StatusError(504, 'Timeout', message, { causes, retryAfterSeconds: 1 })
}

/** A whole number of a query, 0 when absent. Throws 400 for what is not one. */
export function integerOf(query: URLSearchParams, key: string): number {
  const sent = query.get(key) ?? ''
  if (!/^-?\d*$/.test(sent)) throw badRequest(`strconv.ParseInt: parsing ${JSON.stringify(sent)}: invalid syntax`)
  return Number(sent)
}

function keyOf(object: KubernetesObject): string {
  return `${namespaceOf(object)}/${nameOf(object)}`
}

/**
 * LIST: the selected objects in order of their keys, a page at a time. Every page shows the collection as it was at
 * the first one. Throws 400 for a continue token or selector that cannot be read, 410 when the past is forgotten.
 */
export function listObjects(store: ObjectStore, type: ResourceType, namespace: string, query: URLSearchParams): Page {
  assertListOptions(query)
  const selects = selectorOf(query, type)
  const limit = Math.max(0, integerOf(query, 'limit'))
  const token = query.get('continue') ?? ''
  const from = token === '' ? undefined : decodeContinue(token)
  const wanted = versionOf(query)
  if (wanted !== undefined && wanted > store.revision) throw tooLarge(wanted, store.revision)
  if (from !== undefined && wanted !== undefined && wanted !== 0) {
    throw badRequest('specifying resource version is not allowed when using continue')
  }
  const isExact = query.get('resourceVersionMatch') === 'Exact' && wanted !== undefined
  const revision = from?.revision ?? (isExact ? wanted : store.revision)
  const all = (revision === store.revision ? store.list(type, namespace) : store.listAt(type, namespace, revision)).filter(
    (object) => selects(object) && (from === undefined || keyOf(object) > from.start),
  )
  const objects = limit === 0 ? all : all.slice(0, limit)
  const metadata: JsonObject = { resourceVersion: String(revision) }
  const last = objects.at(-1)
  if (last !== undefined && all.length > objects.length) {
    metadata.continue = encodeContinue({ revision, start: keyOf(last) })
    // Only without selectors does a real server know how many are left.
    if (!query.get('labelSelector') && !query.get('fieldSelector')) {
      metadata.remainingItemCount = all.length - objects.length
    }
  }
  return { objects, metadata }
}

import { validateChange, validateStatus } from './kind-validation.ts'
import { unconditionalCause } from './lease-validation.ts'
import { recordUpdate } from './managed-fields.ts'
import { asArray, asText, clone, type JsonObject, type KubernetesObject, nameOf, namespaceOf, same } from './object.ts'
import { setDefaults } from './object-defaults.ts'
import type { ObjectStore } from './object-store.ts'
import { assertDecodable, validate } from './object-validation.ts'
import { apiVersionOf, type ResourceType } from './resource-table.ts'
import { allocate } from './server-allocations.ts'
import { conflict, invalid, optimisticLock } from './status-error.ts'

/** How an update is written. `recordsFields` is off for applies, which keep their own account of ownership. */
export type Update = {
  manager: string
  subresource: string
  dryRun: boolean
  recordsFields: boolean
  check: (object: KubernetesObject) => void
}

const serverSet = ['uid', 'creationTimestamp', 'deletionTimestamp', 'deletionGracePeriodSeconds', 'generation']

/** Throws 409 when the sent object was read from another version, or is another object of the same name. */
export function assertCurrent(type: ResourceType, current: KubernetesObject, sent: JsonObject): void {
  const name = nameOf(current)
  const uid = asText(sent.uid)
  if (uid !== '' && uid !== current.metadata.uid) {
    const key = ['/registry', type.resource, namespaceOf(current), name].filter((part) => part !== '').join('/')
    const why = `Precondition failed: UID in precondition: ${uid}, UID in object meta: ${asText(current.metadata.uid)}`
    throw conflict(type, name, `StorageError: invalid object, Code: 4, Key: ${key}, ResourceVersion: 0, AdditionalErrorMsg: ${why}`)
  }
  const version = asText(sent.resourceVersion)
  if (version !== '' && version !== current.metadata.resourceVersion) throw optimisticLock(type, name)
}

/** The fields an update may reach: all but status on the object itself, status alone on its subresource. */
function reachable(type: ResourceType, current: KubernetesObject, wanted: KubernetesObject, subresource: string) {
  const next = clone(subresource === 'status' ? current : wanted)
  const source = subresource === 'status' ? wanted : current
  if (type.hasStatus) {
    if (source.status === undefined) delete next.status
    else next.status = clone(source.status)
  }
  // Ownership is what the writer sent, or for an apply what it worked out, whichever part it wrote.
  if (wanted.metadata.managedFields === undefined) delete next.metadata.managedFields
  else next.metadata.managedFields = clone(wanted.metadata.managedFields)
  return next
}

function withoutTimes(object: KubernetesObject): KubernetesObject {
  const copy = clone(object)
  for (const entry of asArray(copy.metadata.managedFields)) {
    if (typeof entry === 'object' && entry !== null && !Array.isArray(entry)) delete entry.time
  }
  return copy
}

/**
 * Replaces the current object by the wanted one as far as an update reaches. A change of nothing writes nothing.
 * An object whose last finalizer this removes while it is being deleted is gone afterwards.
 * Throws 409 or 422.
 */
export function updateObject(
  store: ObjectStore,
  type: ResourceType,
  current: KubernetesObject,
  wanted: KubernetesObject,
  update: Update,
): KubernetesObject {
  assertDecodable(wanted)
  if (type.resource === 'leases' && asText(wanted.metadata.resourceVersion) === '' && update.recordsFields) {
    throw invalid(type.group, type.resource, nameOf(current), [unconditionalCause()])
  }
  assertCurrent(type, current, wanted.metadata)
  const next = reachable(type, current, wanted, update.subresource)
  next.apiVersion = current.apiVersion
  next.kind = current.kind
  for (const field of serverSet) {
    const value = current.metadata[field]
    if (value === undefined) delete next.metadata[field]
    else next.metadata[field] = value
  }
  next.metadata.name = nameOf(current)
  if (type.namespaced) next.metadata.namespace = namespaceOf(current)
  next.metadata.resourceVersion = asText(current.metadata.resourceVersion)
  setDefaults(next)
  allocate(next)
  if (type.counted && !same(current.spec, next.spec)) next.metadata.generation = Number(current.metadata.generation) + 1
  if (update.subresource === '') validateChange(type, current, next)
  validate(type, next)
  validateStatus(type, next)
  update.check(next)
  if (update.recordsFields) {
    const { manager, subresource } = update
    recordUpdate(current, next, { manager, subresource, apiVersion: apiVersionOf(type) })
  }
  if (same(withoutTimes(current), withoutTimes(next))) return current
  if (update.dryRun) return next
  const stored = store.put(type, next)
  const isFinished = stored.metadata.deletionTimestamp !== undefined && asArray(stored.metadata.finalizers).length === 0
  const waits = type.resource === 'namespaces' || (type.resource === 'pods' && stored.metadata.deletionGracePeriodSeconds !== 0)
  if (isFinished && !waits) store.remove(type, namespaceOf(stored), nameOf(stored))
  return stored
}

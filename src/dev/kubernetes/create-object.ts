import { randomBytes, randomUUID } from 'node:crypto'
import { recordUpdate } from './managed-fields.ts'
import { asText, at, clone, type KubernetesObject, nameOf, timestamp } from './object.ts'
import { setDefaults } from './object-defaults.ts'
import type { ObjectStore } from './object-store.ts'
import { assertDecodable, validate } from './object-validation.ts'
import { apiVersionOf, findResource, type ResourceType } from './resource-table.ts'
import { allocate, initialStatus } from './server-allocations.ts'
import { alreadyExists, badRequest, conflict, forbidden, notFound, StatusError } from './status-error.ts'
import type { WriteOptions } from './write-options.ts'

// No vowels and nothing that looks like another letter, as in apimachinery's `rand.String`.
const suffixLetters = 'bcdfghjklmnpqrstvwxz2456789'

function suffix(): string {
  return [...randomBytes(5)].map((byte) => suffixLetters[byte % suffixLetters.length]).join('')
}

/** Throws unless the namespace is there and open: 404 when it is not, 403 when it is being deleted. */
export function assertNamespace(store: ObjectStore, type: ResourceType, namespace: string, name: string): void {
  if (!type.namespaced) return
  const namespaces = findResource('', 'v1', 'namespaces')
  const found = namespaces === undefined ? undefined : store.get(namespaces, '', namespace)
  if (found === undefined) throw notFound({ group: '', resource: 'namespaces' }, namespace)
  if (at(found, 'status', 'phase') !== 'Terminating') return
  const why = `unable to create new content in namespace ${namespace} because it is being terminated`
  const error = forbidden(type, name, why)
  const cause = { reason: 'NamespaceTerminating', message: `namespace ${namespace} is being terminated`, field: 'metadata.namespace' }
  throw new StatusError(error.code, error.reason, error.message, { ...error.details, causes: [cause] })
}

/** Makes an object ready to be stored: name, server-set metadata, defaults. Throws 400, 404, 403 or 422. */
export function prepareCreate(store: ObjectStore, type: ResourceType, namespace: string, sent: KubernetesObject): KubernetesObject {
  const object = clone(sent)
  assertDecodable(object)
  const { metadata } = object
  if (type.namespaced && asText(metadata.namespace) !== '' && metadata.namespace !== namespace) {
    throw badRequest('the namespace of the provided object does not match the namespace sent on the request')
  }
  if (asText(metadata.resourceVersion) !== '') {
    throw new StatusError(500, '', 'resourceVersion should not be set on objects to be created')
  }
  for (const field of ['uid', 'selfLink', 'deletionTimestamp', 'deletionGracePeriodSeconds', 'resourceVersion']) {
    delete metadata[field]
  }
  const prefix = asText(metadata.generateName)
  if (nameOf(object) === '' && prefix !== '') metadata.name = prefix.slice(0, 58) + suffix()
  assertNamespace(store, type, namespace, nameOf(object))
  if (type.namespaced) metadata.namespace = namespace
  else delete metadata.namespace
  metadata.uid = randomUUID()
  metadata.creationTimestamp = timestamp()
  if (type.counted) metadata.generation = 1
  else delete metadata.generation
  // A client cannot create an object with a status; only whoever may write the subresource sets one.
  if (type.hasStatus) delete object.status
  setDefaults(object)
  validate(type, object)
  return object
}

/** Completes and stores a prepared object, or with dryRun only says what would be stored. Throws 409 when the name is taken. */
export function commitCreate(store: ObjectStore, type: ResourceType, object: KubernetesObject, dryRun: boolean): KubernetesObject {
  if (store.get(type, asText(object.metadata.namespace), nameOf(object)) !== undefined) {
    throw alreadyExists(type, nameOf(object))
  }
  allocate(object)
  if (type.hasStatus) object.status ??= initialStatus(type.kind)
  return dryRun ? object : store.put(type, object)
}

/** PUT of what is not there, for kinds that are made by it. Throws 409 when a certain object was meant. */
export function createByUpdate(...parts: Parameters<typeof createObject>): KubernetesObject {
  const [store, type, namespace, sent, options, check] = parts
  const uid = asText(sent.metadata.uid)
  if (uid !== '') {
    const key = `/registry/${type.resource}/${namespace}/${nameOf(sent)}`
    const why = `Precondition failed: UID in precondition: ${uid}, UID in object meta: `
    throw conflict(type, nameOf(sent), `StorageError: invalid object, Code: 4, Key: ${key}, ResourceVersion: 0, AdditionalErrorMsg: ${why}`)
  }
  const { resourceVersion, ...metadata } = sent.metadata
  return createObject(store, type, namespace, { ...sent, metadata }, options, check)
}

/** POST on a collection. `check` is asked about the finished object before it is stored, and throws to refuse it. */
export function createObject(
  store: ObjectStore,
  type: ResourceType,
  namespace: string,
  sent: KubernetesObject,
  options: WriteOptions,
  check: (object: KubernetesObject) => void,
): KubernetesObject {
  const object = prepareCreate(store, type, namespace, sent)
  check(object)
  const apiVersion = apiVersionOf(type)
  delete object.metadata.managedFields
  recordUpdate(undefined, object, { manager: options.manager, apiVersion, subresource: '' })
  return commitCreate(store, type, object, options.dryRun)
}

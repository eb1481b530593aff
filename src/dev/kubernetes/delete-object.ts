import {
  asArray,
  asObject,
  asText,
  at,
  clone,
  type Json,
  type JsonObject,
  type KubernetesObject,
  nameOf,
  namespaceOf,
  timestamp,
} from './object.ts'
import type { ObjectStore } from './object-store.ts'
import type { ResourceType } from './resource-table.ts'
import { badRequest, conflict, invalid } from './status-error.ts'

/** meta/v1 DeleteOptions as far as they are honoured; owners and dependents are in cascade.ts. */
export type DeleteOptions = {
  dryRun: boolean
  uid: string
  resourceVersion: string
  gracePeriodSeconds: number | undefined
  propagationPolicy: string
  /** Nobody said what becomes of a job's pods. */
  isJobByDefault?: boolean
}

/** What the deletion of a job is answered with besides, when nobody said what becomes of its pods. */
export const orphanWarning =
  'child pods are preserved by default when jobs are deleted; set propagationPolicy=Background to remove them or set ' +
  'propagationPolicy=Orphan to suppress this warning'

/** Reads DeleteOptions from the query and, when there is one, the body, which wins. Throws 400 or 422. */
export function deleteOptions(query: URLSearchParams, body: Json | undefined, type: ResourceType): DeleteOptions {
  const sent = asObject(body) ?? {}
  const kind = asText(sent.kind)
  if (kind !== '' && kind !== 'DeleteOptions') {
    throw badRequest('decoded object cannot be converted to DeleteOptions')
  }
  const dryRun = asArray(sent.dryRun).length > 0 ? asArray(sent.dryRun) : query.getAll('dryRun')
  const policy = asText(sent.propagationPolicy) || (query.get('propagationPolicy') ?? '')
  const refuse = (field: string, value: Json, supported: string): never => {
    const message = `Unsupported value: ${JSON.stringify(value)}: supported values: ${supported}`
    throw invalid('meta.k8s.io', 'DeleteOptions', '', [{ reason: 'FieldValueNotSupported', message, field }])
  }
  if (dryRun.some((value) => value !== '' && value !== 'All')) refuse('dryRun', dryRun, '"All"')
  if (!['', 'Foreground', 'Background', 'Orphan'].includes(policy)) {
    refuse('propagationPolicy', policy, '"Foreground", "Background", "Orphan", "nil"')
  }
  // As jobs did before there was a policy to choose.
  const isJobByDefault = policy === '' && type.resource === 'jobs'
  const grace = sent.gracePeriodSeconds ?? query.get('gracePeriodSeconds') ?? undefined
  return {
    dryRun: dryRun.includes('All'),
    uid: asText(at(sent, 'preconditions', 'uid')),
    resourceVersion: asText(at(sent, 'preconditions', 'resourceVersion')),
    gracePeriodSeconds: grace === undefined ? undefined : Math.max(0, Number(grace)),
    propagationPolicy: isJobByDefault ? 'Orphan' : policy,
    isJobByDefault,
  }
}

function assertPreconditions(type: ResourceType, object: KubernetesObject, options: DeleteOptions): void {
  const { uid, resourceVersion } = object.metadata
  if (options.uid !== '' && options.uid !== uid) {
    const why = `the UID in the precondition (${options.uid}) does not match the UID in record (${asText(uid)}). The object might have been deleted and then recreated`
    throw conflict({ group: type.group, resource: type.kind }, nameOf(object), why)
  }
  if (options.resourceVersion !== '' && options.resourceVersion !== resourceVersion) {
    const why = `the ResourceVersion in the precondition (${options.resourceVersion}) does not match the ResourceVersion in record (${asText(resourceVersion)}). The object might have been modified`
    throw conflict({ group: type.group, resource: type.kind }, nameOf(object), why)
  }
}

/** How long an object may take to end: only a pod on a node has work to stop. */
function graceOf(type: ResourceType, object: KubernetesObject, options: DeleteOptions): number {
  if (type.resource !== 'pods' || asText(at(object, 'spec', 'nodeName')) === '') return 0
  return options.gracePeriodSeconds ?? Number(at(object, 'spec', 'terminationGracePeriodSeconds') ?? 30)
}

/**
 * DELETE on one object: removes it, or marks it when finalizers, a grace period or (for a namespace) its content must
 * go first. Returns the object and whether it is gone. Throws 409 when a precondition does not hold.
 */
export function deleteObject(
  store: ObjectStore,
  type: ResourceType,
  object: KubernetesObject,
  options: DeleteOptions,
): { object: KubernetesObject; gone: boolean } {
  assertPreconditions(type, object, options)
  const grace = graceOf(type, object, options)
  const isNamespace = type.resource === 'namespaces'
  const finalizer = policyFinalizers[options.propagationPolicy]
  const waits = asArray(object.metadata.finalizers).length > 0 || finalizer !== undefined || grace > 0 || isNamespace
  if (!waits) {
    if (!options.dryRun) store.remove(type, namespaceOf(object), nameOf(object))
    // A pod always ends gracefully, even in no time, and is answered as it ended.
    return { object: type.resource === 'pods' ? marked(type, object, 0) : object, gone: true }
  }
  if (object.metadata.deletionTimestamp !== undefined) return { object, gone: false }
  const next = marked(type, object, grace)
  if (finalizer !== undefined) next.metadata.finalizers = [...asArray(next.metadata.finalizers), finalizer]
  return { object: options.dryRun ? next : store.put(type, next), gone: false }
}

/** What holds an object until its dependents are gone, or are its own no longer: cascade.ts takes it away again. */
const policyFinalizers: Readonly<Record<string, string>> = { Foreground: 'foregroundDeletion', Orphan: 'orphan' }

/** The object as it is while it is being deleted. */
function marked(type: ResourceType, object: KubernetesObject, grace: number): KubernetesObject {
  const next = clone(object)
  next.metadata.deletionTimestamp = timestamp(Date.now() + grace * 1000)
  next.metadata.deletionGracePeriodSeconds = grace
  if (type.counted) next.metadata.generation = Number(next.metadata.generation) + 1
  if (type.resource === 'namespaces') {
    delete next.metadata.deletionGracePeriodSeconds
    next.status = { ...(asObject(next.status) ?? {}), phase: 'Terminating' }
  }
  return next
}

/** The Status a deletion is answered with when the object is gone. */
export function deletedStatus(type: ResourceType, object: KubernetesObject): JsonObject {
  const details: JsonObject = { name: nameOf(object) }
  if (type.group !== '') details.group = type.group
  details.kind = type.resource
  details.uid = asText(object.metadata.uid)
  return { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success', details }
}

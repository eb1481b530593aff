import { commitCreate, prepareCreate } from './create-object.ts'
import { jsonPatch } from './json-patch.ts'
import { mediaType } from './media-type.ts'
import { mergePatch } from './merge-patch.ts'
import { asObject, asText, clone, type Json, type KubernetesObject } from './object.ts'
import { assertNamed, objectOf } from './object-decoding.ts'
import type { ObjectStore } from './object-store.ts'
import { assertDecodable } from './object-validation.ts'
import { decode } from './request-body.ts'
import { apiVersionOf, type ResourceType } from './resource-table.ts'
import { apply } from './server-side-apply.ts'
import { badRequest, conflict, invalid, notFound, StatusError, unsupportedPatchType } from './status-error.ts'
import { strategicMergePatch } from './strategic-merge-patch.ts'
import { withoutUnknownFields } from './unknown-fields.ts'
import { updateObject } from './update-object.ts'
import { wrong } from './validation-causes.ts'
import type { WriteOptions } from './write-options.ts'

const applyYaml = 'application/apply-patch+yaml'

const patchTypes = ['application/json-patch+json', 'application/merge-patch+json', 'application/strategic-merge-patch+json', applyYaml]

/** Where a patch goes, and who asks. */
export type PatchTarget = {
  type: ResourceType
  namespace: string
  name: string
  subresource: string
  /** Throws to refuse the finished object. */
  check: (object: KubernetesObject) => void
  /** Throws unless the user may also create: an apply of something absent creates it. */
  checkCreate: () => void
}

/** Throws 415 for a patch type that does not exist. */
export function patchTypeOf(contentType: string | undefined): string {
  const type = mediaType(contentType)
  if (!patchTypes.includes(type)) throw unsupportedPatchType()
  return type
}

function decodePatch(body: Buffer, yaml: boolean): Json {
  try {
    return decode(body, yaml ? 'yaml' : 'json')
  } catch (error) {
    const why = error instanceof Error ? error.message : ''
    throw badRequest(yaml ? `error decoding YAML: ${why}` : `error decoding patch: ${why}`)
  }
}

function patched(current: KubernetesObject, patchType: string, patch: Json): Json {
  if (patchType === 'application/json-patch+json') return jsonPatch(current, patch)
  const fields = asObject(patch)
  if (fields === undefined)
    throw badRequest('error decoding patch: json: cannot unmarshal array into Go value of type map[string]interface {}')
  if (patchType === 'application/merge-patch+json') return mergePatch(current, fields)
  return strategicMergePatch(clone(current), fields)
}

/** PATCH on one object. Returns what is stored then, and whether an apply created it. */
export function patchObject(
  store: ObjectStore,
  target: PatchTarget,
  patchType: string,
  body: Buffer,
  options: WriteOptions,
): { object: KubernetesObject; created: boolean } {
  const { type, namespace, name, subresource, check } = target
  const current = store.get(type, namespace, name)
  const isApply = patchType === applyYaml
  assertOptions(isApply, options)
  const patch = decodePatch(body, isApply)
  if (isApply) return applyPatch(store, target, current, patch, body, options)
  if (current === undefined) throw notFound(type, name)
  const wanted = patchedObject(type, patched(current, patchType, patch), body)
  assertNamed(type, wanted, namespace, name)
  const uid = asText(wanted.metadata.uid)
  if (uid !== '' && uid !== current.metadata.uid) {
    throw invalid(type.group, type.kind, name, [wrong('metadata.uid', uid, 'field is immutable')])
  }
  const { manager, dryRun } = options
  const object = updateObject(store, type, current, wanted, { manager, subresource, dryRun, recordsFields: true, check })
  return { object, created: false }
}

function assertOptions(isApply: boolean, options: WriteOptions): void {
  if (isApply && !options.hasManager) {
    const message = 'Required value: is required for apply patch'
    throw invalid('meta.k8s.io', 'PatchOptions', '', [{ reason: 'FieldValueRequired', message, field: 'fieldManager' }])
  }
  if (!isApply && options.force !== undefined) {
    const message = 'Forbidden: may not be specified for non-apply patch'
    throw invalid('meta.k8s.io', 'PatchOptions', '', [{ reason: 'FieldValueForbidden', message, field: 'force' }])
  }
}

/** What a patch made of the object, or 422: the fault is the patch's, not the body's. */
function patchedObject(type: ResourceType, value: Json, body: Buffer): KubernetesObject {
  try {
    const object = objectOf(type, value, body)
    assertDecodable(object)
    withoutUnknownFields(object, 'Ignore')
    return object
  } catch (error) {
    if (!(error instanceof StatusError)) throw error
    const why = error.message.replace(/^.* cannot be handled as a \w+: /, '')
    const message = `Invalid value: ${JSON.stringify(JSON.stringify(value))}: ${why}`
    throw invalid('', '', '', [{ reason: 'FieldValueInvalid', message, field: 'patch' }])
  }
}

function applyPatch(
  store: ObjectStore,
  target: PatchTarget,
  current: KubernetesObject | undefined,
  patch: Json,
  body: Buffer,
  options: WriteOptions,
): { object: KubernetesObject; created: boolean } {
  const { type, namespace, name, subresource, check } = target
  const fields = asObject(patch) ?? {}
  if (asText(fields.apiVersion) === '' || asText(fields.kind) === '') {
    throw badRequest('invalid object type: /, Kind=')
  }
  const wanted = objectOf(type, patch, body)
  withoutUnknownFields(wanted, 'Ignore')
  wanted.metadata.name ??= name
  assertNamed(type, wanted, namespace, name)
  if (subresource === 'status') for (const key of Object.keys(wanted)) if (!identity.has(key)) delete wanted[key]
  if (subresource === '' && type.hasStatus) delete wanted.status
  const applier = { manager: options.manager, apiVersion: apiVersionOf(type), subresource, force: options.force === true }
  if (current !== undefined) {
    const merged = apply(current, wanted, applier)
    if (asText(wanted.metadata.resourceVersion) === '') delete merged.metadata.resourceVersion
    const { manager, dryRun } = options
    const update = { manager, subresource, dryRun, recordsFields: false, check }
    return { object: updateObject(store, type, current, merged, update), created: false }
  }
  if (subresource !== '') throw notFound(type, name)
  if (asText(wanted.metadata.uid) !== '') {
    const uid = asText(wanted.metadata.uid)
    throw conflict(type, name, `uid mismatch: the provided object specified uid ${uid}, and no existing object was found`)
  }
  target.checkCreate()
  const merged = apply(undefined, wanted, applier)
  const managedFields = merged.metadata.managedFields
  const object = prepareCreate(store, type, namespace, merged)
  if (managedFields !== undefined) object.metadata.managedFields = managedFields
  check(object)
  return { object: commitCreate(store, type, object, options.dryRun), created: true }
}

const identity = new Set(['apiVersion', 'kind', 'metadata', 'status'])

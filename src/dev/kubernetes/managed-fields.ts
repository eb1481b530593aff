import { decodeFields, difference, encodeFields, type FieldSet } from './field-set.ts'
import { asArray, asObject, asText, type Json, type JsonObject, type KubernetesObject, timestamp } from './object.ts'

/** One entry of metadata.managedFields: a manager, how it wrote, and what it owns. */
export type Manager = {
  manager: string
  operation: 'Apply' | 'Update'
  apiVersion: string
  subresource: string
  time: string
  fields: FieldSet
}

// Owned by nobody: these are the object's identity or the server's own (managedfields `stripMeta`).
const unowned = new Set([
  ...['f:apiVersion', 'f:kind', 'f:metadata'],
  ...['name', 'namespace', 'creationTimestamp', 'selfLink', 'uid', 'generation', 'managedFields', 'resourceVersion'].map(
    (field) => `f:metadata\u0000f:${field}`,
  ),
])

/** Removes what nobody owns, `metadata.managedFields` with all that is in it. */
export function ownable(set: FieldSet): FieldSet {
  return new Set([...set].filter((member) => !unowned.has(member.split('\u0000').slice(0, 2).join('\u0000'))))
}

/** Reads metadata.managedFields. */
export function managersOf(object: KubernetesObject | undefined): Manager[] {
  return asArray(object?.metadata.managedFields).map((entry: Json) => {
    const fields = asObject(entry) ?? {}
    return {
      manager: asText(fields.manager),
      operation: fields.operation === 'Apply' ? 'Apply' : 'Update',
      apiVersion: asText(fields.apiVersion),
      subresource: asText(fields.subresource),
      time: asText(fields.time),
      fields: decodeFields(fields.fieldsV1),
    }
  })
}

/** Whether two entries are the same manager: appliers regardless of version, updaters per version and subresource. */
export function isSameManager(left: Manager, right: Manager): boolean {
  return (
    left.manager === right.manager &&
    left.operation === right.operation &&
    left.subresource === right.subresource &&
    (left.operation === 'Apply' || left.apiVersion === right.apiVersion)
  )
}

/** Writes metadata.managedFields; entries that own nothing any more are left out. */
export function setManagers(object: KubernetesObject, managers: readonly Manager[]): void {
  const entries = managers
    .filter((manager) => manager.fields.size > 0)
    .sort((left, right) => rank(left).localeCompare(rank(right)))
    .map((manager): JsonObject => {
      const entry: JsonObject = {
        manager: manager.manager,
        operation: manager.operation,
        apiVersion: manager.apiVersion,
        time: manager.time,
        fieldsType: 'FieldsV1',
        fieldsV1: encodeFields(manager.fields),
      }
      if (manager.subresource !== '') entry.subresource = manager.subresource
      return entry
    })
  if (entries.length === 0) delete object.metadata.managedFields
  else object.metadata.managedFields = entries
}

function rank(manager: Manager): string {
  return [manager.operation, manager.time, manager.manager, manager.apiVersion, manager.subresource].join('\u0000')
}

/**
 * Records a write that is not an apply: what it changed belongs to its manager and to nobody else, what it took away
 * belongs to nobody. A client that sends an empty managedFields list resets all ownership, as the API documents.
 */
export function recordUpdate(
  before: KubernetesObject | undefined,
  after: KubernetesObject,
  self: Omit<Manager, 'operation' | 'time' | 'fields'>,
): void {
  const sent = after.metadata.managedFields
  const isReset = before !== undefined && Array.isArray(sent) && (sent.length === 0 || isEmptyEntry(sent))
  const { changed, removed } = difference(before ?? {}, after)
  const owned = ownable(changed)
  const me: Manager = { ...self, operation: 'Update', time: timestamp(), fields: owned }
  const managers = isReset ? [] : managersOf(before)
  const mine = managers.find((manager) => isSameManager(manager, me))
  for (const manager of managers) {
    manager.fields = new Set([...manager.fields].filter((member) => !changed.has(member) && !removed.has(member)))
  }
  if (isReset) setManagers(after, [])
  else if (owned.size === 0) setManagers(after, managers)
  else if (mine === undefined) setManagers(after, [...managers, me])
  else {
    mine.fields = new Set([...mine.fields, ...owned])
    mine.time = me.time
    setManagers(after, managers)
  }
}

function isEmptyEntry(entries: readonly Json[]): boolean {
  return entries.length === 1 && Object.keys(asObject(entries[0]) ?? {}).length === 0
}

import { children, difference, elementIndex, type FieldSet, fieldsOf, isUnder, parted, printed } from './field-set.ts'
import { isAtomicMap, listTopology } from './list-topology.ts'
import { isSameManager, type Manager, managersOf, ownable, setManagers } from './managed-fields.ts'
import { asArray, asObject, clone, type Json, type JsonObject, type KubernetesObject, timestamp } from './object.ts'
import { badRequest, quoted, StatusError } from './status-error.ts'

/** Who applies, and whether fields of others are taken over. */
export type Applier = { manager: string; apiVersion: string; subresource: string; force: boolean }

/**
 * Server-side apply: merges what the applier wants into the live object, takes away what it wanted before and no
 * longer does (unless somebody else owns it too), and records that it owns exactly what it sent.
 * Throws 409 with one cause per field that another manager owns and that would change, unless forced.
 */
export function apply(live: KubernetesObject | undefined, wanted: KubernetesObject, applier: Applier): KubernetesObject {
  if (wanted.metadata.managedFields !== undefined) throw badRequest('metadata.managedFields must be nil')
  const base: JsonObject = live === undefined ? { apiVersion: wanted.apiVersion, kind: wanted.kind, metadata: {} } : live
  const merged = merge(base, wanted, []) as KubernetesObject
  const owned = ownable(fieldsOf(wanted))
  const { manager, apiVersion, subresource } = applier
  const me: Manager = { manager, apiVersion, subresource, operation: 'Apply', time: timestamp(), fields: owned }
  const managers = managersOf(live)
  const others = managers.filter((entry) => !isSameManager(entry, me))
  const previous = managers.find((entry) => isSameManager(entry, me))

  const { changed } = difference(base, merged)
  const conflicts = others.flatMap((entry) =>
    [...entry.fields].filter((member) => changed.has(member) && owned.has(member)).map((member) => ({ entry, member })),
  )
  if (conflicts.length > 0 && !applier.force) throw applyConflict(conflicts)
  for (const { entry, member } of conflicts) entry.fields.delete(member)

  for (const member of previous?.fields ?? []) {
    if (!owned.has(member) && !isWanted(member, owned, others)) removeField(merged, parted(member))
  }
  // The fields stay with their time when nothing changed, so that applying twice is no change.
  const isUnchanged = previous !== undefined && sameSet(previous.fields, owned) && conflicts.length === 0
  setManagers(merged, [...others, isUnchanged ? previous : me])
  return merged
}

function isWanted(member: string, owned: FieldSet, others: readonly Manager[]): boolean {
  const touches = (set: FieldSet): boolean => [...set].some((other) => isUnder(other, member))
  return touches(owned) || others.some((other) => touches(other.fields))
}

function sameSet(left: FieldSet, right: FieldSet): boolean {
  return left.size === right.size && [...left].every((member) => right.has(member))
}

function merge(target: Json | undefined, wanted: Json, fields: readonly string[]): Json {
  const below = children(wanted, fields)
  // An empty map or list says nothing about what others put into it.
  if (isEmptyContainer(wanted, fields) && typeof target === 'object' && target !== null) return clone(target)
  if (below === undefined || target === undefined || target === null) return clone(wanted)
  if (Array.isArray(wanted)) {
    const result = [...asArray(target)]
    for (const [element, names, child] of below) {
      const index = elementIndex(result, element, fields)
      if (index < 0) result.push(clone(child))
      else result[index] = merge(result[index], child, names)
    }
    return result
  }
  const result: JsonObject = { ...(asObject(clone(target)) ?? {}) }
  for (const [element, names, child] of below) result[element.slice(2)] = merge(result[element.slice(2)], child, names)
  return result
}

function isEmptyContainer(value: Json, fields: readonly string[]): boolean {
  if (Array.isArray(value)) return value.length === 0 && listTopology(fields).type !== 'atomic'
  const record = asObject(value)
  return record !== undefined && Object.keys(record).length === 0 && !isAtomicMap(fields)
}

function removeField(object: Json, path: readonly string[], fields: readonly string[] = []): void {
  const [element = '', ...rest] = path
  if (element.startsWith('f:')) {
    const record = asObject(object)
    const name = element.slice(2)
    if (record === undefined) return
    if (rest.length === 0) delete record[name]
    else if (record[name] !== undefined) {
      removeField(record[name], rest, [...fields, name])
      if (Array.isArray(record[name]) && record[name].length === 0) delete record[name]
    }
    return
  }
  const index = elementIndex(object, element, fields)
  if (index < 0 || !Array.isArray(object)) return
  if (rest.length === 0) object.splice(index, 1)
  else removeField(object[index] ?? null, rest, fields)
}

function shown(entry: Manager): string {
  const name = entry.subresource === '' ? quoted(entry.manager) : `${quoted(entry.manager)} with subresource ${quoted(entry.subresource)}`
  return entry.operation === 'Update' ? `${name} using ${entry.apiVersion}` : name
}

/** The wording of apimachinery's `managedfields/internal/conflict.go`. */
function applyConflict(conflicts: readonly { entry: Manager; member: string }[]): StatusError {
  const causes = conflicts.map(({ entry, member }) => ({
    reason: 'FieldManagerConflict',
    message: `conflict with ${shown(entry)}`,
    field: printed(member),
  }))
  const byManager = Map.groupBy(causes, (cause) => cause.message.slice('conflict with '.length))
  const lists = [...byManager]
    .sort(([left], [right]) => (left < right ? -1 : 1))
    .map(([manager, list]) => [`conflicts with ${manager}:`, ...list.map((cause) => `- ${cause.field}`)].join('\n'))
  const [first] = causes
  const message =
    causes.length === 1 && first !== undefined
      ? `Apply failed with 1 conflict: ${first.message}: ${first.field}`
      : `Apply failed with ${causes.length} conflicts: ${lists.join('\n')}`
  return new StatusError(409, 'Conflict', message, { causes })
}

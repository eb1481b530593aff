import { elementKey, listTopology } from './list-topology.ts'
import { asArray, asObject, clone, type Json, type JsonObject, same } from './object.ts'
import { badRequest, StatusError } from './status-error.ts'

/*
 * Kubernetes strategic merge patch (apimachinery `strategicpatch`): a merge patch that knows lists with keys, and
 * the directives `$patch`, `$retainKeys`, `$setElementOrder/x` and `$deleteFromPrimitiveList/x`.
 */

const orderPrefix = '$setElementOrder/'
const deletePrefix = '$deleteFromPrimitiveList/'

/** Applies the patch. Returns a new object; throws 400 for a directive that does not exist. */
export function strategicMergePatch(target: JsonObject, patch: JsonObject, fields: readonly string[] = []): JsonObject {
  const directive = patch.$patch
  if (directive === 'replace') return withoutDirectives(patch)
  if (directive === 'delete') return {}
  if (directive !== undefined && directive !== 'merge') {
    throw badRequest(`Unknown patch type found: ${JSON.stringify(directive)}`)
  }
  const retained = patch.$retainKeys
  const result: JsonObject = Array.isArray(retained)
    ? Object.fromEntries(Object.entries(target).filter(([key]) => retained.includes(key)))
    : { ...target }

  for (const [key, value] of Object.entries(patch)) {
    if (key === '$patch' || key === '$retainKeys' || key.startsWith(orderPrefix)) continue
    if (key.startsWith(deletePrefix)) {
      const name = key.slice(deletePrefix.length)
      result[name] = asArray(result[name]).filter((element) => !asArray(value).includes(element))
      continue
    }
    if (value === null) {
      delete result[key]
      continue
    }
    const path = [...fields, key]
    const nested = asObject(value)
    if (nested !== undefined) result[key] = strategicMergePatch(asObject(result[key]) ?? {}, nested, path)
    else if (Array.isArray(value)) result[key] = mergedList(asArray(result[key]), value, path)
    else result[key] = value
  }
  for (const [key, value] of Object.entries(patch)) {
    const name = key.slice(orderPrefix.length)
    if (key.startsWith(orderPrefix) && Array.isArray(patch[name])) {
      assertOrder(patch[name], asArray(value), [...fields, name])
    }
    if (key.startsWith(orderPrefix) && Array.isArray(result[name])) {
      result[name] = ordered(asArray(result[name]), asArray(value), [...fields, name])
    }
  }
  return result
}

function withoutDirectives(patch: JsonObject): JsonObject {
  return Object.fromEntries(Object.entries(clone(patch)).filter(([key]) => !key.startsWith('$')))
}

function mergedList(target: readonly Json[], patch: readonly Json[], path: readonly string[]): Json[] {
  const topology = listTopology(path)
  if (topology.type === 'atomic') return patch.map((element) => clone(element))
  if (topology.type === 'set') return [...target, ...patch.filter((element) => !target.includes(element))]
  if (patch.some((element) => same(element, { $patch: 'replace' }))) {
    return patch.filter((element) => !same(element, { $patch: 'replace' })).map((element) => clone(element))
  }
  const [key = ''] = topology.keys
  const result = [...target]
  for (const element of patch) {
    const fields = asObject(element)
    const wanted = fields?.[key]
    if (fields === undefined || wanted === undefined) {
      throw badRequest(`map: ${JSON.stringify(element)} does not contain declared merge key: ${key}`)
    }
    const index = result.findIndex((candidate) => asObject(candidate)?.[key] === wanted)
    if (fields.$patch === 'delete') {
      if (index >= 0) result.splice(index, 1)
    } else if (index < 0) {
      result.push(strategicMergePatch({}, fields, path))
    } else {
      result[index] = strategicMergePatch(asObject(result[index]) ?? {}, fields, path)
    }
  }
  return result
}

/** What identifies an element of a list for ordering. */
function identityIn(path: readonly string[]): (element: Json) => string {
  const topology = listTopology(path)
  const keys = topology.type === 'granular' ? topology.keys.slice(0, 1) : undefined
  return (element) => JSON.stringify(keys === undefined ? element : (elementKey(element, keys) ?? element))
}

/** Throws unless the elements that stay come in the order the patch itself demands. */
function assertOrder(list: readonly Json[], order: readonly Json[], path: readonly string[]): void {
  const identity = identityIn(path)
  const wanted = order.map(identity)
  const ranks = list.filter((element) => asObject(element)?.$patch === undefined).map((element) => wanted.indexOf(identity(element)))
  if (ranks.every((rank, index) => rank > (ranks[index - 1] ?? -1))) return
  const message = `The order in patch list:\n${JSON.stringify(list)}\n doesn't match $setElementOrder list:\n${JSON.stringify(order)}\n`
  throw new StatusError(500, '', message)
}

/** Sorts what the order names as it says; what it does not name keeps its place behind its predecessor. */
function ordered(list: readonly Json[], order: readonly Json[], path: readonly string[]): Json[] {
  const key = identityIn(path)
  const ranks = new Map(order.map((element, index) => [key(element), index]))
  let last = -1
  return list
    .map((element, index) => {
      last = ranks.get(key(element)) ?? last
      return { element, rank: last, index }
    })
    .sort((left, right) => left.rank - right.rank || left.index - right.index)
    .map(({ element }) => element)
}

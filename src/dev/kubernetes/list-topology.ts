import { asObject, type Json, type JsonObject } from './object.ts'

/**
 * How a list or map merges (OpenAPI `x-kubernetes-list-type`, `-list-map-keys`, `-map-type`). Strategic merge uses
 * the first key only, server-side apply all of them.
 */
export type Topology = { type: 'atomic' } | { type: 'set' } | { type: 'granular'; keys: readonly string[] }

const atomic: Topology = { type: 'atomic' }
const keyed = (...keys: string[]): Topology => ({ type: 'granular', keys })

// By the names of the last one or two fields: enough for the kinds of the resource table, where one name never
// means two things under the same parent.
const lists: Readonly<Record<string, Topology>> = {
  containers: keyed('name'),
  initContainers: keyed('name'),
  ephemeralContainers: keyed('name'),
  env: keyed('name'),
  volumeMounts: keyed('mountPath'),
  volumeDevices: keyed('devicePath'),
  volumes: keyed('name'),
  imagePullSecrets: keyed('name'),
  secrets: keyed('name'),
  hostAliases: keyed('ip'),
  topologySpreadConstraints: keyed('topologyKey', 'whenUnsatisfiable'),
  conditions: keyed('type'),
  ownerReferences: keyed('uid'),
  'metadata.finalizers': { type: 'set' },
  'containers.ports': keyed('containerPort', 'protocol'),
  'initContainers.ports': keyed('containerPort', 'protocol'),
  'spec.ports': keyed('port', 'protocol'),
}

const atomicMaps = new Set([
  'selector',
  'nodeSelector',
  'matchLabels',
  'roleRef',
  'involvedObject',
  'fieldRef',
  'resourceFieldRef',
  'configMapKeyRef',
  'secretKeyRef',
  'secretRef',
  'configMapRef',
])

/** How the list at these field names (indexes left out) merges; unknown lists are replaced whole. */
export function listTopology(fields: readonly string[]): Topology {
  const last = fields.at(-1) ?? ''
  return lists[`${fields.at(-2) ?? ''}.${last}`] ?? (Object.hasOwn(lists, last) ? lists[last] : undefined) ?? atomic
}

/** Whether the map at these field names is owned as one. */
export function isAtomicMap(fields: readonly string[]): boolean {
  return atomicMaps.has(fields.at(-1) ?? '')
}

const keyDefaults: Readonly<Record<string, Json>> = { protocol: 'TCP' }

/** The key fields of one element, absent ones at their default; undefined when the first is missing. */
export function elementKey(element: Json | undefined, keys: readonly string[]): JsonObject | undefined {
  const fields = asObject(element)
  const key: JsonObject = {}
  for (const name of keys) {
    const value = fields?.[name] ?? keyDefaults[name]
    if (value !== undefined) key[name] = value
  }
  return keys.every((name) => Object.hasOwn(key, name)) ? key : undefined
}

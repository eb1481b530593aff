import { asArray, asObject, asText, at, type Json, type JsonObject, type KubernetesObject, nameOf } from './object.ts'

/** One column of `kubectl get`; priority 1 shows with `-o wide` only. */
type Column = { name: string; type?: string; format?: string; priority?: number; cell: (object: KubernetesObject) => Json }

/** The duration as `kubectl` prints it: two units at most (apimachinery `duration.HumanDuration`). */
export function humanDuration(milliseconds: number): string {
  const seconds = Math.floor(milliseconds / 1000)
  const minutes = Math.floor(seconds / 60)
  const hours = Math.floor(minutes / 60)
  const days = Math.floor(hours / 24)
  const pair = (large: number, unit: string, small: number, rest: string): string =>
    small === 0 ? `${large}${unit}` : `${large}${unit}${small}${rest}`
  if (seconds < -1) return '<invalid>'
  if (seconds < 0) return '0s'
  if (seconds < 120) return `${seconds}s`
  if (minutes < 10) return pair(minutes, 'm', seconds % 60, 's')
  if (minutes < 180) return `${minutes}m`
  if (hours < 8) return pair(hours, 'h', minutes % 60, 'm')
  if (hours < 48) return `${hours}h`
  if (days < 8) return pair(days, 'd', hours % 24, 'h')
  if (days < 730) return `${days}d`
  return pair(Math.floor(days / 365), 'y', days % 365, 'd')
}

function age(object: KubernetesObject): string {
  const created = asText(object.metadata.creationTimestamp)
  return created === '' ? '<unknown>' : humanDuration(Date.now() - Date.parse(created))
}

function count(value: Json | undefined): number {
  return Object.keys(asObject(value) ?? {}).length
}

const text =
  (...path: string[]) =>
  (object: KubernetesObject) =>
    asText(at(object, ...path)) || '<none>'
const number =
  (...path: string[]) =>
  (object: KubernetesObject) =>
    Number(at(object, ...path) ?? 0)
const name: Column = { name: 'Name', format: 'name', cell: nameOf }
const ageColumn: Column = { name: 'Age', cell: age }

function restarts(pod: KubernetesObject): number {
  const counts = asArray(at(pod, 'status', 'containerStatuses')).map((status) => Number(at(status, 'restartCount') ?? 0))
  return counts.reduce((sum, value) => sum + value, 0)
}

function ready(pod: KubernetesObject): string {
  const states = asArray(at(pod, 'status', 'containerStatuses')).filter((status) => at(status, 'ready') === true)
  return `${states.length}/${asArray(at(pod, 'spec', 'containers')).length}`
}

function servicePorts(service: KubernetesObject): string {
  const ports = asArray(at(service, 'spec', 'ports')).map((port) => {
    return `${Number(at(port, 'port') ?? 0)}/${asText(at(port, 'protocol')) || 'TCP'}`
  })
  return ports.join(',') || '<none>'
}

const replicas: Column[] = [
  { name: 'Desired', type: 'integer', cell: number('spec', 'replicas') },
  { name: 'Current', type: 'integer', cell: number('status', 'replicas') },
  { name: 'Ready', type: 'integer', cell: number('status', 'readyReplicas') },
]

function pairs(map: Json | undefined): string {
  const entries = Object.entries(asObject(map) ?? {}).map(([key, value]) => `${key}=${asText(value)}`)
  return entries.join(',') || '<none>'
}

const containers = (field: string) => (object: KubernetesObject) =>
  asArray(at(object, 'spec', 'template', 'spec', 'containers'))
    .map((container) => asText(at(container, field)))
    .join(',')

/** What workloads show of their pods with `-o wide`. */
const podColumns: Column[] = [
  { name: 'Containers', priority: 1, cell: containers('name') },
  { name: 'Images', priority: 1, cell: containers('image') },
  { name: 'Selector', priority: 1, cell: (object) => pairs(at(object, 'spec', 'selector', 'matchLabels')) },
]

const subjects = (kind: string) => (binding: KubernetesObject) =>
  asArray(binding.subjects)
    .filter((subject) => at(subject, 'kind') === kind)
    .map((subject) => [asText(at(subject, 'namespace')), asText(at(subject, 'name'))].filter((part) => part !== '').join('/'))
    .join(', ')

const subjectColumns: Column[] = [
  { name: 'Users', priority: 1, cell: subjects('User') },
  { name: 'Groups', priority: 1, cell: subjects('Group') },
  { name: 'ServiceAccounts', priority: 1, cell: subjects('ServiceAccount') },
]

const columns: Readonly<Record<string, Column[]>> = {
  Pod: [
    name,
    { name: 'Ready', cell: ready },
    { name: 'Status', cell: (pod) => (pod.metadata.deletionTimestamp === undefined ? asText(at(pod, 'status', 'phase')) : 'Terminating') },
    { name: 'Restarts', cell: (pod) => String(restarts(pod)) },
    ageColumn,
    { name: 'IP', priority: 1, cell: text('status', 'podIP') },
    { name: 'Node', priority: 1, cell: text('spec', 'nodeName') },
    { name: 'Nominated Node', priority: 1, cell: text('status', 'nominatedNodeName') },
    { name: 'Readiness Gates', priority: 1, cell: () => '<none>' },
  ],
  Namespace: [name, { name: 'Status', cell: text('status', 'phase') }, ageColumn],
  Node: [
    name,
    {
      name: 'Status',
      cell: (node) =>
        asArray(at(node, 'status', 'conditions')).some(
          (condition) => at(condition, 'type') === 'Ready' && at(condition, 'status') === 'True',
        )
          ? 'Ready'
          : 'NotReady',
    },
    { name: 'Roles', cell: () => '<none>' },
    ageColumn,
    { name: 'Version', cell: text('status', 'nodeInfo', 'kubeletVersion') },
    { name: 'Internal-IP', priority: 1, cell: () => '<none>' },
    { name: 'External-IP', priority: 1, cell: () => '<none>' },
    { name: 'OS-Image', priority: 1, cell: () => '<unknown>' },
    { name: 'Kernel-Version', priority: 1, cell: () => '<unknown>' },
    { name: 'Container-Runtime', priority: 1, cell: () => '<unknown>' },
  ],
  ConfigMap: [name, { name: 'Data', cell: (map) => count(map.data) + count(map.binaryData) }, ageColumn],
  Secret: [name, { name: 'Type', cell: text('type') }, { name: 'Data', cell: (secret) => count(secret.data) }, ageColumn],
  ServiceAccount: [name, ageColumn],
  Service: [
    name,
    { name: 'Type', cell: text('spec', 'type') },
    { name: 'Cluster-IP', cell: text('spec', 'clusterIP') },
    { name: 'External-IP', cell: () => '<none>' },
    { name: 'Port(s)', cell: servicePorts },
    ageColumn,
    { name: 'Selector', priority: 1, cell: (service) => pairs(at(service, 'spec', 'selector')) },
  ],
  Deployment: [
    name,
    { name: 'Ready', cell: (object) => `${number('status', 'readyReplicas')(object)}/${number('spec', 'replicas')(object)}` },
    { name: 'Up-to-date', cell: number('status', 'updatedReplicas') },
    { name: 'Available', cell: number('status', 'availableReplicas') },
    ageColumn,
    ...podColumns,
  ],
  ReplicaSet: [name, ...replicas, ageColumn, ...podColumns],
  Job: [
    name,
    { name: 'Status', cell: (job) => (number('status', 'succeeded')(job) > 0 ? 'Complete' : 'Running') },
    { name: 'Completions', cell: (job) => `${number('status', 'succeeded')(job)}/${number('spec', 'completions')(job)}` },
    { name: 'Duration', cell: () => '' },
    ageColumn,
    ...podColumns,
  ],
  Event: [
    { name: 'Last Seen', cell: (event) => seen(event) },
    { name: 'Type', cell: text('type') },
    { name: 'Reason', cell: text('reason') },
    {
      name: 'Object',
      cell: (event) => `${asText(at(event, 'involvedObject', 'kind')).toLowerCase()}/${asText(at(event, 'involvedObject', 'name'))}`,
    },
    { name: 'Subobject', priority: 1, cell: (event) => asText(at(event, 'involvedObject', 'fieldPath')) },
    { name: 'Source', priority: 1, cell: (event) => asText(at(event, 'source', 'component')) || asText(event.reportingComponent) },
    { name: 'Message', cell: (event) => asText(event.message).trim() },
    { name: 'First Seen', priority: 1, cell: (event) => seen(event, 'firstTimestamp') },
    { name: 'Count', priority: 1, cell: (event) => Number(event.count ?? 1) },
    { ...name, priority: 1 },
  ],
  Lease: [name, { name: 'Holder', cell: (lease) => asText(at(lease, 'spec', 'holderIdentity')) }, ageColumn],
  RoleBinding: [name, { name: 'Role', cell: roleOf }, ageColumn, ...subjectColumns],
  ClusterRoleBinding: [name, { name: 'Role', cell: roleOf }, ageColumn, ...subjectColumns],
}

const generic: Column[] = [name, { name: 'Created At', type: 'date', cell: (object) => asText(object.metadata.creationTimestamp) }]

function roleOf(binding: KubernetesObject): string {
  return `${asText(at(binding, 'roleRef', 'kind'))}/${asText(at(binding, 'roleRef', 'name'))}`
}

function seen(event: KubernetesObject, field = 'lastTimestamp'): string {
  const last = asText(event[field]) || asText(event.eventTime) || asText(event.metadata.creationTimestamp)
  return last === '' ? '<unknown>' : humanDuration(Date.now() - Date.parse(last))
}

/** The object as PartialObjectMetadata: what a row carries, and what a client may ask for instead of a whole object. */
export function partial(object: KubernetesObject, version: string): JsonObject {
  return { kind: 'PartialObjectMetadata', apiVersion: `meta.k8s.io/${version}`, metadata: object.metadata }
}

/** The objects of one kind as a Table (meta/v1). `include` is the query's includeObject. */
export function tableOf(
  kind: string,
  objects: readonly KubernetesObject[],
  metadata: JsonObject,
  version: string,
  include: string,
): JsonObject {
  const list = columns[kind] ?? generic
  return {
    kind: 'Table',
    apiVersion: `meta.k8s.io/${version}`,
    metadata,
    columnDefinitions: list.map(({ name: title, type = 'string', format = '', priority = 0 }) => ({
      name: title,
      type,
      format,
      description: '',
      priority,
    })),
    rows: objects.map((object) => {
      const row: JsonObject = { cells: list.map((column) => column.cell(object)) }
      if (include === 'Object') row.object = object
      else row.object = include === 'None' ? null : partial(object, version)
      return row
    }),
  }
}

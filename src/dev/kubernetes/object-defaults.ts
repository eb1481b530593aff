import { asArray, asObject, asText, at, type Json, type JsonObject, type KubernetesObject, nameOf } from './object.ts'

/*
 * What the API server fills in, for the kinds where a client would notice its absence. Values are those
 * of the v1 defaulting functions.
 */

/** Sets fields that are absent. */
export function fill(target: JsonObject, defaults: JsonObject): void {
  for (const [key, value] of Object.entries(defaults)) target[key] ??= value
}

/** A field that is an object, made when it is absent. */
export function child(parent: JsonObject, key: string): JsonObject {
  const value = asObject(parent[key]) ?? {}
  parent[key] = value
  return value
}

function podSpec(spec: JsonObject): void {
  fill(spec, {
    restartPolicy: 'Always',
    terminationGracePeriodSeconds: 30,
    dnsPolicy: 'ClusterFirst',
    securityContext: {},
    schedulerName: 'default-scheduler',
  })
  for (const container of [...asArray(spec.containers), ...asArray(spec.initContainers)]) {
    const fields = asObject(container)
    if (fields === undefined) continue
    const image = asText(fields.image)
    const isLatest = !/:[^/]+$/.test(image) || image.endsWith(':latest')
    fill(fields, {
      imagePullPolicy: isLatest && !image.includes('@') ? 'Always' : 'IfNotPresent',
      resources: {},
      terminationMessagePath: '/dev/termination-log',
      terminationMessagePolicy: 'File',
    })
    for (const port of asArray(fields.ports)) fill(asObject(port) ?? {}, { protocol: 'TCP' })
  }
}

function pod(object: KubernetesObject): void {
  const spec = child(object, 'spec')
  podSpec(spec)
  fill(spec, { enableServiceLinks: true })
  // The older name of the same field.
  if (asText(spec.serviceAccountName) !== '') fill(spec, { serviceAccount: asText(spec.serviceAccountName) })
}

function workload(object: KubernetesObject, defaults: JsonObject): void {
  const spec = child(object, 'spec')
  fill(spec, defaults)
  const template = child(spec, 'template')
  podSpec(child(template, 'spec'))
}

function service(object: KubernetesObject): void {
  const spec = child(object, 'spec')
  fill(spec, { type: 'ClusterIP', sessionAffinity: 'None', internalTrafficPolicy: 'Cluster' })
  for (const port of asArray(spec.ports)) {
    const fields = asObject(port) ?? {}
    fill(fields, { protocol: 'TCP', targetPort: fields.port ?? 0 })
  }
}

function subjects(object: KubernetesObject): void {
  const group = 'rbac.authorization.k8s.io'
  for (const subject of asArray(object.subjects)) {
    const isAccount = at(subject, 'kind') === 'ServiceAccount'
    if (!isAccount) fill(asObject(subject) ?? {}, { apiGroup: group })
  }
  fill(child(object, 'roleRef'), { apiGroup: group })
}

function secret(object: KubernetesObject): void {
  fill(object, { type: 'Opaque' })
  const text = asObject(object.stringData)
  if (text === undefined) return
  const encoded = Object.entries(text).map(([key, value]): [string, Json] => [key, Buffer.from(asText(value)).toString('base64')])
  object.data = { ...(asObject(object.data) ?? {}), ...Object.fromEntries(encoded) }
  delete object.stringData // Write-only: never read back.
}

/** Fills in what a written object leaves out, in place: at every write, as the API server does on decoding. */
export function setDefaults(object: KubernetesObject): void {
  switch (object.kind) {
    case 'Namespace':
      child(object.metadata, 'labels')['kubernetes.io/metadata.name'] = nameOf(object)
      break
    case 'Pod':
      pod(object)
      break
    case 'Deployment':
      workload(object, { replicas: 1, revisionHistoryLimit: 10, progressDeadlineSeconds: 600 })
      fill(child(object, 'spec'), { strategy: { type: 'RollingUpdate' } })
      if (at(object, 'spec', 'strategy', 'type') === 'RollingUpdate') {
        fill(child(child(object, 'spec'), 'strategy'), { rollingUpdate: { maxSurge: '25%', maxUnavailable: '25%' } })
      }
      break
    case 'ReplicaSet':
      workload(object, { replicas: 1 })
      break
    case 'Job':
      workload(object, {
        backoffLimit: 6,
        completionMode: 'NonIndexed',
        completions: 1,
        parallelism: 1,
        suspend: false,
        manualSelector: false,
        podReplacementPolicy: 'TerminatingOrFailed',
      })
      break
    case 'Service':
      service(object)
      break
    case 'Secret':
      secret(object)
      break
    case 'RoleBinding':
    case 'ClusterRoleBinding':
      subjects(object)
      break
    default:
      break
  }
  // Go's omitempty: an empty map or list of these is the same as none.
  for (const field of ['labels', 'annotations', 'finalizers', 'ownerReferences']) dropEmpty(object.metadata, field)
  if (object.kind === 'ConfigMap' || object.kind === 'Secret') {
    dropEmpty(object, 'data')
    dropEmpty(object, 'binaryData')
  }
}

function dropEmpty(parent: JsonObject, key: string): void {
  const value = parent[key]
  if (value === null || (typeof value === 'object' && Object.keys(value).length === 0)) delete parent[key]
}

import { asArray, asObject, asText, at, type JsonObject, type KubernetesObject } from './object.ts'
import { child, fill } from './object-defaults.ts'

/*
 * What the server sets by itself after it has decoded an object: addresses, finalizers, labels that controllers
 * select by. Apart from the defaults because these belong to nobody in metadata.managedFields.
 */

function service(object: KubernetesObject): void {
  const spec = child(object, 'spec')
  fill(spec, { ipFamilies: ['IPv4'], ipFamilyPolicy: 'SingleStack' })
  if (spec.type === 'ExternalName') return
  // One address per service, derived from its uid: stable, and unique enough for a stand-in.
  const digits = Number.parseInt(asText(object.metadata.uid).slice(0, 4) || '1', 16)
  fill(spec, { clusterIP: `10.96.${digits >> 8}.${digits & 0xff || 1}` })
  fill(spec, { clusterIPs: [asText(spec.clusterIP)] })
}

function pod(object: KubernetesObject): void {
  const spec = child(object, 'spec')
  fill(spec, { serviceAccountName: 'default', preemptionPolicy: 'PreemptLowerPriority', priority: 0 })
  fill(spec, { serviceAccount: asText(spec.serviceAccountName) })
  const tolerations = asArray(spec.tolerations)
  const missing = ['node.kubernetes.io/not-ready', 'node.kubernetes.io/unreachable'].filter(
    (key) => !tolerations.some((toleration) => at(toleration, 'key') === key),
  )
  const added = missing.map((key) => ({ key, operator: 'Exists', effect: 'NoExecute', tolerationSeconds: 300 }))
  spec.tolerations = [...tolerations, ...added]
}

function job(object: KubernetesObject): void {
  const spec = child(object, 'spec')
  if (spec.manualSelector === true) return
  const uid = asText(object.metadata.uid)
  const prefix = 'batch.kubernetes.io'
  const name = asText(object.metadata.name)
  const labels = { [`${prefix}/controller-uid`]: uid, [`${prefix}/job-name`]: name, 'controller-uid': uid, 'job-name': name }
  const metadata = child(child(spec, 'template'), 'metadata')
  metadata.labels = { ...asObject(metadata.labels), ...labels }
  fill(spec, { selector: { matchLabels: { [`${prefix}/controller-uid`]: uid } } })
  object.metadata.labels = { ...labels, ...asObject(object.metadata.labels) }
}

/** Sets what only the server can, in place. What is there already stays. */
export function allocate(object: KubernetesObject): void {
  switch (object.kind) {
    case 'Namespace':
      fill(child(object, 'spec'), { finalizers: ['kubernetes'] })
      break
    case 'Pod':
      pod(object)
      break
    case 'Service':
      service(object)
      break
    case 'Job':
      job(object)
      break
    case 'Event':
      for (const field of ['eventTime', 'firstTimestamp', 'lastTimestamp']) object[field] ??= null
      fill(object, { reportingComponent: '', reportingInstance: '', source: {} })
      break
    default:
      break
  }
}

/** The status a new object begins with. */
export function initialStatus(kind: string): JsonObject {
  switch (kind) {
    case 'Namespace':
      return { phase: 'Active' }
    case 'Pod':
      return { phase: 'Pending', qosClass: 'BestEffort' }
    case 'Service':
      return { loadBalancer: {} }
    case 'ReplicaSet':
      return { replicas: 0 }
    default:
      return {}
  }
}

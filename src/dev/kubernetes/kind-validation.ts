import { jobCauses, jobChangeCauses, jobStatusCauses } from './job-validation.ts'
import { leaseCauses } from './lease-validation.ts'
import { asArray, asObject, asText, asTexts, at, type Json, type JsonObject, type KubernetesObject, nameOf, same } from './object.ts'
import type { ResourceType } from './resource-table.ts'
import { type Cause, invalid } from './status-error.ts'
import { fixed, required, unsupported, wrong } from './validation-causes.ts'

const dataKeyHelp =
  "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', " +
  "regex used for validation is '[-._a-zA-Z0-9]+')"

function podCauses(spec: Json | undefined, path: string): Cause[] {
  const containers = asArray(at(spec, 'containers'))
  if (containers.length === 0) return [required(`${path}.containers`)]
  return containers.flatMap((container, index) =>
    ['name', 'image'].filter((key) => asText(at(container, key)) === '').map((key) => required(`${path}.containers[${index}].${key}`)),
  )
}

/** A workload must select the pods it makes. */
function selectionCauses(object: KubernetesObject): Cause[] {
  const labels = at(object, 'spec', 'template', 'metadata', 'labels') ?? null
  const wanted = Object.entries(asObject(at(object, 'spec', 'selector', 'matchLabels')) ?? {})
  const selects = wanted.length > 0 && wanted.every(([key, value]) => at(labels, key) === value)
  const hasExpressions = asArray(at(object, 'spec', 'selector', 'matchExpressions')).length > 0
  return [
    ...(at(object, 'spec', 'selector') === undefined ? [required('spec.selector')] : []),
    ...(selects || hasExpressions ? [] : [wrong('spec.template.metadata.labels', labels, '`selector` does not match template `labels`')]),
  ]
}

/** The faults of what a kind adds to its metadata. */
export function kindCauses(object: KubernetesObject): Cause[] {
  const template = at(object, 'spec', 'template', 'spec')
  if (object.kind === 'Pod') return podCauses(object.spec, 'spec')
  if (object.kind === 'Job') return [...podCauses(template, 'spec.template.spec'), ...jobCauses(object)]
  if (object.kind === 'Lease') return leaseCauses(object)
  if (object.kind === 'Deployment' || object.kind === 'ReplicaSet') {
    const strategy = asObject(at(object, 'spec', 'strategy'))
    const rolls = strategy?.type === 'Recreate' && strategy.rollingUpdate !== undefined
    return [
      ...selectionCauses(object),
      ...podCauses(template, 'spec.template.spec'),
      ...(rolls ? [fixed('spec.strategy.rollingUpdate', "may not be specified when strategy `type` is 'Recreate'")] : []),
    ]
  }
  if (object.kind === 'ConfigMap' || object.kind === 'Secret') {
    return ['data', 'binaryData'].flatMap((field) =>
      Object.keys(asObject(object[field]) ?? {})
        .filter((key) => !/^[-._a-zA-Z0-9]+$/.test(key))
        .map((key) => wrong(`${field}[${key}]`, key, dataKeyHelp)),
    )
  }
  if (object.kind === 'Role' || object.kind === 'ClusterRole') {
    return asArray(object.rules).flatMap((rule, index) =>
      asArray(at(rule, 'verbs')).length > 0 ? [] : [required(`rules[${index}].verbs`, 'verbs must contain at least one value')],
    )
  }
  if (object.kind.endsWith('RoleBinding')) {
    const kind = asText(at(object, 'roleRef', 'kind'))
    const supported = object.kind === 'RoleBinding' ? ['Role', 'ClusterRole'] : ['ClusterRole']
    return [
      ...(supported.includes(kind) ? [] : [unsupported('roleRef.kind', kind, supported)]),
      ...(asText(at(object, 'roleRef', 'name')) === '' ? [required('roleRef.name')] : []),
    ]
  }
  return []
}

/** Throws 422 when a change touches what may not change after creation. */
export function validateChange(type: ResourceType, before: KubernetesObject, after: KubernetesObject): void {
  const causes: Cause[] = []
  const held = asTexts(before.metadata.finalizers)
  const added = asTexts(after.metadata.finalizers).filter((finalizer) => !held.includes(finalizer))
  if (before.metadata.deletionTimestamp !== undefined && added.length > 0) {
    const list = added.map((finalizer) => JSON.stringify(finalizer)).join(', ')
    const why = `no new finalizers can be added if the object is being deleted, found new finalizers []string{${list}}`
    causes.push(fixed('metadata.finalizers', why))
  }
  if ((type.resource === 'configmaps' || type.resource === 'secrets') && before.immutable === true) {
    if (after.immutable !== true) causes.push(fixed('immutable', 'field is immutable when `immutable` is set'))
    if (!same(before.data, after.data)) causes.push(fixed('data', 'field is immutable when `immutable` is set'))
  }
  if (type.resource === 'secrets' && !same(before.type, after.type)) causes.push(wrong('type', after.type ?? '', 'field is immutable'))
  if (type.resource === 'jobs') causes.push(...jobChangeCauses(before, after))
  if (type.resource.endsWith('rolebindings') && !same(before.roleRef, after.roleRef)) {
    const [APIGroup, Kind, Name] = ['apiGroup', 'kind', 'name'].map((key) => asText(at(after.roleRef, key)))
    causes.push(wrong('roleRef', { APIGroup: APIGroup ?? '', Kind: Kind ?? '', Name: Name ?? '' }, 'cannot change roleRef'))
  }
  if (type.resource === 'pods' && !same(fixedPodSpec(before), fixedPodSpec(after))) {
    const may =
      '`spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` ' +
      '(only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)'
    causes.push(fixed('spec', `pod updates may not change fields other than ${may}`))
  }
  if (
    (type.resource === 'deployments' || type.resource === 'replicasets') &&
    !same(at(before, 'spec', 'selector'), at(after, 'spec', 'selector'))
  ) {
    causes.push(wrong('spec.selector', at(after, 'spec', 'selector') ?? null, 'field is immutable'))
  }
  if (causes.length > 0) throw invalid(type.group, after.kind, nameOf(after), [...kindCauses(after), ...causes])
}

function fixedPodSpec(pod: KubernetesObject): JsonObject {
  const { tolerations, activeDeadlineSeconds, terminationGracePeriodSeconds, nodeName, ...spec } = asObject(pod.spec) ?? {}
  const images = (containers: Json | undefined): Json[] =>
    asArray(containers).map((container) => ({ ...(asObject(container) ?? {}), image: '' }))
  return { ...spec, containers: images(spec.containers), initContainers: images(spec.initContainers) }
}

/** Throws 422 when a status says what cannot be: a namespace ends only by being deleted, a job with all that belongs to it. */
export function validateStatus(type: ResourceType, after: KubernetesObject): void {
  const faults = type.resource === 'jobs' ? jobStatusCauses(after) : []
  if (faults.length > 0) throw invalid(type.group, after.kind, nameOf(after), faults)
  const phase = asText(at(after, 'status', 'phase'))
  if (type.resource !== 'namespaces' || after.metadata.deletionTimestamp !== undefined || phase === 'Active') return
  const cause = wrong('status.Phase', phase, "may only be 'Active' if `deletionTimestamp` is empty")
  throw invalid(type.group, after.kind, nameOf(after), [cause])
}

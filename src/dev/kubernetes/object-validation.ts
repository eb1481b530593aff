import { asArray, asObject, asText, asTexts, at, type Json, type JsonObject, type KubernetesObject, nameOf, same } from './object.ts'
import type { ResourceType } from './resource-table.ts'
import { type Cause, invalid, StatusError } from './status-error.ts'

const labelPattern = '[a-z0-9]([-a-z0-9]*[a-z0-9])?'
const label = new RegExp(`^${labelPattern}$`)
const subdomain = new RegExp(`^${labelPattern}(\\.${labelPattern})*$`)
const labelValue = /^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$/

const labelHelp =
  "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with " +
  "an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
const subdomainHelp =
  "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end " +
  "with an alphanumeric character (e.g. 'example.com', regex used for validation is " +
  "'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
const valueHelp =
  "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end " +
  "with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is " +
  "'(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"

function wrong(field: string, value: Json, why: string): Cause {
  return { reason: 'FieldValueInvalid', message: `Invalid value: ${JSON.stringify(value)}: ${why}`, field }
}

function required(field: string, why = ''): Cause {
  return { reason: 'FieldValueRequired', message: why === '' ? 'Required value' : `Required value: ${why}`, field }
}

function fixed(field: string, why: string): Cause {
  return { reason: 'FieldValueForbidden', message: `Forbidden: ${why}`, field }
}

function nameCauses(type: ResourceType, name: string): Cause[] {
  const field = 'metadata.name'
  if (name === '') return [required(field, 'name or generateName is required')]
  if (type.names === 'segment') {
    if (name === '.' || name === '..') return [wrong(field, name, `may not be '${name}'`)]
    const bad = ['/', '%'].find((character) => name.includes(character))
    return bad === undefined ? [] : [wrong(field, name, `may not contain '${bad}'`)]
  }
  if (type.names === 'label') {
    if (name.length > 63) return [wrong(field, name, 'must be no more than 63 bytes')]
    return label.test(name) ? [] : [wrong(field, name, labelHelp)]
  }
  if (name.length > 253) return [wrong(field, name, 'must be no more than 253 bytes')]
  return subdomain.test(name) ? [] : [wrong(field, name, subdomainHelp)]
}

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
    ...(selects || hasExpressions
      ? []
      : [wrong('spec.template.metadata.labels', labels, '`selector` does not match template `labels`')]),
  ]
}

function kindCauses(object: KubernetesObject): Cause[] {
  const template = at(object, 'spec', 'template', 'spec')
  if (object.kind === 'Pod') return podCauses(object.spec, 'spec')
  if (object.kind === 'Job') return podCauses(template, 'spec.template.spec')
  if (object.kind === 'Deployment' || object.kind === 'ReplicaSet') {
    return [...selectionCauses(object), ...podCauses(template, 'spec.template.spec')]
  }
  if (object.kind.endsWith('RoleBinding') && asText(at(object, 'roleRef', 'name')) === '') {
    return [required('roleRef.name')]
  }
  return []
}

/** Throws 400 for fields whose JSON type is wrong: the server cannot decode those at all. */
export function assertDecodable(object: KubernetesObject): void {
  const maps: [string, Json | undefined][] = [
    ['ObjectMeta.metadata.labels', object.metadata.labels],
    ['ObjectMeta.metadata.annotations', object.metadata.annotations],
  ]
  if (object.kind === 'ConfigMap') maps.push(['ConfigMap.data', object.data])
  if (object.kind === 'Secret') maps.push(['Secret.data', object.data])
  for (const [field, value] of maps) {
    for (const entry of Object.values(asObject(value) ?? {})) {
      if (typeof entry === 'string') continue
      const found = Array.isArray(entry) ? 'array' : typeof entry === 'boolean' ? 'bool' : typeof entry
      const message = `${object.kind} in version "v1" cannot be handled as a ${object.kind}: json: cannot unmarshal ${found} into Go struct field ${field} of type string`
      throw new StatusError(400, 'BadRequest', message)
    }
  }
}

/** Throws 422 with every fault when an object may not be stored. */
export function validate(type: ResourceType, object: KubernetesObject): void {
  const labels = Object.entries(asObject(object.metadata.labels) ?? {})
  const causes = [
    ...nameCauses(type, nameOf(object)),
    ...labels
      .filter(([, value]) => !labelValue.test(asText(value)) || asText(value).length > 63)
      .map(([, value]) => wrong('metadata.labels', value, valueHelp)),
    ...kindCauses(object),
  ]
  if (causes.length > 0) throw invalid(type.group, object.kind, nameOf(object), causes)
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
  if (causes.length > 0) throw invalid(type.group, after.kind, nameOf(after), causes)
}

function fixedPodSpec(pod: KubernetesObject): JsonObject {
  const { tolerations, activeDeadlineSeconds, terminationGracePeriodSeconds, nodeName, ...spec } = asObject(pod.spec) ?? {}
  const images = (containers: Json | undefined): Json[] =>
    asArray(containers).map((container) => ({ ...(asObject(container) ?? {}), image: '' }))
  return { ...spec, containers: images(spec.containers), initContainers: images(spec.initContainers) }
}

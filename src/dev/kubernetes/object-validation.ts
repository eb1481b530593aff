import { kindCauses } from './kind-validation.ts'
import { leaseUndecodable } from './lease-validation.ts'
import { asObject, asText, asTexts, type Json, type KubernetesObject, nameOf } from './object.ts'
import { ownerCauses } from './owner-references.ts'
import type { ResourceType } from './resource-table.ts'
import { type Cause, invalid, StatusError } from './status-error.ts'
import { required, wrong } from './validation-causes.ts'

const labelPattern = '[a-z0-9]([-a-z0-9]*[a-z0-9])?'
const label = new RegExp(`^${labelPattern}$`)
const subdomain = new RegExp(`^${labelPattern}(\\.${labelPattern})*$`)
const labelValue = /^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$/

const labelKey = new RegExp(`^(${labelPattern}(\\.${labelPattern})*/)?([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]$`)

const labelHelp =
  "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with " +
  "an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
const subdomainHelp =
  "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end " +
  "with an alphanumeric character (e.g. 'example.com', regex used for validation is " +
  "'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
const keyHelp =
  "a valid label key must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric " +
  "character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is " +
  "'([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]') with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"
const valueHelp =
  "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end " +
  "with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is " +
  "'(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"

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
    if (name.includes('.')) return [wrong(field, name, 'must not contain dots')]
    return label.test(name) ? [] : [wrong(field, name, labelHelp)]
  }
  if (name.length > 253) return [wrong(field, name, 'must be no more than 253 bytes')]
  return subdomain.test(name) ? [] : [wrong(field, name, subdomainHelp)]
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
  const lease = object.kind === 'Lease' ? leaseUndecodable(object) : undefined
  if (lease !== undefined) throw lease
  const encoded = object.kind === 'Secret' ? Object.values(asObject(object.data) ?? {}) : []
  const bad = encoded.find((value) => !/^[A-Za-z0-9+/\s]*={0,2}\s*$/.test(asText(value)))
  if (bad !== undefined) {
    const offset = asText(bad).search(/[^A-Za-z0-9+/\s]/)
    const why = `illegal base64 data at input byte ${Math.max(0, offset)}`
    throw new StatusError(400, 'BadRequest', `Secret in version "v1" cannot be handled as a Secret: ${why}`)
  }
}

const standardFinalizers = new Set(['kubernetes', 'orphan', 'foregroundDeletion'])

/** Throws 422 with every fault when an object may not be stored. */
export function validate(type: ResourceType, object: KubernetesObject): void {
  const labels = Object.entries(asObject(object.metadata.labels) ?? {})
  const causes = [
    ...nameCauses(type, nameOf(object)),
    ...labels
      .filter(([, value]) => !labelValue.test(asText(value)) || asText(value).length > 63)
      .map(([, value]) => wrong('metadata.labels', value, valueHelp)),
    ...labels.filter(([key]) => !labelKey.test(key)).map(([key]) => wrong('metadata.labels', key, keyHelp)),
    ...asTexts(object.metadata.finalizers).flatMap((finalizer, index) =>
      finalizer.includes('/') || standardFinalizers.has(finalizer)
        ? []
        : [wrong(`metadata.finalizers[${index}]`, finalizer, 'name is neither a standard finalizer name nor is it fully qualified')],
    ),
    ...ownerCauses(object),
    ...kindCauses(object),
  ]
  if (causes.length > 0) throw invalid(type.group, object.kind, nameOf(object), causes)
}

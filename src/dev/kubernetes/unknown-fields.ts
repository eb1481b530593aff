import type { JsonObject, KubernetesObject } from './object.ts'
import { badRequest } from './status-error.ts'

/*
 * `fieldValidation`, for the fields of an object itself and of its metadata. Those below spec and status are kept as
 * sent: this server has no schema of them.
 */

const metadataFields = new Set(
  (
    'name generateName namespace selfLink uid resourceVersion generation creationTimestamp deletionTimestamp ' +
    'deletionGracePeriodSeconds labels annotations ownerReferences finalizers managedFields'
  ).split(' '),
)

const fieldsOfKinds: Readonly<Record<string, string>> = {
  ConfigMap: 'data binaryData immutable',
  Secret: 'data stringData type immutable',
  ServiceAccount: 'secrets imagePullSecrets automountServiceAccountToken',
  Role: 'rules',
  ClusterRole: 'rules aggregationRule',
  RoleBinding: 'subjects roleRef',
  ClusterRoleBinding: 'subjects roleRef',
  Event:
    'involvedObject reason message source firstTimestamp lastTimestamp count type eventTime series action related ' +
    'reportingComponent reportingInstance',
}

function strangers(fields: JsonObject, known: ReadonlySet<string>): string[] {
  return Object.keys(fields).filter((field) => !known.has(field))
}

/**
 * Takes unknown fields away and returns the warnings that go with the answer: none for `Ignore`.
 * Throws 400 for `Strict`, which is what kubectl asks for.
 */
export function withoutUnknownFields(object: KubernetesObject, validation: string): string[] {
  const known = new Set(['apiVersion', 'kind', 'metadata', ...(fieldsOfKinds[object.kind] ?? 'spec status').split(' ')])
  const own = strangers(object, known)
  const below = strangers(object.metadata, metadataFields)
  const faults = [...own, ...below.map((field) => `metadata.${field}`)].map((field) => `unknown field ${JSON.stringify(field)}`)
  if (faults.length > 0 && validation === 'Strict') {
    const version = object.apiVersion.split('/').at(-1)
    throw badRequest(
      `${object.kind} in version "${version}" cannot be handled as a ${object.kind}: strict decoding error: ${faults.join(', ')}`,
    )
  }
  for (const field of own) delete object[field]
  for (const field of below) delete object.metadata[field]
  return validation === 'Ignore' ? [] : faults
}

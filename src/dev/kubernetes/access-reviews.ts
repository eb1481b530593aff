import { asObject, asText, asTexts, at, type Json, type JsonObject, type KubernetesObject } from './object.ts'
import type { RbacAuthorizer } from './rbac-authorizer.ts'
import type { Attributes } from './rbac-rules.ts'
import { badRequest, type Cause, invalid } from './status-error.ts'
import { type UserInfo, userInfoJson } from './user-info.ts'

/*
 * The create-only kinds that answer a question instead of storing something (authorization.k8s.io,
 * authentication.k8s.io). They are asked as the user the request runs as, after impersonation.
 */

function reject(field: string, message: string): never {
  const cause: Cause = { reason: 'FieldValueInvalid', message, field }
  throw invalid('authorization.k8s.io', '', '', [cause]) // Without its kind: so does the API server.
}

function attributesOf(spec: Json | undefined): Attributes {
  const resource = asObject(at(spec, 'resourceAttributes'))
  const other = asObject(at(spec, 'nonResourceAttributes'))
  if ((resource === undefined) === (other === undefined)) {
    const which = 'exactly one of nonResourceAttributes or resourceAttributes must be specified'
    if (resource === undefined) reject('spec.resourceAttributes', `Invalid value: null: ${which}`)
    reject(
      'spec.nonResourceAttributes',
      `Invalid value: {"Path":${JSON.stringify(asText(other?.path))},"Verb":${JSON.stringify(asText(other?.verb))}}: cannot be specified in combination with resourceAttributes`,
    )
  }
  return {
    isResourceRequest: resource !== undefined,
    verb: asText(resource?.verb ?? other?.verb),
    path: asText(other?.path),
    apiGroup: asText(resource?.group),
    resource: asText(resource?.resource),
    subresource: asText(resource?.subresource),
    namespace: asText(resource?.namespace),
    name: asText(resource?.name),
  }
}

function subjectOf(spec: Json | undefined): UserInfo {
  const extra = Object.entries(asObject(at(spec, 'extra')) ?? {}).map(([key, values]) => [key, asTexts(values)] as const)
  const username = asText(at(spec, 'user'))
  const groups = asTexts(at(spec, 'groups'))
  if (username === '' && groups.length === 0) {
    reject('spec.user', 'Invalid value: "": at least one of user or group must be specified')
  }
  return { username, uid: asText(at(spec, 'uid')), groups, extra: Object.fromEntries(extra) }
}

function decided(authorizer: RbacAuthorizer, user: UserInfo, wanted: Attributes): JsonObject {
  const { allowed, reason } = authorizer.authorize(user, wanted)
  return reason === '' ? { allowed } : { allowed, reason }
}

function rulesStatus(authorizer: RbacAuthorizer, user: UserInfo, spec: Json | undefined): JsonObject {
  const namespace = asText(at(spec, 'namespace'))
  if (namespace === '') {
    throw badRequest('no namespace on request')
  }
  const resourceRules: JsonObject[] = []
  const nonResourceRules: JsonObject[] = []
  for (const rule of authorizer.rulesOf(user, namespace)) {
    if (rule.nonResourceURLs.length > 0) {
      nonResourceRules.push({ verbs: rule.verbs, nonResourceURLs: rule.nonResourceURLs })
      continue
    }
    const shown: JsonObject = { verbs: rule.verbs, apiGroups: rule.apiGroups, resources: rule.resources }
    if (rule.resourceNames.length > 0) shown.resourceNames = rule.resourceNames
    resourceRules.push(shown)
  }
  return { resourceRules, nonResourceRules, incomplete: false }
}

/** The answer to a review: the object as sent, with its status. Throws 422 when the question is not one. */
export function review(authorizer: RbacAuthorizer, user: UserInfo, sent: KubernetesObject): KubernetesObject {
  const { apiVersion, kind, spec } = sent
  const metadata: JsonObject = { ...sent.metadata }
  delete metadata.managedFields
  switch (kind) {
    case 'SelfSubjectReview':
      metadata.creationTimestamp = new Date().toISOString().replace(/\.\d+/, '')
      return { apiVersion, kind, metadata, status: { userInfo: userInfoJson(user) } }
    case 'SelfSubjectRulesReview':
      return { apiVersion, kind, metadata, spec: {}, status: rulesStatus(authorizer, user, spec) }
    case 'SelfSubjectAccessReview':
      return { apiVersion, kind, metadata, spec: spec ?? {}, status: decided(authorizer, user, attributesOf(spec)) }
    default: {
      const status = decided(authorizer, subjectOf(spec), attributesOf(spec))
      return { apiVersion, kind, metadata, spec: spec ?? {}, status }
    }
  }
}

/** Whether a kind is one of these. */
export function isReview(kind: string): boolean {
  return kind.endsWith('Review')
}

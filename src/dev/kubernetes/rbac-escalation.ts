/**
 * Nobody grants what they do not hold. Writing a role needs every right in it, or the verb `escalate` on it; writing
 * a binding needs every right of the role it names, or the verb `bind` on that role (Kubernetes, "Privilege
 * escalation prevention"). Without this, the right to edit roles in one namespace would be all rights in it.
 */
import { asText, at, type KubernetesObject, nameOf, namespaceOf } from './object.ts'
import type { RbacAuthorizer } from './rbac-authorizer.ts'
import { type Attributes, type PolicyRule, policyRules, rulesCover } from './rbac-rules.ts'
import type { ResourceType } from './resource-table.ts'
import { forbidden, notFound, quoted } from './status-error.ts'
import { mastersGroup, type UserInfo } from './user-info.ts'

const group = 'rbac.authorization.k8s.io'

function describe(rule: PolicyRule): string {
  const fields: [string, string[]][] = [
    ['APIGroups', rule.apiGroups],
    ['Resources', rule.resources],
    ['ResourceNames', rule.resourceNames],
    ['NonResourceURLs', rule.nonResourceURLs],
    ['Verbs', rule.verbs],
  ]
  const present = fields.filter(([, values]) => values.length > 0)
  return `{${present.map(([label, values]) => `${label}:[${values.map(quoted).join(' ')}]`).join(', ')}}`
}

/** Throws 403 when writing this role or binding would give rights its author does not have. */
export function refuseEscalation(authorizer: RbacAuthorizer, user: UserInfo, type: ResourceType, object: KubernetesObject): void {
  if (type.group !== group || user.groups.includes(mastersGroup)) return
  const namespace = namespaceOf(object)
  const isRole = type.resource.endsWith('roles')
  const refKind = asText(at(object.roleRef, 'kind'))
  const wanted: Attributes = {
    isResourceRequest: true,
    verb: isRole ? 'escalate' : 'bind',
    path: '',
    apiGroup: group,
    resource: isRole ? type.resource : refKind === 'ClusterRole' ? 'clusterroles' : 'roles',
    subresource: '',
    namespace,
    name: isRole ? nameOf(object) : asText(at(object.roleRef, 'name')),
  }
  if (authorizer.authorize(user, wanted).allowed) return
  const granted = isRole ? policyRules(object) : authorizer.rulesOfRef(object.roleRef, namespace)
  if (granted === undefined) throw notFound({ group, resource: wanted.resource }, wanted.name)
  const held = authorizer.rulesOf(user, namespace)
  const missing = granted.filter((rule) => !rulesCover(held, rule))
  if (missing.length === 0) return
  const groups = user.groups.map(quoted).join(' ')
  const list = missing.map(describe).join('\n')
  const why = `user ${quoted(user.username)} (groups=[${groups}]) is attempting to grant RBAC permissions not currently held:\n${list}`
  throw forbidden({ group, resource: type.resource }, nameOf(object), why)
}

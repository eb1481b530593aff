/**
 * Role based access control over the role and binding objects in the store, as apiserver's RBAC authorizer does it.
 *
 * Rights only ever add up: there is no deny, and what no rule grants is refused. `system:masters` is allowed
 * before any role is looked at, as the API server's privileged-group authorizer does. A binding whose role is
 * missing grants nothing.
 */

import { asArray, asObject, asText, at, type Json, type KubernetesObject, nameOf, namespaceOf } from './object.ts'
import type { ObjectStore } from './object-store.ts'
import { type Attributes, type PolicyRule, policyRules, ruleAllows } from './rbac-rules.ts'
import { findResource, type ResourceType } from './resource-table.ts'
import { forbidden, type GroupResource, quoted, type StatusError } from './status-error.ts'
import { mastersGroup, serviceAccountOf, type UserInfo } from './user-info.ts'

/** The outcome and, when allowed, why: the text real reviews and audit annotations show. */
export type Decision = { allowed: boolean; reason: string }

const group = 'rbac.authorization.k8s.io'

function rbacType(resource: string): ResourceType {
  const type = findResource(group, 'v1', resource)
  if (type === undefined) throw new Error(`the resource table lacks ${resource}`)
  return type
}

const clusterRoles = rbacType('clusterroles')
const clusterRoleBindings = rbacType('clusterrolebindings')
const roles = rbacType('roles')
const roleBindings = rbacType('rolebindings')

/** The subject that makes a binding apply to a user, described as in `to User "x"`; undefined when none does. */
function appliesTo(binding: KubernetesObject, user: UserInfo): string | undefined {
  for (const entry of asArray(binding.subjects)) {
    const kind = asText(at(entry, 'kind'))
    const name = asText(at(entry, 'name'))
    const namespace = asText(at(entry, 'namespace')) || namespaceOf(binding)
    const account = serviceAccountOf(user.username)
    if (kind === 'User' && name === user.username) return `User ${quoted(name)}`
    if (kind === 'Group' && user.groups.includes(name)) return `Group ${quoted(name)}`
    if (kind === 'ServiceAccount' && account?.name === name && account.namespace === namespace) {
      return `ServiceAccount ${quoted(`${name}/${namespace}`)}`
    }
  }
  return undefined
}

/** Decides requests by the roles and bindings in one store. */
export class RbacAuthorizer {
  readonly #store: ObjectStore

  constructor(store: ObjectStore) {
    this.#store = store
  }

  /** Whether the user may do this. */
  authorize(user: UserInfo, wanted: Attributes): Decision {
    if (user.groups.includes(mastersGroup)) return { allowed: true, reason: '' }
    for (const { rules, reason } of this.#grants(user, wanted.isResourceRequest ? wanted.namespace : '')) {
      if (rules.some((rule) => ruleAllows(rule, wanted))) return { allowed: true, reason }
    }
    return { allowed: false, reason: '' }
  }

  /** All rules that hold for the user: cluster-wide, and in the namespace when one is given. */
  rulesOf(user: UserInfo, namespace: string): PolicyRule[] {
    return this.#grants(user, namespace).flatMap((grant) => grant.rules)
  }

  /** The rules of a role that a roleRef names, as seen from a namespace; undefined when there is no such role. */
  rulesOfRef(roleRef: Json | undefined, namespace: string): PolicyRule[] | undefined {
    const name = asText(at(roleRef, 'name'))
    const role =
      asText(at(roleRef, 'kind')) === 'ClusterRole' ? this.#store.get(clusterRoles, '', name) : this.#store.get(roles, namespace, name)
    return role === undefined ? undefined : policyRules(role)
  }

  #grants(user: UserInfo, namespace: string): { rules: PolicyRule[]; reason: string }[] {
    const bindings = this.#store.list(clusterRoleBindings).map((binding) => ({ binding, label: nameOf(binding) }))
    if (namespace !== '') {
      for (const binding of this.#store.list(roleBindings, namespace)) {
        bindings.push({ binding, label: `${nameOf(binding)}/${namespaceOf(binding)}` })
      }
    }
    return bindings.flatMap(({ binding, label }) => {
      const subject = appliesTo(binding, user)
      const rules = subject === undefined ? undefined : this.rulesOfRef(binding.roleRef, namespaceOf(binding))
      if (subject === undefined || rules === undefined) return []
      const ref = asObject(binding.roleRef) ?? {}
      const role = `${asText(ref.kind)} ${quoted(asText(ref.name))}`
      return [{ rules, reason: `RBAC: allowed by ${binding.kind} ${quoted(label)} of ${role} to ${subject}` }]
    })
  }
}

/** The 403 that names user, verb, resource and place, word for word as the API server does. */
export function refusal(user: UserInfo, wanted: Attributes, why = ''): StatusError {
  const target: GroupResource = { group: wanted.apiGroup, resource: wanted.resource }
  const who = `User ${quoted(user.username)} cannot ${wanted.verb}`
  const resource = wanted.subresource === '' ? wanted.resource : `${wanted.resource}/${wanted.subresource}`
  const place = wanted.namespace === '' ? 'at the cluster scope' : `in the namespace ${quoted(wanted.namespace)}`
  const message = wanted.isResourceRequest
    ? `${who} resource ${quoted(resource)} in API group ${quoted(wanted.apiGroup)} ${place}`
    : `${who} path ${quoted(wanted.path)}`
  // Escaped because a browser might render it: user names come from outside.
  const escaped = message.replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/>/g, '&gt;')
  return forbidden(target, wanted.name, why === '' ? escaped : `${escaped}: ${why}`)
}

/**
 * What Mandate does for nobody unless the configuration names it: rights by which one becomes somebody else, or reads what
 * was given to somebody else.
 */

/** The entries of the deny-list, by the names by which `deniedOpen` lifts them. */
export const DENIED = ['nodes/proxy', 'secrets', 'impersonate', 'escalate', 'bind', 'rbac', 'system-namespaces'] as const

export type Denied = (typeof DENIED)[number]

/** What each entry lets happen when it is lifted, for the one who reads `mandate check`. */
export const LIFTED: Readonly<Record<Denied, string>> = {
  'nodes/proxy': 'lets a review stand on nodes/proxy, and the account hold it: it opens every pod of a node, past its audit',
  secrets: 'lets Secrets be read through it, and the account read them',
  impersonate: 'lets it start with an account that may act as somebody else',
  escalate: 'lets it start with an account that may write roles with more rights than its own',
  bind: 'lets it start with an account that may give roles away that it does not have',
  rbac: 'lets it write roles and bindings: by a service account the cluster holds nobody to their own rights',
  'system-namespaces': "lets it work where the cluster's own parts live",
}

/** True for namespaces in which the parts of a cluster itself live, those of OpenShift included. */
export function isSystemNamespace(namespace: string): boolean {
  return namespace.startsWith('kube-') || namespace === 'openshift' || namespace.startsWith('openshift-')
}

interface Resource {
  readonly group: string
  readonly resource: string
}

const NAMESPACE_KINDS: ReadonlySet<string> = new Set([
  'namespaces.',
  'projects.project.openshift.io',
  'projectrequests.project.openshift.io',
])

/** True for kinds whose objects are namespaces, by whatever name: those of OpenShift, and what it is asked for one by. */
export function isNamespaceKind({ group, resource }: Resource): boolean {
  return NAMESPACE_KINDS.has(`${resource}.${group}`)
}

const RBAC: ReadonlySet<string> = new Set(['roles', 'rolebindings', 'clusterroles', 'clusterrolebindings'])

/** True for roles and bindings, by the older names of OpenShift too, which are the same objects. */
export function isRbac({ group, resource }: Resource): boolean {
  return group === 'rbac.authorization.k8s.io' || (group === 'authorization.openshift.io' && RBAC.has(resource))
}

/** True for Secrets: whoever reads one has what was given to somebody else. */
export function isSecret({ group, resource }: Resource): boolean {
  return group === '' && resource === 'secrets'
}

import type { JsonObject, KubernetesObject } from './object.ts'

/*
 * The roles and bindings a kube-apiserver creates for itself (plugin/pkg/auth/authorizer/rbac/bootstrappolicy), cut
 * down to the resources this server has. `admin`, `edit` and `view` are static here and aggregated there.
 */

const group = 'rbac.authorization.k8s.io'
const read = ['get', 'list', 'watch']
const write = ['create', 'delete', 'deletecollection', 'patch', 'update']
const everything = { apiGroups: ['*'], resources: ['*'], verbs: ['*'] }
const info = ['/healthz', '/livez', '/readyz', '/version', '/version/']
const discovery = ['/api', '/api/*', '/apis', '/apis/*', '/openapi', '/openapi/*']

function rule(apiGroups: string[], resources: string[], verbs: string[]): JsonObject {
  return { apiGroups, resources, verbs }
}

const viewRules = [
  rule([''], ['configmaps', 'serviceaccounts', 'services', 'services/status', 'pods', 'pods/log', 'pods/status'], read),
  rule([''], ['events', 'namespaces', 'namespaces/status'], read),
  rule(['apps'], ['deployments', 'deployments/status', 'replicasets', 'replicasets/status'], read),
  rule(['batch'], ['jobs', 'jobs/status'], read),
]

const editRules = [
  ...viewRules,
  rule([''], ['pods/attach', 'pods/exec', 'pods/portforward', 'pods/proxy', 'services/proxy'], read),
  rule([''], ['secrets'], read),
  rule([''], ['serviceaccounts'], ['impersonate']),
  rule([''], ['serviceaccounts/token'], ['create']),
  rule([''], ['pods', 'pods/attach', 'pods/exec', 'pods/portforward', 'pods/proxy'], write),
  rule([''], ['configmaps', 'secrets', 'serviceaccounts', 'services', 'services/proxy'], write),
  rule([''], ['events'], write),
  rule(['apps'], ['deployments', 'replicasets'], write),
  rule(['batch'], ['jobs'], write),
  rule(['coordination.k8s.io'], ['leases'], [...read, ...write]),
]

const adminRules = [
  ...editRules,
  rule(['authorization.k8s.io'], ['localsubjectaccessreviews'], ['create']),
  rule([group], ['rolebindings', 'roles'], [...read, ...write]),
]

const selfReviews = [
  rule(['authorization.k8s.io'], ['selfsubjectaccessreviews', 'selfsubjectrulesreviews'], ['create']),
  rule(['authentication.k8s.io'], ['selfsubjectreviews'], ['create']),
]

function clusterRole(name: string, rules: JsonObject[]): KubernetesObject {
  return {
    apiVersion: `${group}/v1`,
    kind: 'ClusterRole',
    metadata: {
      name,
      annotations: { 'rbac.authorization.kubernetes.io/autoupdate': 'true' },
      labels: { 'kubernetes.io/bootstrapping': 'rbac-defaults' },
    },
    rules,
  }
}

/** A ClusterRoleBinding of a cluster role to groups. */
export function clusterRoleBinding(name: string, role: string, groups: readonly string[]): KubernetesObject {
  return {
    apiVersion: `${group}/v1`,
    kind: 'ClusterRoleBinding',
    metadata: { name },
    roleRef: { apiGroup: group, kind: 'ClusterRole', name: role },
    subjects: groups.map((subject) => ({ apiGroup: group, kind: 'Group', name: subject })),
  }
}

/** What every cluster has before anybody writes to it. */
export function defaultObjects(): KubernetesObject[] {
  const authenticated = 'system:authenticated'
  return [
    ...['default', 'kube-node-lease', 'kube-public', 'kube-system'].map((name) => ({
      apiVersion: 'v1',
      kind: 'Namespace',
      metadata: { name },
    })),
    clusterRole('cluster-admin', [everything, { nonResourceURLs: ['*'], verbs: ['*'] }]),
    clusterRole('admin', adminRules),
    clusterRole('edit', editRules),
    clusterRole('view', viewRules),
    clusterRole('system:basic-user', selfReviews),
    clusterRole('system:discovery', [{ nonResourceURLs: [...discovery, ...info], verbs: ['get'] }]),
    clusterRole('system:public-info-viewer', [{ nonResourceURLs: info, verbs: ['get'] }]),
    clusterRoleBinding('cluster-admin', 'cluster-admin', ['system:masters']),
    clusterRoleBinding('system:basic-user', 'system:basic-user', [authenticated]),
    clusterRoleBinding('system:discovery', 'system:discovery', [authenticated]),
    clusterRoleBinding('system:public-info-viewer', 'system:public-info-viewer', [authenticated, 'system:unauthenticated']),
  ]
}

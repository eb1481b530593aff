/** What the benches put into a real cluster before they measure. */

/** A pod, a gateway that may impersonate, and a group that may read pods. */
export const OBJECTS = [
  { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'mandate' } },
  { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'gateway', namespace: 'mandate' } },
  { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'web', namespace: 'default' }, spec: { containers: [{ name: 'web', image: 'web' }] } },
  {
    apiVersion: 'rbac.authorization.k8s.io/v1',
    kind: 'ClusterRole',
    metadata: { name: 'impersonate' },
    rules: [
      { apiGroups: [''], resources: ['users', 'groups'], verbs: ['impersonate'] },
      {
        apiGroups: ['authentication.k8s.io'],
        resources: ['uids', 'userextras/mandate.dev/provider', 'userextras/mandate.dev/subject'],
        verbs: ['impersonate'],
      },
    ],
  },
  binding('impersonate', { kind: 'ServiceAccount', name: 'gateway', namespace: 'mandate' }),
  // Not `view`: without a controller manager aggregated roles are empty.
  {
    apiVersion: 'rbac.authorization.k8s.io/v1',
    kind: 'ClusterRole',
    metadata: { name: 'read-pods' },
    rules: [{ apiGroups: [''], resources: ['pods'], verbs: ['get'] }],
  },
  binding('read-pods', { apiGroup: 'rbac.authorization.k8s.io', kind: 'Group', name: 'corp:team-a' }),
]

/** A ClusterRoleBinding of that role, and of its name. */
export function binding(role: string, subject: object) {
  return {
    apiVersion: 'rbac.authorization.k8s.io/v1',
    kind: 'ClusterRoleBinding',
    metadata: { name: role },
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: role },
    subjects: [subject],
  }
}

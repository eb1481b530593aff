import { clusterRoleBinding } from './default-roles.ts'
import type { JsonObject, KubernetesObject } from './object.ts'
import { chatterAnnotation } from './tiny-kubelet.ts'

/*
 * A cluster worth trying things on: two teams with a namespace each, and auditors who may look but not touch. User
 * and group names carry the identity provider's prefix, as the gateway sends them.
 */

const rbac = 'rbac.authorization.k8s.io'

function pod(namespace: string, name: string, image: string, annotations: JsonObject = {}): KubernetesObject {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace, labels: { app: name }, annotations },
    spec: { containers: [{ name, image }] },
  }
}

function team(prefix: string, name: string, others: string): KubernetesObject[] {
  return [
    { apiVersion: 'v1', kind: 'Namespace', metadata: { name, labels: { team: name } } },
    { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'default', namespace: name } },
    {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name: 'settings', namespace: name },
      data: { owner: name, greeting: `hello from ${name}` },
    },
    pod(name, 'web', 'registry.example/web:1.4', { [chatterAnnotation]: '1000' }),
    pod(name, 'worker', 'registry.example/worker:2.0'),
    {
      apiVersion: `${rbac}/v1`,
      kind: 'RoleBinding',
      metadata: { name: 'team-edits', namespace: name, annotations: { note: `${others} has no rights here` } },
      roleRef: { apiGroup: rbac, kind: 'ClusterRole', name: 'edit' },
      subjects: [{ apiGroup: rbac, kind: 'Group', name: `${prefix}${name}` }],
    },
  ]
}

/**
 * The objects of `mandate dev`. With the prefix `dev:`, the group `dev:team-a` (alice) edits namespace team-a,
 * `dev:team-b` (bob) edits team-b, and `dev:auditors` views everything.
 */
export function devSeed(prefix: string): KubernetesObject[] {
  return [
    ...team(prefix, 'team-a', 'team-b'),
    ...team(prefix, 'team-b', 'team-a'),
    clusterRoleBinding('auditors-view', 'view', [`${prefix}auditors`]),
  ]
}

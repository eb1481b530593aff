import assert from 'node:assert/strict'
import { test } from 'node:test'
import { DENIED, isNamespaceKind, isRbac, isSecret, isSystemNamespace, LIFTED } from './deny-list.ts'

test("knows the namespaces of a cluster's own parts", () => {
  for (const namespace of ['kube-system', 'kube-public', 'kube-node-lease', 'kube-anything', 'openshift', 'openshift-etcd'])
    assert.ok(isSystemNamespace(namespace), namespace)
  for (const namespace of ['default', 'kube', 'kubeflow', 'my-kube-system', 'openshifters', 'mandate', ''])
    assert.ok(!isSystemNamespace(namespace))
})

test('knows Secrets by group and resource', () => {
  assert.ok(isSecret({ group: '', resource: 'secrets' }))
  for (const [group, resource] of [
    ['example.com', 'secrets'],
    ['', 'secret'],
  ] as const)
    assert.ok(!isSecret({ group, resource }))
})

test('knows namespaces as objects, and roles and bindings, by the names of OpenShift too', () => {
  assert.ok(isNamespaceKind({ group: '', resource: 'namespaces' }))
  for (const resource of ['projects', 'projectrequests']) assert.ok(isNamespaceKind({ group: 'project.openshift.io', resource }))
  for (const [group, resource] of [
    ['example.com', 'namespaces'],
    ['example.com', 'projects'],
    ['', 'projects'],
    ['', 'pods'],
  ] as const)
    assert.ok(!isNamespaceKind({ group, resource }))
  for (const group of ['rbac.authorization.k8s.io', 'authorization.openshift.io']) {
    for (const resource of ['roles', 'rolebindings', 'clusterroles', 'clusterrolebindings']) assert.ok(isRbac({ group, resource }))
  }
  assert.ok(!isRbac({ group: 'authorization.openshift.io', resource: 'subjectaccessreviews' }))
  assert.ok(!isRbac({ group: 'example.com', resource: 'roles' }))
})

test('says of each entry what lifting it does', () => {
  for (const entry of DENIED) assert.match(LIFTED[entry], /^lets [^|]*[^.]$/)
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { DENIED, isSecret, isSystemNamespace, LIFTED } from './deny-list.ts'

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

test('says of each entry what lifting it does', () => {
  for (const entry of DENIED) assert.match(LIFTED[entry], /^lets [^|]*[^.]$/)
})

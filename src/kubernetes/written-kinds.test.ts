/** Which kinds the service account writes for users: no other than those it was given, and few of those that give rights away. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { GIVES_AWAY } from '../gives-away.ts'
import { writtenKinds } from './written-kinds.ts'

const kind = (group: string, resource: string, subresource = '') => ({ group, resource, subresource })

test('refuses a list that is missing, or has what is no kind', () => {
  for (const list of [undefined, null, 'jobs.batch', { 0: 'jobs.batch', length: 1 }, new Set(['jobs.batch'])]) {
    assert.throws(() => writtenKinds(list as unknown as string[]), { name: 'TypeError', message: /^mayWrite is missing/ })
  }
  for (const entry of [
    '',
    '*',
    '*.batch',
    'jobs.*',
    'pods/*',
    'Jobs.batch',
    'jobs.',
    'batch/v1/jobs',
    ' jobs',
    '/status',
    'a/b/c',
    'jobs/',
    7,
  ]) {
    assert.throws(() => writtenKinds([entry as string]), { name: 'TypeError', message: /is not a kind/ }, String(entry))
  }
  assert.throws(() => writtenKinds(['configmaps'], 'secrets' as unknown as string[]), /rightsOpen is not a list/)
})

test('refuses a kind that gives rights or secrets away, and any subresource of it, unless it is named twice', () => {
  const beside = ['secrets/status', 'certificatesigningrequests.certificates.k8s.io/approval', 'roles.authorization.openshift.io/status']
  for (const entry of [...GIVES_AWAY, ...beside]) {
    const said = { name: 'TypeError', message: /gives rights or secrets away: remove it, or name it in rightsOpen/ }
    assert.throws(() => writtenKinds([entry]), said, entry)
    assert.throws(() => writtenKinds([entry], ['configmaps']), said, entry)
    assert.doesNotThrow(() => writtenKinds([entry], [entry]), entry)
  }
  // One that is open opens no other.
  assert.throws(() => writtenKinds(['secrets', 'secrets/status'], ['secrets']), /secrets\/status gives rights/)
})

test('knows the kinds for which the API server looks at whoever sends the write', () => {
  for (const entry of [
    'secrets',
    'pods/exec',
    'serviceaccounts/token',
    'rolebindings.rbac.authorization.k8s.io',
    'clusterrolebindings.authorization.openshift.io',
    'validatingadmissionpolicies.admissionregistration.k8s.io',
    'validatingadmissionpolicybindings.admissionregistration.k8s.io',
    'mutatingadmissionpolicies.admissionregistration.k8s.io',
    'mutatingadmissionpolicybindings.admissionregistration.k8s.io',
    'mutatingwebhookconfigurations.admissionregistration.k8s.io',
    'clustertrustbundles.certificates.k8s.io',
  ]) {
    assert.ok(GIVES_AWAY.includes(entry), entry)
  }
  assert.throws(() => (GIVES_AWAY as string[]).pop(), TypeError)
})

test('refuses to open what is not written, such as a kind that was removed from the list alone', () => {
  assert.throws(() => writtenKinds(['configmaps'], ['secrets']), { name: 'TypeError', message: 'rightsOpen: "secrets" is not in mayWrite' })
})

test('has what is listed and nothing that only reads like it', () => {
  const list = ['configmaps', 'widgets.example/status', 'jobs.batch']
  const writes = writtenKinds(list)
  list.push('pods')
  for (const written of [kind('', 'configmaps'), kind('example', 'widgets', 'status'), kind('batch', 'jobs')]) assert.ok(writes(written))
  for (const other of [
    kind('', 'pods'),
    kind('', 'secrets'),
    kind('', 'configmaps', 'status'),
    kind('batch', 'configmaps'),
    kind('example', 'widgets'),
    kind('example', 'widgets', 'scale'),
    kind('batch', 'jobs', 'status'),
    kind('', 'jobs.batch'),
    kind('', 'jobs'),
    kind('', 'widgets.example', 'status'),
    kind('', ''),
  ]) {
    assert.ok(!writes(other), JSON.stringify(other))
  }
  assert.ok(!writtenKinds([])(kind('', 'configmaps')))
})

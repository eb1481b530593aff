import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Json, JsonObject } from '../object.ts'
import { type Api, mergePatchType } from './api-client.ts'
import { assertStatus } from './refusals.ts'

const rbac = '/apis/rbac.authorization.k8s.io/v1'

function deployment(spec: JsonObject): Json {
  const template = { metadata: { labels: { a: 'b' } }, spec: { containers: [{ name: 'c', image: 'i' }] } }
  return { metadata: { name: 'd' }, spec: { selector: { matchLabels: { a: 'b' } }, template, ...spec } }
}

/** 422, kind by kind. Nothing here is written. */
export function validating(api: () => Api): void {
  const core = '/api/v1/namespaces/default'
  const cases: [string, string, Json, number, RegExp][] = [
    [
      'a label that is none',
      `${core}/configmaps`,
      { metadata: { name: 'x', labels: { a: '!' } } },
      422,
      /metadata.labels: Invalid value: "!"/,
    ],
    ['a label key that is none', `${core}/configmaps`, { metadata: { name: 'x', labels: { 'a/b/c': '' } } }, 422, /a valid label key must/],
    [
      'a finalizer without a domain',
      `${core}/configmaps`,
      { metadata: { name: 'x', finalizers: ['f'] } },
      422,
      /finalizers\[0\]: Invalid value: "f"/,
    ],
    [
      'a key that could be a path',
      `${core}/configmaps`,
      { metadata: { name: 'x' }, data: { 'a/b': '' } },
      422,
      /data\[a\/b\]: Invalid value/,
    ],
    [
      'a secret that is not base64',
      `${core}/secrets`,
      { metadata: { name: 'x' }, data: { k: '%' } },
      400,
      /illegal base64 data at input byte 0/,
    ],
    [
      'a pod without a container name',
      `${core}/pods`,
      { metadata: { name: 'x' }, spec: { containers: [{ image: 'i' }] } },
      422,
      /containers\[0\].name: Required value/,
    ],
    ['a namespace with a dot', '/api/v1/namespaces', { metadata: { name: 'a.b' } }, 422, /Invalid value: "a.b": must not contain dots/],
    [
      'a selector that selects nothing of its own',
      '/apis/apps/v1/namespaces/default/deployments',
      deployment({ selector: { matchLabels: { a: 'c' } } }),
      422,
      /`selector` does not match template `labels`/,
    ],
    [
      'a recreation that rolls',
      '/apis/apps/v1/namespaces/default/deployments',
      deployment({ strategy: { type: 'Recreate', rollingUpdate: {} } }),
      422,
      /may not be specified when strategy `type` is 'Recreate'/,
    ],
    [
      'a rule without verbs',
      `${rbac}/namespaces/default/roles`,
      { metadata: { name: 'x' }, rules: [{ apiGroups: [''], resources: ['pods'] }] },
      422,
      /rules\[0\].verbs: Required value: verbs must contain at least one value/,
    ],
    [
      'a binding to what is no role',
      `${rbac}/namespaces/default/rolebindings`,
      { metadata: { name: 'x' }, roleRef: { kind: 'Pod', name: 'p' } },
      422,
      /roleRef.kind: Unsupported value: "Pod"/,
    ],
  ]
  for (const [what, path, body, code, message] of cases) {
    test(`${what} is ${code}`, async () => {
      assertStatus(await api().post(`${path}?dryRun=All`, body), code, code === 422 ? 'Invalid' : 'BadRequest', message)
    })
  }

  test('a field nobody knows is dropped with a warning, or refused when strict', async () => {
    const body = { metadata: { name: 'x' }, data: { k: 'v' }, unicorn: 1 }
    const path = '/api/v1/namespaces/default/configmaps?dryRun=All'
    const message = 'ConfigMap in version "v1" cannot be handled as a ConfigMap: strict decoding error: unknown field "unicorn"'
    assertStatus(await api().post(`${path}&fieldValidation=Strict`, body), 400, 'BadRequest', message)
    assertStatus(await api().post(`${path}&fieldValidation=Loose`, body), 422, 'Invalid', /fieldValidation: Unsupported value: "Loose"/)
    const warned = await api().post(path, body)
    assert.deepEqual([warned.status, warned.json.unicorn], [201, undefined])
    assert.equal(warned.headers.warning, String.raw`299 - "unknown field \"unicorn\""`)
    assert.equal((await api().post(`${path}&fieldValidation=Ignore`, body)).headers.warning, undefined)
  })

  test('a field manager has a name of bearable length', async () => {
    const path = `/api/v1/namespaces/default/configmaps?dryRun=All&fieldManager=${'x'.repeat(129)}`
    assertStatus(
      await api().post(path, { metadata: { name: 'x' } }),
      422,
      'Invalid',
      /fieldManager: Too long: may not be more than 128 bytes/,
    )
  })

  test('a namespace does not end by its status, nor a binding turn to another role', async () => {
    const namespace = await api().namespace()
    const phase = await api().patch(`/api/v1/namespaces/${namespace}/status`, mergePatchType, { status: { phase: 'Terminating' } })
    assertStatus(phase, 422, 'Invalid', /may only be 'Active' if `deletionTimestamp` is empty/)
    const path = `${rbac}/namespaces/${namespace}/rolebindings`
    const roleRef = { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'view' }
    await api().post(path, { metadata: { name: 'b' }, roleRef })
    const turned = await api().patch(`${path}/b`, mergePatchType, { roleRef: { name: 'edit' } })
    assertStatus(turned, 422, 'Invalid', /roleRef: Invalid value: .*: cannot change roleRef/)
    await api().drop(namespace)
  })

  test('a pod stays the pod it is', async () => {
    const namespace = await api().namespace()
    const path = `/api/v1/namespaces/${namespace}/pods`
    await api().post(path, { metadata: { name: 'p' }, spec: { containers: [{ name: 'c', image: 'i' }] } })
    const changed = await api().patch(`${path}/p`, mergePatchType, { spec: { dnsPolicy: 'Default' } })
    assertStatus(changed, 422, 'Invalid', /spec: Forbidden: pod updates may not change fields other than `spec.containers\[\*\].image`/)
    await api().ask('DELETE', `${path}/p?gracePeriodSeconds=0`)
    await api().drop(namespace)
  })
}

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { asObject, asText, at } from '../object.ts'
import { type Api, configMaps, mergePatchType, versionOf } from './api-client.ts'
import { assertStatus } from './refusals.ts'

/** Create, update and delete. */
export function writing(api: () => Api): void {
  test('a name that is taken is 409 AlreadyExists', async () => {
    const namespace = await api().namespace()
    await api().configMap(namespace, 'one')
    const reply = await api().post(configMaps(namespace), { metadata: { name: 'one' } })
    assertStatus(reply, 409, 'AlreadyExists', 'configmaps "one" already exists')
    assert.deepEqual(reply.json.details, { name: 'one', kind: 'configmaps' })
    await api().drop(namespace)
  })

  test('an update from an old version is 409 Conflict, and so is one of another object of that name', async () => {
    const namespace = await api().namespace()
    const first = await api().configMap(namespace, 'one')
    const path = configMaps(namespace, 'one')
    const second = await api().ask('PUT', path, { body: { ...first, data: { k: '2' } } })
    assert.equal(second.status, 200)
    assert.ok(Number(versionOf(second.json)) > Number(versionOf(first)))
    const stale = await api().ask('PUT', path, { body: { ...first, data: { k: '3' } } })
    assertStatus(
      stale,
      409,
      'Conflict',
      'Operation cannot be fulfilled on configmaps "one": the object has been modified; please apply your changes to the latest version and try again',
    )
    const other = { metadata: { name: 'one', uid: '00000000-0000-0000-0000-000000000000' } }
    assertStatus(await api().ask('PUT', path, { body: other }), 409, 'Conflict', /Precondition failed: UID in precondition/)
    const free = await api().ask('PUT', path, { body: { metadata: { name: 'one' }, data: { k: '4' } } })
    assert.deepEqual(free.json.data, { k: '4' }, 'without a version an update is unconditional')
    await api().drop(namespace)
  })

  test('an update must name what its URL names, and must find it', async () => {
    const namespace = await api().namespace()
    await api().configMap(namespace, 'one')
    const body = { metadata: { name: 'two' } }
    const message = 'the name of the object (two) does not match the name on the URL (one)'
    assertStatus(await api().ask('PUT', configMaps(namespace, 'one'), { body }), 400, 'BadRequest', message)
    const elsewhere = await api().post(configMaps(namespace), { metadata: { name: 'x', namespace: 'other' } })
    const place = 'the namespace of the provided object does not match the namespace sent on the request'
    assertStatus(elsewhere, 400, 'BadRequest', place)
    assert.equal((await api().ask('PUT', configMaps(namespace, 'two'), { body })).status, 404)
    await api().drop(namespace)
  })

  test('what is created has server-set metadata, whatever the client sent', async () => {
    const namespace = await api().namespace()
    const sent = { name: 'one', uid: 'mine', creationTimestamp: '2001-01-01T00:00:00Z' }
    const { json, status } = await api().post(configMaps(namespace), { metadata: sent, data: { k: 'v' } })
    assert.equal(status, 201)
    assert.deepEqual([json.apiVersion, json.kind, at(json, 'metadata', 'namespace')], ['v1', 'ConfigMap', namespace])
    assert.match(asText(at(json, 'metadata', 'uid')), /^[0-9a-f-]{36}$/)
    assert.match(asText(at(json, 'metadata', 'creationTimestamp')), /^20[2-9]\d-.*T\d\d:\d\d:\d\dZ$/)
    assert.match(versionOf(json), /^\d+$/)
    const read = await api().get(configMaps(namespace, 'one'))
    assert.deepEqual(read.json, json)
    await api().drop(namespace)
  })

  test('generateName ends in five letters, and YAML is a body too', async () => {
    const namespace = await api().namespace()
    const yaml = 'metadata:\n  generateName: some-\ndata:\n  k: v\n'
    const { json } = await api().post(configMaps(namespace), yaml, { contentType: 'application/yaml' })
    assert.match(asText(at(json, 'metadata', 'name')), /^some-[bcdfghjklmnpqrstvwxz2456789]{5}$/)
    assert.deepEqual(json.data, { k: 'v' })
    const read = await api().get(configMaps(namespace, asText(at(json, 'metadata', 'name'))), { accept: 'application/yaml' })
    assert.equal(read.headers['content-type'], 'application/yaml')
    assert.match(read.text, /^data:\n {2}k: v$/m)
    await api().drop(namespace)
  })

  test('a dry run answers as if, and changes nothing', async () => {
    const namespace = await api().namespace()
    const path = configMaps(namespace, 'one')
    const created = await api().post(`${configMaps(namespace)}?dryRun=All`, { metadata: { name: 'one' } })
    assert.equal(created.status, 201)
    assert.equal((await api().get(path)).status, 404)
    const real = await api().configMap(namespace, 'one')
    await api().patch(`${path}?dryRun=All`, mergePatchType, { data: { k: 'changed' } })
    await api().ask('DELETE', `${path}?dryRun=All`)
    assert.deepEqual((await api().get(path)).json, real)
    await api().drop(namespace)
  })

  test('status is written through its subresource only, and spec never through it; generation counts specs', async () => {
    const namespace = await api().namespace()
    const path = `/apis/apps/v1/namespaces/${namespace}/deployments`
    const template = { metadata: { labels: { a: 'b' } }, spec: { containers: [{ name: 'c', image: 'i' }] } }
    const spec = { replicas: 1, selector: { matchLabels: { a: 'b' } }, template }
    const created = await api().post(path, { metadata: { name: 'd' }, spec, status: { replicas: 7 } })
    assert.equal(created.status, 201, created.text)
    assert.equal(at(created.json, 'status', 'replicas'), undefined)
    assert.equal(at(created.json, 'metadata', 'generation'), 1)
    const both = { spec: { replicas: 3 }, status: { observedGeneration: 1 } }
    const main = await api().patch(`${path}/d`, mergePatchType, both)
    assert.deepEqual([at(main.json, 'spec', 'replicas'), at(main.json, 'status', 'observedGeneration')], [3, undefined])
    assert.equal(at(main.json, 'metadata', 'generation'), 2)
    const status = await api().patch(`${path}/d/status`, mergePatchType, { ...both, spec: { replicas: 9 } })
    assert.deepEqual([at(status.json, 'spec', 'replicas'), at(status.json, 'status', 'observedGeneration')], [3, 1])
    assert.equal(at(status.json, 'metadata', 'generation'), 2)
    await api().ask('DELETE', `${path}/d`)
    await api().drop(namespace)
  })

  test('a change of nothing is no change', async () => {
    const namespace = await api().namespace()
    const first = await api().configMap(namespace, 'one')
    const again = await api().patch(configMaps(namespace, 'one'), mergePatchType, { data: { k: 'v' } })
    assert.equal(versionOf(again.json), versionOf(first))
    await api().drop(namespace)
  })

  test('an immutable config map stays as it is', async () => {
    const namespace = await api().namespace()
    await api().post(configMaps(namespace), { metadata: { name: 'one' }, data: { k: 'v' }, immutable: true })
    const reply = await api().patch(configMaps(namespace, 'one'), mergePatchType, { data: { k: 'w' } })
    const message = 'ConfigMap "one" is invalid: data: Forbidden: field is immutable when `immutable` is set'
    assertStatus(reply, 422, 'Invalid', message)
    await api().drop(namespace)
  })

  test('a deletion whose precondition does not hold is 409', async () => {
    const namespace = await api().namespace()
    const object = await api().configMap(namespace, 'one')
    const path = configMaps(namespace, 'one')
    const wrong = { preconditions: { uid: '00000000-0000-0000-0000-000000000000' } }
    assertStatus(await api().ask('DELETE', path, { body: wrong }), 409, 'Conflict', /the UID in the precondition .* does not match/)
    const old = { preconditions: { resourceVersion: '1' } }
    assertStatus(await api().ask('DELETE', path, { body: old }), 409, 'Conflict', /the ResourceVersion in the precondition/)
    const uid = asText(at(object, 'metadata', 'uid'))
    const right = { kind: 'DeleteOptions', apiVersion: 'v1', preconditions: { uid }, propagationPolicy: 'Background' }
    const reply = await api().ask('DELETE', path, { body: right })
    assert.equal(reply.status, 200, reply.text)
    assert.equal(reply.json.status, 'Success')
    assert.deepEqual(asObject(reply.json.details), { name: 'one', kind: 'configmaps', uid })
    assertStatus(await api().ask('DELETE', path), 404, 'NotFound', 'configmaps "one" not found')
    await api().drop(namespace)
  })

  test('finalizers hold a deletion until the last is gone', async () => {
    const namespace = await api().namespace()
    const path = configMaps(namespace, 'held')
    await api().post(configMaps(namespace), { metadata: { name: 'held', finalizers: ['example.com/hold'] } })
    const deleted = await api().ask('DELETE', path)
    assert.equal(deleted.json.kind, 'ConfigMap')
    assert.match(asText(at(deleted.json, 'metadata', 'deletionTimestamp')), /Z$/)
    assert.equal((await api().get(path)).status, 200)
    const added = await api().patch(path, mergePatchType, { metadata: { finalizers: ['example.com/hold', 'example.com/more'] } })
    assertStatus(added, 422, 'Invalid', /no new finalizers can be added if the object is being deleted/)
    assert.equal((await api().patch(path, mergePatchType, { metadata: { finalizers: null } })).status, 200)
    assert.equal((await api().get(path)).status, 404)
    await api().drop(namespace)
  })

  test('a collection is deleted by selector', async () => {
    const namespace = await api().namespace()
    await api().configMap(namespace, 'keep', {}, { x: '1' })
    await api().configMap(namespace, 'drop', {}, { x: '2' })
    const { json, status } = await api().ask('DELETE', `${configMaps(namespace)}?labelSelector=x%3D2`)
    assert.equal(status, 200)
    assert.equal(json.kind, 'ConfigMapList')
    assert.equal((await api().get(configMaps(namespace, 'drop'))).status, 404)
    assert.equal((await api().get(configMaps(namespace, 'keep'))).status, 200)
    await api().drop(namespace)
  })

  test('a namespace being deleted takes no new content', async () => {
    const namespace = await api().namespace()
    const held = { metadata: { name: 'held', finalizers: ['example.com/hold'] } }
    await api().post(configMaps(namespace), held)
    const deleted = await api().ask('DELETE', `/api/v1/namespaces/${namespace}`)
    assert.equal(at(deleted.json, 'status', 'phase'), 'Terminating', deleted.text)
    const late = await api().until(
      () => api().post(configMaps(namespace), { metadata: { generateName: 'late-' } }),
      ({ status }) => status !== 201,
    )
    assertStatus(
      late,
      403,
      'Forbidden',
      new RegExp(`unable to create new content in namespace ${namespace} because it is being terminated`),
    )
    await api().patch(configMaps(namespace, 'held'), mergePatchType, { metadata: { finalizers: null } })
    await api().drop(namespace)
  })
}

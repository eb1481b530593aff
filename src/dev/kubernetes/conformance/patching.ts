import assert from 'node:assert/strict'
import { test } from 'node:test'
import { asArray, asText, at, type Json } from '../object.ts'
import { type Api, configMaps, mergePatchType, versionOf } from './api-client.ts'
import { assertStatus } from './refusals.ts'

const jsonPatchType = 'application/json-patch+json'
const strategicType = 'application/strategic-merge-patch+json'

function deployment(containers: Json[]): Json {
  const template = { metadata: { labels: { a: 'b' } }, spec: { containers } }
  return { metadata: { name: 'd' }, spec: { selector: { matchLabels: { a: 'b' } }, template } }
}

function containersOf(object: Json): Json[] {
  return asArray(at(object, 'spec', 'template', 'spec', 'containers'))
}

/** JSON patch, merge patch and strategic merge patch. */
export function patching(api: () => Api): void {
  test('a JSON patch that does not fit is 422, one that is none 400, and neither changes anything', async () => {
    const namespace = await api().namespace()
    const object = await api().configMap(namespace, 'one')
    const path = configMaps(namespace, 'one')
    for (const operation of [
      { op: 'test', path: '/data/k', value: 'other' },
      { op: 'remove', path: '/data/absent' },
      { op: 'add', path: '/absent/deep', value: 'x' },
    ]) {
      const reply = await api().patch(path, jsonPatchType, [{ op: 'add', path: '/data/new', value: 'n' }, operation])
      assertStatus(reply, 422, 'Invalid', 'the server rejected our request due to an error in our request')
    }
    assertStatus(await api().patch(path, jsonPatchType, { data: {} }), 400, 'BadRequest')
    assertStatus(await api().patch(path, mergePatchType, '{'), 400, 'BadRequest')
    assert.equal(versionOf((await api().get(path)).json), versionOf(object))
    await api().drop(namespace)
  })

  test('a patch that makes something else of the object is 422 or 400', async () => {
    const namespace = await api().namespace()
    await api().configMap(namespace, 'one')
    const path = configMaps(namespace, 'one')
    const patch = (body: Json) => api().patch(path, mergePatchType, body)
    assertStatus(await patch({ data: { k: 1 } }), 422, 'Invalid', /patch: Invalid value: .*cannot unmarshal number into Go struct field/)
    assertStatus(await patch({ kind: 'Namespace' }), 422, 'Invalid', /patch: Invalid value: .*unknown conversion/)
    const uid = await patch({ metadata: { uid: 'x' } })
    assertStatus(uid, 422, 'Invalid', 'ConfigMap "one" is invalid: metadata.uid: Invalid value: "x": field is immutable')
    const name = await patch({ metadata: { name: 'two' } })
    assertStatus(name, 400, 'BadRequest', 'the name of the object (two) does not match the name on the URL (one)')
    const place = 'the namespace of the provided object does not match the namespace sent on the request'
    assertStatus(await patch({ metadata: { namespace: 'other' } }), 400, 'BadRequest', place)
    await api().drop(namespace)
  })

  test('patching what is not there is 404, and from an old version 409', async () => {
    const namespace = await api().namespace()
    const object = await api().configMap(namespace, 'one')
    assertStatus(await api().patch(configMaps(namespace, 'absent'), mergePatchType, {}), 404, 'NotFound')
    const path = configMaps(namespace, 'one')
    await api().patch(path, mergePatchType, { data: { k: 'w' } })
    const old = { metadata: { resourceVersion: versionOf(object) }, data: { k: 'x' } }
    assertStatus(await api().patch(path, mergePatchType, old), 409, 'Conflict', /the object has been modified/)
    await api().drop(namespace)
  })

  test('a JSON patch does what RFC 6902 says, escapes included', async () => {
    const namespace = await api().namespace()
    await api().configMap(namespace, 'one', { a: '1', b: '2', 'x.y': '3' })
    const { json, status } = await api().patch(configMaps(namespace, 'one'), jsonPatchType, [
      { op: 'test', path: '/data/a', value: '1' },
      { op: 'replace', path: '/data/a', value: 'new' },
      { op: 'remove', path: '/data/b' },
      { op: 'move', from: '/data/x.y', path: '/data/moved' },
      { op: 'copy', from: '/data/a', path: '/data/copied' },
      { op: 'add', path: '/metadata/labels', value: {} },
      { op: 'add', path: '/metadata/labels/example.com~1key', value: 'label' },
    ])
    assert.equal(status, 200)
    assert.deepEqual(json.data, { a: 'new', moved: '3', copied: 'new' })
    assert.deepEqual(at(json, 'metadata', 'labels'), { 'example.com/key': 'label' })
    await api().drop(namespace)
  })

  test('a merge patch merges objects, removes by null and replaces lists', async () => {
    const namespace = await api().namespace()
    await api().configMap(namespace, 'one', { a: '1', b: '2' })
    const { json } = await api().patch(configMaps(namespace, 'one'), mergePatchType, { data: { b: null, c: '3' } })
    assert.deepEqual(json.data, { a: '1', c: '3' })
    const path = `/apis/apps/v1/namespaces/${namespace}/deployments`
    await api().post(
      path,
      deployment([
        { name: 'one', image: 'i' },
        { name: 'two', image: 'i' },
      ]),
    )
    const containers = [{ name: 'three', image: 'i' }]
    const { json: merged } = await api().patch(`${path}/d`, mergePatchType, { spec: { template: { spec: { containers } } } })
    assert.deepEqual(
      containersOf(merged).map((container) => at(container, 'name')),
      ['three'],
    )
    await api().ask('DELETE', `${path}/d`)
    await api().drop(namespace)
  })

  test('a strategic merge patch merges lists by their key, and obeys its directives', async () => {
    const namespace = await api().namespace()
    const path = `/apis/apps/v1/namespaces/${namespace}/deployments`
    const env = [
      { name: 'A', value: '1' },
      { name: 'B', value: '2' },
    ]
    await api().post(
      path,
      deployment([
        { name: 'one', image: 'i', env },
        { name: 'two', image: 'i' },
      ]),
    )
    const { json, text } = await api().patch(`${path}/d`, strategicType, {
      spec: {
        strategy: { $retainKeys: ['type'], type: 'Recreate' },
        template: {
          spec: {
            '$setElementOrder/containers': [{ name: 'three' }, { name: 'one' }],
            containers: [
              { name: 'three', image: 'i' },
              { name: 'one', image: 'new', env: [{ name: 'B', value: 'changed' }] },
              { name: 'two', $patch: 'delete' },
            ],
          },
        },
      },
    })
    const disordered = await api().patch(`${path}/d`, strategicType, {
      spec: {
        template: {
          spec: {
            '$setElementOrder/containers': [{ name: 'one' }, { name: 'three' }],
            containers: [
              { name: 'three', image: 'x' },
              { name: 'one', image: 'x' },
            ],
          },
        },
      },
    })
    assert.equal(disordered.status, 500)
    const containers = containersOf(json)
    assert.deepEqual(
      containers.map((container) => at(container, 'name')),
      ['three', 'one'],
      text,
    )
    const [, one] = containers
    assert.equal(at(one, 'image'), 'new')
    assert.deepEqual(at(one, 'env'), [
      { name: 'A', value: '1' },
      { name: 'B', value: 'changed' },
    ])
    assert.deepEqual(at(json, 'spec', 'strategy'), { type: 'Recreate' })
    const { json: replaced } = await api().patch(`${path}/d`, strategicType, {
      spec: { template: { spec: { containers: [{ $patch: 'replace' }, { name: 'only', image: 'i' }] } } },
    })
    assert.deepEqual(
      containersOf(replaced).map((container) => at(container, 'name')),
      ['only'],
    )
    await api().ask('DELETE', `${path}/d`)
    await api().drop(namespace)
  })

  test('finalizers are a set to a strategic merge patch', async () => {
    const namespace = await api().namespace()
    const path = configMaps(namespace, 'one')
    await api().post(configMaps(namespace), { metadata: { name: 'one', finalizers: ['example.com/a'] } })
    const added = await api().patch(path, strategicType, { metadata: { finalizers: ['example.com/b'] } })
    assert.deepEqual([...asArray(at(added.json, 'metadata', 'finalizers'))].map(asText).sort(), ['example.com/a', 'example.com/b'])
    const removed = await api().patch(path, strategicType, { metadata: { '$deleteFromPrimitiveList/finalizers': ['example.com/a'] } })
    assert.deepEqual(at(removed.json, 'metadata', 'finalizers'), ['example.com/b'])
    await api().patch(path, mergePatchType, { metadata: { finalizers: null } })
    await api().drop(namespace)
  })
}

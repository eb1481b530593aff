import assert from 'node:assert/strict'
import { test } from 'node:test'
import { asArray, asText, at, type Json, type JsonObject } from '../object.ts'
import { type Api, applyType, configMaps, mergePatchType, type Reply, versionOf } from './api-client.ts'
import { assertStatus } from './refusals.ts'

function configMap(name: string, data: JsonObject): JsonObject {
  return { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name }, data }
}

/** What a manager owns by an operation, as FieldsV1. */
function ownedBy(object: Json, manager: string, operation: string): Json | undefined {
  const entry = asArray(at(object, 'metadata', 'managedFields')).find(
    (candidate) => at(candidate, 'manager') === manager && at(candidate, 'operation') === operation,
  )
  return at(entry, 'fieldsV1')
}

/** Server-side apply: ownership of fields, conflicts over them, and their removal. */
export function applying(api: () => Api): void {
  const apply = (path: string, manager: string, body: Json | string, query = ''): Promise<Reply> =>
    api().patch(`${path}?fieldManager=${manager}${query}`, applyType, body)

  test('a field of another manager is a 409 that names it, unless forced', async () => {
    const namespace = await api().namespace()
    const path = configMaps(namespace, 'one')
    assert.equal((await apply(path, 'first', configMap('one', { k: '1' }))).status, 201)
    const reply = await apply(path, 'second', configMap('one', { k: '2' }))
    assertStatus(reply, 409, 'Conflict', 'Apply failed with 1 conflict: conflict with "first": .data.k')
    const causes = [{ reason: 'FieldManagerConflict', message: 'conflict with "first"', field: '.data.k' }]
    assert.deepEqual(at(reply.json, 'details', 'causes'), causes)
    const forced = await apply(path, 'second', configMap('one', { k: '2' }), '&force=true')
    assert.deepEqual(forced.json.data, { k: '2' })
    assert.deepEqual(ownedBy(forced.json, 'second', 'Apply'), { 'f:data': { 'f:k': {} } })
    assert.equal(ownedBy(forced.json, 'first', 'Apply'), undefined)
    await api().drop(namespace)
  })

  test("several conflicts are listed by manager, an updater's with its version", async () => {
    const namespace = await api().namespace()
    const path = configMaps(namespace, 'one')
    await apply(path, 'first', configMap('one', { a: '1', b: '1' }))
    await api().patch(`${path}?fieldManager=editor`, mergePatchType, { data: { c: '1' } })
    const reply = await apply(path, 'second', configMap('one', { a: '2', b: '2', c: '2' }))
    const lines = ['conflicts with "editor" using v1:', '- .data.c', 'conflicts with "first":', '- .data.a', '- .data.b']
    assertStatus(reply, 409, 'Conflict', `Apply failed with 3 conflicts: ${lines.join('\n')}`)
    await api().drop(namespace)
  })

  test('what cannot be an apply is refused: no manager, no kind, another name, sent managedFields', async () => {
    const namespace = await api().namespace()
    const path = configMaps(namespace, 'one')
    const nameless = await api().patch(path, applyType, configMap('one', {}))
    assertStatus(nameless, 422, 'Invalid', /fieldManager: Required value: is required for apply patch/)
    const forced = await api().patch(`${path}?force=true`, mergePatchType, {})
    assertStatus(forced, 422, 'Invalid', /force: Forbidden: may not be specified for non-apply patch/)
    assertStatus(await apply(path, 'm', { metadata: { name: 'one' } }), 400, 'BadRequest')
    assertStatus(await apply(path, 'm', configMap('two', {})), 400, 'BadRequest')
    assertStatus(await apply(path, 'm', '{ not yaml'), 400, 'BadRequest', /error decoding YAML/)
    const managed = { ...configMap('one', {}), metadata: { name: 'one', managedFields: [{ manager: 'm' }] } }
    assertStatus(await apply(path, 'm', managed), 400, 'BadRequest', 'metadata.managedFields must be nil')
    await api().drop(namespace)
  })

  test('a value both want alike is owned by both, and goes only when both let go', async () => {
    const namespace = await api().namespace()
    const path = configMaps(namespace, 'one')
    await apply(path, 'first', configMap('one', { shared: 'x', mine: '1' }))
    assert.equal((await apply(path, 'second', configMap('one', { shared: 'x' }))).status, 200)
    const once = await apply(path, 'first', configMap('one', {}))
    assert.deepEqual(once.json.data, { shared: 'x' })
    const twice = await apply(path, 'second', configMap('one', {}))
    assert.equal(twice.json.data, undefined)
    await api().drop(namespace)
  })

  test('applying the same twice is no change, and YAML is as good as JSON', async () => {
    const namespace = await api().namespace()
    const path = configMaps(namespace, 'one')
    const yaml = 'apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: one\ndata:\n  k: v\n'
    const first = await apply(path, 'm', yaml)
    assert.equal(first.status, 201, first.text)
    const second = await apply(path, 'm', configMap('one', { k: 'v' }))
    assert.equal(second.status, 200)
    assert.equal(versionOf(second.json), versionOf(first.json))
    await api().drop(namespace)
  })

  test('a plain update takes the field over, and takes it away from the applier', async () => {
    const namespace = await api().namespace()
    const path = configMaps(namespace, 'one')
    await apply(path, 'applier', configMap('one', { a: '1', b: '1' }))
    const edited = await api().patch(`${path}?fieldManager=editor`, mergePatchType, { data: { a: '2' } })
    assert.deepEqual(ownedBy(edited.json, 'editor', 'Update'), { 'f:data': { 'f:a': {} } })
    assert.deepEqual(ownedBy(edited.json, 'applier', 'Apply'), { 'f:data': { 'f:b': {} } })
    const created = await api().post(`${configMaps(namespace)}?fieldManager=maker`, configMap('two', { k: 'v' }))
    assert.deepEqual(ownedBy(created.json, 'maker', 'Update'), { 'f:data': { '.': {}, 'f:k': {} } })
    await api().drop(namespace)
  })

  test('elements of a keyed list are owned one by one', async () => {
    const namespace = await api().namespace()
    const path = `/apis/apps/v1/namespaces/${namespace}/deployments/d`
    const deployment = (containers: Json[]): Json => ({
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata: { name: 'd' },
      spec: {
        selector: { matchLabels: { a: 'b' } },
        template: { metadata: { labels: { a: 'b' } }, spec: { containers } },
      },
    })
    const created = await apply(path, 'main', deployment([{ name: 'app', image: 'one' }]))
    assert.equal(created.status, 201, created.text)
    const sidecar = await apply(path, 'mesh', deployment([{ name: 'proxy', image: 'p' }]))
    assert.equal(sidecar.status, 200, sidecar.text)
    const containers = {
      'f:template': { 'f:spec': { 'f:containers': { 'k:{"name":"proxy"}': { '.': {}, 'f:image': {}, 'f:name': {} } } } },
    }
    assert.deepEqual(at(ownedBy(sidecar.json, 'mesh', 'Apply'), 'f:spec', 'f:template', 'f:spec'), containers['f:template']['f:spec'])
    const clash = await apply(path, 'mesh', deployment([{ name: 'app', image: 'two' }]))
    assertStatus(
      clash,
      409,
      'Conflict',
      'Apply failed with 1 conflict: conflict with "main": .spec.template.spec.containers[name="app"].image',
    )
    const without = await apply(path, 'mesh', { apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name: 'd' } })
    const names = asArray(at(without.json, 'spec', 'template', 'spec', 'containers')).map((entry) => asText(at(entry, 'name')))
    assert.deepEqual(names, ['app'])
    await api().ask('DELETE', path)
    await api().drop(namespace)
  })
}

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { asArray, asText, at, type Json } from '../object.ts'
import { type Api, configMaps, versionOf } from './api-client.ts'
import { assertStatus } from './refusals.ts'

const tables = 'application/json;as=Table;v=v1;g=meta.k8s.io,application/json'

function namesOf(list: Json): string[] {
  return asArray(at(list, 'items')).map((item) => asText(at(item, 'metadata', 'name')))
}

/** Lists: selectors, pages, and the other shapes. */
export function listing(api: () => Api): void {
  test('a list is of its kind, in order, with a version to go on from', async () => {
    const namespace = await api().namespace()
    for (const name of ['b', 'a', 'c']) await api().configMap(namespace, name)
    const { json } = await api().get(configMaps(namespace))
    assert.deepEqual([json.kind, json.apiVersion], ['ConfigMapList', 'v1'])
    assert.deepEqual(namesOf(json), ['a', 'b', 'c'])
    assert.ok(Number(versionOf(json)) > 0)
    assert.equal(at(asArray(json.items)[0], 'kind'), undefined, 'the list says the kind, its items do not')
    await api().drop(namespace)
  })

  test('selectors choose by label and by field', async () => {
    const namespace = await api().namespace()
    await api().configMap(namespace, 'red', {}, { color: 'red', size: 's' })
    await api().configMap(namespace, 'blue', {}, { color: 'blue' })
    await api().configMap(namespace, 'plain')
    const select = async (query: string): Promise<string[]> => namesOf((await api().get(`${configMaps(namespace)}?${query}`)).json)
    const label = (text: string): Promise<string[]> => select(`labelSelector=${encodeURIComponent(text)}`)
    assert.deepEqual(await label('color=red'), ['red'])
    assert.deepEqual(await label('color==red,size=s'), ['red'])
    assert.deepEqual(await label('color!=red'), ['blue', 'plain'])
    assert.deepEqual(await label('color in (red, blue)'), ['blue', 'red'])
    assert.deepEqual(await label('color notin (red)'), ['blue', 'plain'])
    assert.deepEqual(await label('color,!size'), ['blue'])
    assert.deepEqual(await select('fieldSelector=metadata.name%3Dblue'), ['blue'])
    assert.deepEqual(await select('fieldSelector=metadata.name!%3Dblue'), ['plain', 'red'])
    assert.deepEqual(await select(`fieldSelector=metadata.namespace%3D${namespace},metadata.name%3Dred`), ['red'])
    const pods = `/api/v1/namespaces/${namespace}/pods`
    const spec = { containers: [{ name: 'c', image: 'registry.invalid/i' }] }
    assert.equal((await api().post(pods, { metadata: { name: 'p' }, spec })).status, 201)
    assert.deepEqual(namesOf((await api().get(`${pods}?fieldSelector=status.phase%3DFailed`)).json), [])
    assert.deepEqual(namesOf((await api().get(`${pods}?fieldSelector=status.phase!%3DFailed`)).json), ['p'])
    await api().ask('DELETE', `${pods}/p?gracePeriodSeconds=0`)
    await api().drop(namespace)
  })

  test('pages show the collection as it was at the first one', async () => {
    const namespace = await api().namespace()
    for (const name of ['a', 'b', 'd', 'e']) await api().configMap(namespace, name)
    const first = (await api().get(`${configMaps(namespace)}?limit=2`)).json
    assert.deepEqual(namesOf(first), ['a', 'b'])
    assert.equal(at(first, 'metadata', 'remainingItemCount'), 2)
    await api().configMap(namespace, 'c')
    await api().ask('DELETE', configMaps(namespace, 'e'))
    const token = encodeURIComponent(asText(at(first, 'metadata', 'continue')))
    const second = (await api().get(`${configMaps(namespace)}?limit=2&continue=${token}`)).json
    assert.deepEqual(namesOf(second), ['d', 'e'])
    assert.equal(at(second, 'metadata', 'continue'), undefined)
    assert.equal(versionOf(second), versionOf(first))
    await api().drop(namespace)
  })

  test('a version from the future is a timeout that says so', async () => {
    const reply = await api().get(`${configMaps('default')}?resourceVersion=999999999`)
    assertStatus(reply, 504, 'Timeout', /Too large resource version: 999999999/)
  })

  test('a list can be a table', async () => {
    const namespace = await api().namespace()
    await api().configMap(namespace, 'one', { a: '1', b: '2' })
    const { json } = await api().get(configMaps(namespace), { accept: tables })
    assert.deepEqual([json.kind, json.apiVersion], ['Table', 'meta.k8s.io/v1'])
    const columns = asArray(json.columnDefinitions).map((column) => asText(at(column, 'name')))
    assert.deepEqual(columns, ['Name', 'Data', 'Age'])
    const [row] = asArray(json.rows)
    assert.deepEqual(asArray(at(row, 'cells')).slice(0, 2), ['one', 2])
    assert.equal(at(row, 'object', 'kind'), 'PartialObjectMetadata')
    assert.equal(at(row, 'object', 'metadata', 'name'), 'one')
    const whole = await api().get(`${configMaps(namespace, 'one')}?includeObject=Object`, { accept: tables })
    assert.equal(at(asArray(whole.json.rows)[0], 'object', 'kind'), 'ConfigMap')
    const none = await api().get(`${configMaps(namespace)}?includeObject=None`, { accept: tables })
    assert.equal(at(asArray(none.json.rows)[0], 'object'), null)
    for (const [path, expected] of [
      ['/api/v1/namespaces', ['Name', 'Status', 'Age']],
      ['/api/v1/pods', ['Name', 'Ready', 'Status', 'Restarts', 'Age', 'IP', 'Node', 'Nominated Node', 'Readiness Gates']],
      ['/api/v1/secrets', ['Name', 'Type', 'Data', 'Age']],
      ['/apis/rbac.authorization.k8s.io/v1/roles', ['Name', 'Created At']],
    ] as const) {
      const table = await api().get(path, { accept: tables })
      assert.deepEqual(
        asArray(table.json.columnDefinitions).map((column) => asText(at(column, 'name'))),
        expected,
      )
    }
    await api().drop(namespace)
  })

  test('a list can be metadata only', async () => {
    const namespace = await api().namespace()
    await api().configMap(namespace, 'one')
    const accept = 'application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1'
    const { json } = await api().get(configMaps(namespace), { accept })
    assert.deepEqual([json.kind, json.apiVersion], ['PartialObjectMetadataList', 'meta.k8s.io/v1'])
    assert.deepEqual(namesOf(json), ['one'])
    assert.equal(at(asArray(json.items)[0], 'data'), undefined)
    await api().drop(namespace)
  })
}

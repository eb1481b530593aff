import assert from 'node:assert/strict'
import { test } from 'node:test'
import { asArray, asText, at, type JsonObject } from '../object.ts'
import { type Api, configMaps, mergePatchType, versionOf, type WatchStream } from './api-client.ts'
import { assertStatus } from './refusals.ts'

/** The next event as `TYPE name`. */
async function next(watch: WatchStream): Promise<string> {
  const { type, object } = await watch.next()
  return `${type} ${asText(at(object, 'metadata', 'name'))}`
}

/** Watches. */
export function watching(api: () => Api): void {
  test('a version too old to go on from is an ERROR event of 410 Expired', async () => {
    // Which version that is, only the server knows; 1 is before its first object.
    const watch = await api().watch('/api/v1/configmaps?watch=true&resourceVersion=1')
    assert.equal(watch.status, 200)
    const { type, object } = await watch.next()
    assert.equal(type, 'ERROR')
    assert.deepEqual([object.kind, object.code, object.reason], ['Status', 410, 'Expired'])
    assert.match(String(object.message), /^too old resource version: 1/)
    watch.close()
  })

  test('options that contradict each other are 422', async () => {
    const list = await api().get(`${configMaps('default')}?resourceVersionMatch=Exact`)
    assertStatus(list, 422, 'Invalid', /resourceVersionMatch is forbidden unless resourceVersion is provided/)
    const sends = await api().get(`${configMaps('default')}?sendInitialEvents=true`)
    assertStatus(sends, 422, 'Invalid', /sendInitialEvents is forbidden for list/)
    const path = `${configMaps('default')}?watch=true`
    const initial = await api().get(`${path}&sendInitialEvents=true`)
    assertStatus(initial, 422, 'Invalid', /sendInitialEvents requires setting resourceVersionMatch to NotOlderThan/)
    const match = await api().get(`${path}&resourceVersionMatch=NotOlderThan`)
    assertStatus(match, 422, 'Invalid', /resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided/)
  })

  test("from a list's version on, it sees each change once and in order", async () => {
    const namespace = await api().namespace()
    await api().configMap(namespace, 'before')
    const list = (await api().get(configMaps(namespace))).json
    await api().configMap(namespace, 'between')
    const watch = await api().watch(`${configMaps(namespace)}?watch=true&resourceVersion=${versionOf(list)}`)
    assert.equal(await next(watch), 'ADDED between')
    await api().configMap(namespace, 'after')
    await api().patch(configMaps(namespace, 'before'), mergePatchType, { data: { k: 'w' } })
    const last = (await api().get(configMaps(namespace, 'after'))).json
    await api().ask('DELETE', configMaps(namespace, 'after'))
    assert.equal(await next(watch), 'ADDED after')
    const modified = await watch.next()
    assert.deepEqual([modified.type, at(modified.object, 'data')], ['MODIFIED', { k: 'w' }])
    const deleted = await watch.next()
    assert.deepEqual([deleted.type, at(deleted.object, 'metadata', 'name')], ['DELETED', 'after'])
    assert.ok(Number(versionOf(deleted.object)) > Number(versionOf(last)), 'at the version of its deletion')
    watch.close()
    await api().drop(namespace)
  })

  test('without a version it begins with what is there', async () => {
    const namespace = await api().namespace()
    await api().configMap(namespace, 'a')
    await api().configMap(namespace, 'b')
    for (const query of ['', '&resourceVersion=0']) {
      const watch = await api().watch(`${configMaps(namespace)}?watch=1${query}`)
      assert.deepEqual([await next(watch), await next(watch)].sort(), ['ADDED a', 'ADDED b'])
      watch.close()
    }
    await api().drop(namespace)
  })

  test('a watch list ends its beginning with a bookmark that says so', async () => {
    const namespace = await api().namespace()
    await api().configMap(namespace, 'a')
    const query = 'watch=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true'
    const watch = await api().watch(`${configMaps(namespace)}?${query}`)
    assert.equal(await next(watch), 'ADDED a')
    const { type, object } = await watch.next()
    assert.equal(type, 'BOOKMARK')
    assert.equal(object.kind, 'ConfigMap')
    assert.equal(at(object, 'metadata', 'annotations', 'k8s.io/initial-events-end'), 'true')
    const again = await api().watch(`${configMaps(namespace)}?watch=true&resourceVersion=${versionOf(object)}`)
    await api().configMap(namespace, 'b')
    assert.deepEqual([await next(watch), await next(again)], ['ADDED b', 'ADDED b'])
    watch.close()
    again.close()
    await api().drop(namespace)
  })

  test('what begins to be selected is added, what no longer is deleted', async () => {
    const namespace = await api().namespace()
    const { metadata } = (await api().get(configMaps(namespace))).json
    const version = versionOf({ metadata: metadata ?? {} })
    const watch = await api().watch(`${configMaps(namespace)}?watch=true&resourceVersion=${version}&labelSelector=on%3Dyes`)
    const label = (name: string, on: string): JsonObject => ({ metadata: { name, labels: { on } } })
    await api().configMap(namespace, 'other', {}, { on: 'no' })
    await api().configMap(namespace, 'one', {}, { on: 'no' })
    await api().patch(configMaps(namespace, 'one'), mergePatchType, label('one', 'yes'))
    await api().patch(configMaps(namespace, 'one'), mergePatchType, { data: { k: 'x' } })
    await api().patch(configMaps(namespace, 'one'), mergePatchType, label('one', 'no'))
    assert.deepEqual([await next(watch), await next(watch), await next(watch)], ['ADDED one', 'MODIFIED one', 'DELETED one'])
    watch.close()
    await api().drop(namespace)
  })

  test('one object is watched by its name, and a table row at a time', async () => {
    const namespace = await api().namespace()
    await api().configMap(namespace, 'one')
    await api().configMap(namespace, 'two')
    const accept = 'application/json;as=Table;v=v1;g=meta.k8s.io'
    const path = `${configMaps(namespace)}?watch=true&fieldSelector=metadata.name%3Dtwo`
    const watch = await api().watch(path, { accept })
    const { type, object } = await watch.next()
    assert.deepEqual([type, object.kind], ['ADDED', 'Table'])
    assert.deepEqual(at(asArray(object.rows)[0], 'cells', '0') ?? asArray(at(asArray(object.rows)[0], 'cells'))[0], 'two')
    watch.close()
    await api().drop(namespace)
  })

  test('a watch ends when its time is up', async () => {
    const reply = await api().get(`${configMaps('kube-public')}?watch=true&timeoutSeconds=1`)
    assert.equal(reply.status, 200)
  })

  test('the old form of the path is a watch, too', async () => {
    const namespace = await api().namespace()
    await api().configMap(namespace, 'one')
    const watch = await api().watch(`/api/v1/watch/namespaces/${namespace}/configmaps`)
    assert.equal(await next(watch), 'ADDED one')
    watch.close()
    await api().drop(namespace)
  })
}

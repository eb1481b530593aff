import assert from 'node:assert/strict'
import { test } from 'node:test'
import { asText, at, type Json, type JsonObject } from '../object.ts'
import { type Api, configMaps, mergePatchType, type Reply } from './api-client.ts'
import { assertStatus } from './refusals.ts'

const nobody = '00000000-0000-0000-0000-000000000000'

/** Owners, what is owned by them, jobs, and how both are deleted. */
export function owning(api: () => Api): void {
  const job = (name: string, metadata: JsonObject = {}, restartPolicy = 'Never'): JsonObject => ({
    metadata: { name, ...metadata },
    spec: { template: { spec: { restartPolicy, containers: [{ name: 'main', image: 'example' }] } } },
  })
  const jobs = (namespace: string, name = ''): string => `/apis/batch/v1/namespaces/${namespace}/jobs${name === '' ? '' : `/${name}`}`
  const made = async (path: string, body: Json): Promise<JsonObject> => {
    const { status, json, text } = await api().post(path, body)
    assert.equal(status, 201, text)
    return json
  }

  test('an owner that is not named whole is 422, and so are two that control', async () => {
    const namespace = await api().namespace()
    const own = (...ownerReferences: JsonObject[]): Promise<Reply> =>
      api().post(configMaps(namespace), { metadata: { name: 'owned', ownerReferences } })
    const owner = { apiVersion: 'v1', kind: 'ConfigMap', name: 'o', uid: nobody }
    for (const [key, why] of [
      ['apiVersion', /metadata.ownerReferences.apiVersion: Invalid value: "": version must not be empty/],
      ['kind', /metadata.ownerReferences.kind: Invalid value: "": must not be empty/],
      ['name', /metadata.ownerReferences.name: Invalid value: "": must not be empty/],
      ['uid', /metadata.ownerReferences.uid: Invalid value: "": must not be empty/],
    ] as const) {
      const { [key]: _, ...rest } = owner
      assertStatus(await own(rest), 422, 'Invalid', why)
    }
    assertStatus(await own({ ...owner, apiVersion: 'a/b/c' }), 422, 'Invalid', /Invalid value: "a\/b\/c": version must not be empty/)
    assertStatus(await own({ ...owner, kind: 'Event' }), 422, 'Invalid', /Kind=Event is disallowed from being an owner/)
    const both = await own({ ...owner, controller: true }, { ...owner, name: 'p', controller: true })
    assertStatus(both, 422, 'Invalid', /Only one reference can have Controller set to true.* ConfigMap\/o and ConfigMap\/p/)
    assert.equal((await api().get(configMaps(namespace, 'owned'))).status, 404)
    await api().drop(namespace)
  })

  test('jobs, config maps and secrets are made with their owner, and not in a dry run', async () => {
    const namespace = await api().namespace()
    const owner = await api().configMap(namespace, 'owner')
    const ownerReferences = [{ apiVersion: 'v1', kind: 'ConfigMap', name: 'owner', uid: asText(at(owner, 'metadata', 'uid')) }]
    const secrets = `/api/v1/namespaces/${namespace}/secrets`
    for (const [path, body] of [
      [jobs(namespace), job('owned', { ownerReferences })],
      [configMaps(namespace), { metadata: { name: 'owned', ownerReferences } }],
      [secrets, { metadata: { name: 'owned', ownerReferences }, stringData: { k: 'v' } }],
    ] as const) {
      await made(`${path}?dryRun=All`, body)
      assert.equal((await api().get(`${path}/owned`)).status, 404)
      await made(path, body)
      const { json } = await api().get(`${path}/owned`)
      assert.deepEqual(at(json, 'metadata', 'ownerReferences'), ownerReferences)
      if (path === secrets) assert.deepEqual([json.type, json.data], ['Opaque', { k: Buffer.from('v').toString('base64') }])
    }
    const typed = await api().patch(`${secrets}/owned`, mergePatchType, { type: 'x/y' })
    assertStatus(typed, 422, 'Invalid', /type: Invalid value: "x\/y": field is immutable/)
    await api().ask('DELETE', jobs(namespace, 'owned'), { body: { propagationPolicy: 'Background' } })
    await api().drop(namespace)
  })

  test('a job whose pods would be begun for ever is 422, and its pods stay as they were', async () => {
    const namespace = await api().namespace()
    const always = /spec.template.spec.restartPolicy: Required value: valid values: "OnFailure", "Never"/
    assertStatus(await api().post(jobs(namespace), job('x', {}, 'Always')), 422, 'Invalid', always)
    await made(jobs(namespace), job('j'))
    const other = { spec: { template: { spec: { restartPolicy: 'OnFailure' } } } }
    assertStatus(await api().patch(jobs(namespace, 'j'), mergePatchType, other), 422, 'Invalid', /spec.template: .*field is immutable/)
    await api().ask('DELETE', jobs(namespace, 'j'), { body: { propagationPolicy: 'Background' } })
    await api().drop(namespace)
  })

  test("a job's status is a merge patch of the subresource, and says the end whole", async () => {
    const namespace = await api().namespace()
    await made(jobs(namespace), job('j'))
    const patch = (status: JsonObject, below = '/status'): Promise<Reply> =>
      api().patch(`${jobs(namespace, 'j')}${below}`, mergePatchType, { status, spec: { parallelism: 5 } })
    const begun = await patch({ active: 1, startTime: '2026-01-01T00:00:00Z' })
    assert.deepEqual([begun.status, at(begun.json, 'status', 'active'), at(begun.json, 'spec', 'parallelism')], [200, 1, 1], begun.text)
    const complete = { type: 'Complete', status: 'True' }
    const half = await patch({ conditions: [complete] })
    assertStatus(half, 422, 'Invalid', /completionTime is required for Complete jobs/)
    assert.match(half.text, /cannot set Complete=True condition without the SuccessCriteriaMet=true condition/)
    assert.match(half.text, /is invalid for finished job/)
    const conditions = [{ type: 'SuccessCriteriaMet', status: 'True' }, complete]
    const ended = await patch({ active: 0, ready: 0, succeeded: 1, completionTime: '2026-01-01T00:01:00Z', conditions })
    assert.equal(ended.status, 200, ended.text)
    const main = await patch({ failed: 3 }, '')
    assert.deepEqual([main.status, at(main.json, 'status', 'failed')], [200, undefined], main.text)
    await api().ask('DELETE', jobs(namespace, 'j'), { body: { propagationPolicy: 'Background' } })
    await api().drop(namespace)
  })

  test('a job is deleted under a precondition, in the background, or with its pods left behind', async () => {
    const namespace = await api().namespace()
    for (const name of ['j', 'k', 'l']) await made(jobs(namespace), job(name))
    const drop = (name: string, body: JsonObject): Promise<Reply> => api().ask('DELETE', jobs(namespace, name), { body })
    const other = await drop('j', { preconditions: { uid: nobody }, propagationPolicy: 'Background' })
    assertStatus(other, 409, 'Conflict', /Job.batch "j": the UID in the precondition .* does not match/)
    const policy = /propagationPolicy: Unsupported value: "Sideways": supported values: "Foreground", "Background", "Orphan"/
    assertStatus(await drop('j', { propagationPolicy: 'Sideways' }), 422, 'Invalid', policy)
    const gone = await drop('j', { apiVersion: 'v1', kind: 'DeleteOptions', propagationPolicy: 'Background' })
    assert.deepEqual([gone.status, gone.json.status], [200, 'Success'], gone.text)
    assertStatus(await api().get(jobs(namespace, 'j')), 404, 'NotFound')
    // The default of jobs alone: their pods stay, and the answer says so.
    const left = await api().ask('DELETE', jobs(namespace, 'k'))
    assert.deepEqual([left.status, at(left.json, 'metadata', 'finalizers')], [200, ['orphan']], left.text)
    assert.match(asText(left.headers.warning), /^299 - "child pods are preserved by default when jobs are deleted;/)
    const waiting = await drop('l', { propagationPolicy: 'Foreground' })
    assert.deepEqual(at(waiting.json, 'metadata', 'finalizers'), ['foregroundDeletion'], waiting.text)
    for (const name of ['k', 'l']) await api().patch(jobs(namespace, name), mergePatchType, { metadata: { finalizers: null } })
    await api().drop(namespace)
  })
}

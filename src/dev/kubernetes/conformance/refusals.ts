import assert from 'node:assert/strict'
import { test } from 'node:test'
import { at } from '../object.ts'
import { type Api, configMaps, type Reply } from './api-client.ts'

/** Asserts a meta/v1 Status of this code and reason; a string message exactly, a pattern anywhere in it. */
export function assertStatus(reply: Reply, code: number, reason: string, message?: string | RegExp): void {
  assert.equal(reply.status, code, reply.text)
  const { kind, apiVersion, status } = reply.json
  assert.deepEqual({ kind, apiVersion, status }, { kind: 'Status', apiVersion: 'v1', status: 'Failure' })
  assert.equal(reply.json.code, code)
  assert.equal(reply.json.reason, reason, reply.text)
  if (typeof message === 'string') assert.equal(reply.json.message, message)
  if (message instanceof RegExp) assert.match(String(reply.json.message), message)
}

/** What is refused before anything is looked up or written. */
export function refusals(api: () => Api): void {
  test('an unknown bearer is 401, also where anonymous users would be let in', async () => {
    for (const path of ['/api/v1/namespaces', '/healthz']) {
      assertStatus(await api().get(path, { token: 'nobody' }), 401, 'Unauthorized', 'Unauthorized')
    }
  })

  test('no bearer is system:anonymous, who may read health but neither pods nor discovery', async () => {
    assert.equal((await api().get('/livez', { token: '' })).text, 'ok')
    const path = '/api/v1/namespaces/default/pods'
    const message = 'pods is forbidden: User "system:anonymous" cannot list resource "pods" in API group "" in the namespace "default"'
    assertStatus(await api().get(path, { token: '' }), 403, 'Forbidden', message)
    const discovery = 'forbidden: User "system:anonymous" cannot get path "/api"'
    assertStatus(await api().get('/api', { token: '' }), 403, 'Forbidden', discovery)
  })

  test('a path that is not there is 404: a Status below a known group, else plain text', async () => {
    const known = ['/api/v1/unicorns', '/apis/apps/v1/namespaces/default/unicorns', '/api/v1/namespaces/default/pods/x/unicorn']
    for (const path of known) {
      assertStatus(await api().get(path), 404, 'NotFound', 'the server could not find the requested resource')
    }
    for (const path of ['/nowhere', '/apis/unicorns.example.com/v1/things']) {
      const reply = await api().get(path)
      assert.deepEqual([reply.status, reply.text], [404, '404 page not found\n'])
    }
  })

  test('an object that is not there is 404 by name, and tells its details', async () => {
    const reply = await api().get('/apis/apps/v1/namespaces/default/deployments/absent')
    assertStatus(reply, 404, 'NotFound', 'deployments.apps "absent" not found')
    assert.deepEqual(reply.json.details, { name: 'absent', group: 'apps', kind: 'deployments' })
  })

  test("creating in a namespace that is not there is 404 by the namespace's name", async () => {
    const reply = await api().post(configMaps(api().name('absent')), { metadata: { name: 'x' } })
    assertStatus(reply, 404, 'NotFound', /^namespaces "absent-.*" not found$/)
  })

  test('a method a resource has not is 405', async () => {
    const collection = await api().ask('PUT', configMaps('default'), { body: { metadata: { name: 'x' } } })
    assertStatus(collection, 405, 'MethodNotAllowed', 'the server does not allow this method on the requested resource')
    const anywhere = await api().post('/api/v1/configmaps', { metadata: { name: 'x' } })
    assertStatus(anywhere, 405, 'MethodNotAllowed')
  })

  test('an answer the server cannot write is 406', async () => {
    const reply = await api().get(configMaps('default'), { accept: 'text/html' })
    assertStatus(reply, 406, 'NotAcceptable', /^406: Not Acceptable\n\nAvailable representations: application\/json, application\/yaml/)
  })

  test('a body it cannot read is 415, and so is a patch of an unknown type', async () => {
    const accepted = /^the body of the request was in an unknown format - accepted media types include: application\/json/
    const body = await api().post(configMaps('default'), '<xml/>', { contentType: 'text/xml' })
    assertStatus(body, 415, 'UnsupportedMediaType', accepted)
    const patch = await api().patch(configMaps('default', 'x'), 'application/json', {})
    assertStatus(patch, 415, 'UnsupportedMediaType', '415: Unsupported Media Type')
  })

  test('a body that is not JSON, not an object or of another kind is 400', async () => {
    const path = configMaps('default')
    assertStatus(await api().post(path, '{'), 400, 'BadRequest', /must be of type ConfigMap/)
    assertStatus(await api().post(path, '[]'), 400, 'BadRequest', /couldn't get version\/kind/)
    const secret = { apiVersion: 'v1', kind: 'Secret', metadata: { name: 'x' } }
    assertStatus(await api().post(path, secret), 400, 'BadRequest', /Secret in version "v1" cannot be handled as a ConfigMap/)
    const old = { apiVersion: 'v0', kind: 'ConfigMap', metadata: { name: 'x' } }
    assertStatus(await api().post(path, old), 400, 'BadRequest')
    const typed = { metadata: { name: 'x' }, data: { k: 1 } }
    assertStatus(await api().post(path, typed), 400, 'BadRequest', /cannot unmarshal number into Go struct field/)
  })

  test('a body beyond three MiB is 413', async () => {
    const reply = await api().post(configMaps('default'), { metadata: { name: 'x' }, data: { k: 'x'.repeat(3 << 20) } })
    assertStatus(reply, 413, 'RequestEntityTooLarge', /limit is 3145728/)
  })

  test('a name that cannot be one is 422 and says which field', async () => {
    const missing = await api().post(configMaps('default'), { metadata: {} })
    const text = 'ConfigMap "" is invalid: metadata.name: Required value: name or generateName is required'
    assertStatus(missing, 422, 'Invalid', text)
    const wrong = await api().post(configMaps('default'), { metadata: { name: 'Not_A_Name' } })
    assertStatus(
      wrong,
      422,
      'Invalid',
      /^ConfigMap "Not_A_Name" is invalid: metadata.name: Invalid value: "Not_A_Name": a lowercase RFC 1123 subdomain/,
    )
    assert.deepEqual(at(wrong.json, 'details', 'kind'), 'ConfigMap')
    const pod = await api().post('/api/v1/namespaces/default/pods', { metadata: { name: 'x' }, spec: { containers: [] } })
    assertStatus(pod, 422, 'Invalid', /spec.containers: Required value/)
  })

  test('a dryRun that is not All is refused rather than written', async () => {
    const name = api().name('dry')
    const reply = await api().post(`${configMaps('default')}?dryRun=true`, { metadata: { name } })
    assertStatus(reply, 422, 'Invalid', /dryRun: Unsupported value/)
    assert.equal((await api().get(configMaps('default', name))).status, 404)
  })

  test('selectors that cannot be read are 400', async () => {
    const field = await api().get(`${configMaps('default')}?fieldSelector=data.k%3Dv`)
    const message = '"data.k" is not a known field selector: only "metadata.name", "metadata.namespace"'
    assertStatus(field, 400, 'BadRequest', message)
    const pods = await api().get('/api/v1/pods?fieldSelector=spec.x%3Dy')
    assertStatus(pods, 400, 'BadRequest', 'field label not supported: spec.x')
    assertStatus(await api().get(`${configMaps('default')}?labelSelector=a%20in%20b`), 400, 'BadRequest')
    assertStatus(await api().get(`${configMaps('default')}?continue=nonsense`), 400, 'BadRequest', /^invalid continue token/)
    assertStatus(await api().get(`${configMaps('default')}?limit=x`), 400, 'BadRequest', /invalid syntax/)
    const version = await api().get(`${configMaps('default')}?resourceVersion=x`)
    assertStatus(version, 400, 'BadRequest', /^invalid resource version: resourceVersion: Invalid value: "x"/)
  })
}

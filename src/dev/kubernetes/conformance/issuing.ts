import assert from 'node:assert/strict'
import { test } from 'node:test'
import { asText, at, type JsonObject } from '../object.ts'
import type { Api, Reply } from './api-client.ts'
import { assertStatus } from './refusals.ts'

const rbac = '/apis/rbac.authorization.k8s.io/v1'

const accounts = (namespace: string): string => `/api/v1/namespaces/${namespace}/serviceaccounts`

function tokenOf(reply: Reply): string {
  assert.equal(reply.status, 201, reply.text)
  return asText(at(reply.json, 'status', 'token'))
}

function claimsOf(token: string): JsonObject {
  return JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString('utf8')) as JsonObject
}

/** Tokens of service accounts, and whom the API server takes for the account. */
export function issuing(api: () => Api): void {
  const account = async (namespace: string): Promise<JsonObject> => {
    const name = api().name('runner')
    const { status, json, text } = await api().post(accounts(namespace), { metadata: { name } })
    assert.equal(status, 201, text)
    return { name, uid: at(json, 'metadata', 'uid') ?? '' }
  }
  const ask = (namespace: string, name: string, spec: JsonObject, token?: string): Promise<Reply> =>
    api().post(`${accounts(namespace)}/${name}/token`, { spec }, token === undefined ? {} : { token })
  const whoIs = (token: string): Promise<Reply> => api().post('/apis/authentication.k8s.io/v1/selfsubjectreviews', {}, { token })

  test('a token is refused that would be short, for nobody, or bound to what is not there', async () => {
    const namespace = await api().namespace()
    const name = asText((await account(namespace)).name)
    assertStatus(await ask(namespace, 'absent', {}), 404, 'NotFound', 'serviceaccounts "absent" not found')
    for (const [expirationSeconds, why] of [
      [599, /spec.expirationSeconds: Invalid value: 599: may not specify a duration less than 10 minutes/],
      [-1, /may not specify a duration less than 10 minutes/],
      [2 ** 32 + 1, /may not specify a duration larger than 2\^32 seconds/],
    ] as const) {
      assertStatus(await ask(namespace, name, { expirationSeconds }), 422, 'Invalid', why)
    }
    assertStatus(await ask(namespace, name, { expirationSeconds: 'x' }), 400, 'BadRequest', /cannot unmarshal string into Go struct field/)
    const post = (body: JsonObject): Promise<Reply> => api().post(`${accounts(namespace)}/${name}/token`, body)
    assertStatus(await post({ metadata: { name: 'other' } }), 422, 'Invalid', /must match the service account name if specified/)
    assertStatus(await post({ metadata: { namespace: 'other' } }), 400, 'BadRequest', /does not match the namespace sent/)
    assertStatus(await post({ apiVersion: 'v1', kind: 'ServiceAccount' }), 400, 'BadRequest', /cannot be handled as a TokenRequest/)
    const bound = (ref: JsonObject): Promise<Reply> => ask(namespace, name, { boundObjectRef: { apiVersion: 'v1', ...ref } })
    const map = await bound({ kind: 'ConfigMap', name: 'x' })
    assertStatus(map, 400, 'BadRequest', 'cannot bind token to object of type /v1, Kind=ConfigMap')
    assertStatus(await bound({ kind: 'Secret', name: 'x' }), 404, 'NotFound', 'secrets "x" not found')
    await api().post(`/api/v1/namespaces/${namespace}/secrets`, { metadata: { name: 's' } })
    const other = await bound({ kind: 'Secret', name: 's', uid: '00000000-0000-0000-0000-000000000000' })
    assertStatus(other, 409, 'Conflict', /the UID in the bound object reference .* does not match the UID in record/)
    for (const method of ['GET', 'PUT', 'DELETE']) {
      assert.equal((await api().ask(method, `${accounts(namespace)}/${name}/token`, { body: {} })).status, 405, method)
    }
    await api().drop(namespace)
  })

  test('a token needs the right to create serviceaccounts/token, of that account', async () => {
    const namespace = await api().namespace()
    const [mine, other] = [asText((await account(namespace)).name), asText((await account(namespace)).name)]
    const user = api().name('minter')
    const token = await api().target.userToken(user, [])
    const place = `in API group "" in the namespace "${namespace}"`
    const message = `serviceaccounts "${mine}" is forbidden: User "${user}" cannot create resource "serviceaccounts/token" ${place}`
    assertStatus(await ask(namespace, mine, {}, token), 403, 'Forbidden', message)
    const name = api().name('minting')
    const rules = [
      { apiGroups: [''], resources: ['serviceaccounts'], verbs: ['*'] },
      { apiGroups: [''], resources: ['serviceaccounts/token'], resourceNames: [mine], verbs: ['create'] },
    ]
    await api().post(`${rbac}/namespaces/${namespace}/roles`, { metadata: { name }, rules })
    await api().post(`${rbac}/namespaces/${namespace}/rolebindings`, {
      metadata: { name },
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name },
      subjects: [{ apiGroup: 'rbac.authorization.k8s.io', kind: 'User', name: user }],
    })
    await api().until(
      () => ask(namespace, mine, {}, token),
      ({ status }) => status === 201,
    )
    assertStatus(await ask(namespace, other, {}, token), 403, 'Forbidden')
    await api().drop(namespace)
  })

  test('a token is the account, with its groups, and tells what was asked for', async () => {
    const namespace = await api().namespace()
    const { name, uid } = await account(namespace)
    const reply = await ask(namespace, asText(name), { expirationSeconds: 600 })
    const token = tokenOf(reply)
    assert.deepEqual([reply.json.kind, reply.json.apiVersion], ['TokenRequest', 'authentication.k8s.io/v1'])
    assert.deepEqual([at(reply.json, 'metadata', 'name'), at(reply.json, 'metadata', 'namespace')], [name, namespace])
    assert.equal(at(reply.json, 'spec', 'expirationSeconds'), 600)
    const ends = Date.parse(asText(at(reply.json, 'status', 'expirationTimestamp')))
    assert.ok(Math.abs(ends - Date.now() - 600_000) < 10_000, reply.text)
    const { sub, aud, iss, exp, iat, nbf, jti, 'kubernetes.io': about } = claimsOf(token)
    assert.deepEqual([sub, aud], [`system:serviceaccount:${namespace}:${asText(name)}`, [iss]])
    assert.deepEqual([Number(exp) - Number(iat), nbf], [600, iat])
    assert.deepEqual(about, { namespace, serviceaccount: { name, uid } })
    const who = await whoIs(token)
    assert.equal(who.status, 201, who.text)
    const { username, uid: known, groups, extra } = at(who.json, 'status', 'userInfo') as JsonObject
    assert.deepEqual([username, known], [sub, uid])
    assert.deepEqual(groups, ['system:serviceaccounts', `system:serviceaccounts:${namespace}`, 'system:authenticated'])
    assert.deepEqual(extra, { 'authentication.kubernetes.io/credential-id': [`JTI=${asText(jti)}`] })
    const lasting = await ask(namespace, asText(name), {})
    assert.equal(at(lasting.json, 'spec', 'expirationSeconds'), 3600)
    await api().drop(namespace)
  })

  test('a token for another audience, of another account, or changed, is nobody here', async () => {
    const namespace = await api().namespace()
    const { name } = await account(namespace)
    const foreign = tokenOf(await ask(namespace, asText(name), { audiences: ['elsewhere'] }))
    assert.deepEqual(claimsOf(foreign).aud, ['elsewhere'])
    const token = tokenOf(await ask(namespace, asText(name), {}))
    const [header = '', payload = '', signature = ''] = token.split('.')
    const renamed = { ...claimsOf(token), sub: 'system:serviceaccount:kube-system:admin' }
    const none = Buffer.from(JSON.stringify({ alg: 'none' })).toString('base64url')
    for (const bearer of [
      foreign,
      `${header}.${Buffer.from(JSON.stringify(renamed)).toString('base64url')}.${signature}`,
      `${header}.${payload}.${Buffer.alloc(64).toString('base64url')}`,
      `${none}.${payload}.`,
      `${header}.${payload}`,
    ]) {
      assertStatus(await whoIs(bearer), 401, 'Unauthorized')
    }
    await api().drop(namespace)
  })

  test('a token ends with its account, and with what it is bound to', async () => {
    const namespace = await api().namespace()
    const { name } = await account(namespace)
    const secrets = `/api/v1/namespaces/${namespace}/secrets`
    const secret = await api().post(secrets, { metadata: { name: 's' } })
    const uid = at(secret.json, 'metadata', 'uid') ?? ''
    const boundObjectRef = { apiVersion: 'v1', kind: 'Secret', name: 's', uid }
    const bound = tokenOf(await ask(namespace, asText(name), { boundObjectRef }))
    assert.deepEqual(at(claimsOf(bound)['kubernetes.io'], 'secret'), { name: 's', uid })
    const token = tokenOf(await ask(namespace, asText(name), {}))
    // Not shown before: an API server remembers for some seconds whom it has let in.
    await api().ask('DELETE', `${secrets}/s`)
    await api().post(secrets, { metadata: { name: 's' } })
    await api().until(
      () => whoIs(bound),
      ({ status }) => status === 401,
    )
    await api().ask('DELETE', `${accounts(namespace)}/${asText(name)}`)
    await api().post(accounts(namespace), { metadata: { name: asText(name) } })
    await api().until(
      () => whoIs(token),
      ({ status }) => status === 401,
    )
    await api().drop(namespace)
  })
}

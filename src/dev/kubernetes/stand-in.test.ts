import assert from 'node:assert/strict'
import { connect } from 'node:net'
import { test } from 'node:test'
import { Api, configMaps, versionOf } from './conformance/api-client.ts'
import { assertStatus } from './conformance/refusals.ts'
import { asArray, asText, at, type Json } from './object.ts'
import { historyLimit } from './object-store.ts'
import { type PodLogsTarget, podLogsConformance } from './pod-logs.conformance.ts'
import { devSeed } from './seed.ts'
import { type KubernetesStandIn, startKubernetes } from './server.ts'
import type { UserInfo } from './user-info.ts'

/** What only the stand-in has: a node, controllers, an audit trail in memory, a seed. */

type StandIn = PodLogsTarget & { server: KubernetesStandIn }

async function start(): Promise<StandIn> {
  const tokens = new Map<string, UserInfo>()
  const server = await startKubernetes({
    authenticate: async (bearer) => tokens.get(bearer),
    serviceAccounts: new Map([['admin', { username: 'admin', groups: ['system:masters'] }]]),
    seed: devSeed('dev:'),
  })
  const target: StandIn = {
    server,
    url: server.url,
    adminToken: 'admin',
    userToken: async (username, groups) => {
      tokens.set(`token-${tokens.size}`, { username, groups })
      return `token-${tokens.size - 1}`
    },
    close: () => server.close(),
    untilRunning: async (namespace, pod) => {
      const api = new Api(target)
      await api.until(
        () => api.get(`/api/v1/namespaces/${namespace}/pods/${pod}`),
        ({ json }) => at(json, 'status', 'phase') === 'Running',
      )
    },
    addLogLine: (...line) => server.addLogLine(...line),
  }
  return target
}

async function withStandIn(run: (api: Api, target: StandIn) => Promise<void>): Promise<void> {
  const target = await start()
  try {
    await run(new Api(target), target)
  } finally {
    await target.close()
  }
}

podLogsConformance('the stand-in has pod logs', start)

test('the seed gives each team its namespace, auditors a view, and nobody more', () =>
  withStandIn(async (api, target) => {
    const alice = await target.userToken('dev:alice', ['dev:team-a'])
    const auditor = await target.userToken('dev:carol', ['dev:auditors'])
    const list = async (token: string, namespace: string, resource: string): Promise<number> =>
      (await api.get(`/api/v1/namespaces/${namespace}/${resource}`, { token })).status
    assert.equal(await list(alice, 'team-a', 'pods'), 200)
    assert.equal(await list(alice, 'team-b', 'pods'), 403)
    assert.equal((await api.post(configMaps('team-a'), { metadata: { name: 'x' } }, { token: alice })).status, 201)
    assert.equal(await list(auditor, 'team-b', 'pods'), 200)
    assert.equal(await list(auditor, 'team-b', 'secrets'), 403)
    assert.equal((await api.post(configMaps('team-a'), { metadata: { name: 'y' } }, { token: auditor })).status, 403)
  }))

test('a pod of the seed that chatters has something to say', () =>
  withStandIn(async (api, target) => {
    await target.untilRunning('team-a', 'web')
    const stream = await api.stream('/api/v1/namespaces/team-a/pods/web/log?follow=true')
    assert.equal(await stream.nextLine(), 'started web')
    assert.match(String(await stream.nextLine()), /^web is alive/)
    stream.close()
    assert.throws(() => target.addLogLine('team-a', 'absent', 'x'), /there is no pod team-a\/absent/)
  }))

test('the audit trail tells who acted as whom, and both ends of a stream', () =>
  withStandIn(async (api, target) => {
    const headers = [
      ['Audit-Id', 'watched'],
      ['Impersonate-User', 'dev:alice'],
      ['Impersonate-Group', 'dev:team-a'],
    ] as const
    const watch = await api.watch(`${configMaps('team-a')}?watch=true`, { headers })
    await watch.next()
    const entries = (): ReturnType<KubernetesStandIn['audit']> => target.server.audit().filter((entry) => entry.auditID === 'watched')
    assert.deepEqual(
      entries().map((entry) => entry.stage),
      ['ResponseStarted'],
    )
    watch.close()
    await api.until(
      () => api.get('/version'),
      () => entries().length === 2,
    )
    const [, complete] = entries()
    assert.deepEqual(
      [complete?.stage, complete?.verb, complete?.user?.username, complete?.impersonatedUser?.username, complete?.responseStatus.code],
      ['ResponseComplete', 'watch', 'admin', 'dev:alice', 200],
    )
    assert.deepEqual(complete?.objectRef, { resource: 'configmaps', namespace: 'team-a', apiVersion: 'v1' })
    await api.get('/api/v1/nodes', { token: 'nobody' })
    const refused = target.server.audit().at(-1)
    assert.deepEqual([refused?.user, refused?.responseStatus.code], [undefined, 401])
  }))

test('a deleted namespace goes with all that is in it, and an object with its owner', () =>
  withStandIn(async (api) => {
    const owner = await api.configMap('team-a', 'owner')
    const { uid = '' } = owner.metadata as { uid?: string }
    const ownerReferences = [{ apiVersion: 'v1', kind: 'ConfigMap', name: 'owner', uid }]
    await api.post(configMaps('team-a'), { metadata: { name: 'owned', ownerReferences } })
    await api.ask('DELETE', configMaps('team-a', 'owner'))
    await api.until(
      () => api.get(configMaps('team-a', 'owned')),
      ({ status }) => status === 404,
    )
    await api.ask('DELETE', '/api/v1/namespaces/team-a')
    await api.until(
      () => api.get('/api/v1/namespaces/team-a'),
      ({ status }) => status === 404,
    )
    assert.deepEqual((await api.get('/api/v1/namespaces/team-a/pods')).json.items, [])
  }))

test('a foreground deletion waits for what is owned, and orphans are let go', () =>
  withStandIn(async (api) => {
    const own = async (policy: string): Promise<void> => {
      const owner = await api.configMap('team-a', `owner-${policy.toLowerCase()}`)
      const ownerReferences = [{ apiVersion: 'v1', kind: 'ConfigMap', name: 'o', uid: asText(at(owner, 'metadata', 'uid')) }]
      const finalizers = policy === 'Foreground' ? ['example.com/hold'] : []
      await api.post(configMaps('team-a'), { metadata: { name: `owned-${policy.toLowerCase()}`, ownerReferences, finalizers } })
      const deleted = await api.ask('DELETE', `${configMaps('team-a', `owner-${policy.toLowerCase()}`)}?propagationPolicy=${policy}`)
      assert.equal(deleted.json.kind, 'ConfigMap', 'it is not gone yet')
    }
    await own('Orphan')
    await api.until(
      () => api.get(configMaps('team-a', 'owner-orphan')),
      ({ status }) => status === 404,
    )
    assert.equal(at((await api.get(configMaps('team-a', 'owned-orphan'))).json, 'metadata', 'ownerReferences'), undefined)
    await own('Foreground')
    const held = configMaps('team-a', 'owned-foreground')
    await api.until(
      () => api.get(held),
      ({ json }) => at(json, 'metadata', 'deletionTimestamp') !== undefined,
    )
    assert.equal((await api.get(configMaps('team-a', 'owner-foreground'))).status, 200)
    await api.patch(held, 'application/merge-patch+json', { metadata: { finalizers: null } })
    await api.until(
      () => api.get(configMaps('team-a', 'owner-foreground')),
      ({ status }) => status === 404,
    )
  }))

test('a page from before the remembered past is 410', () =>
  withStandIn(async (api) => {
    for (const name of ['a', 'b']) await api.configMap('default', name)
    const first = (await api.get(`${configMaps('default')}?limit=1`)).json
    for (let count = 0; count <= historyLimit; count += 1) {
      await api.patch(configMaps('default', 'a'), 'application/merge-patch+json', { data: { k: String(count) } })
    }
    const token = encodeURIComponent(asText(at(first, 'metadata', 'continue')))
    assertStatus(await api.get(`${configMaps('default')}?limit=1&continue=${token}`), 410, 'Expired', /too old/)
    const watch = await api.watch(`${configMaps('default')}?watch=true&resourceVersion=${versionOf(first)}`)
    assert.equal((await watch.next()).type, 'ERROR')
    watch.close()
  }))

function delimited(number: number, content: Buffer | string): Buffer {
  const bytes = Buffer.from(content)
  return Buffer.concat([Buffer.from([(number << 3) | 2, bytes.length]), bytes])
}

function envelope(apiVersion: string, kind: string, content: Buffer): Buffer {
  const type = delimited(1, Buffer.concat([delimited(1, apiVersion), delimited(2, kind)]))
  return Buffer.concat([Buffer.from('k8s\0', 'latin1'), type, delimited(2, content)])
}

test('a protobuf body is read as kubectl writes it, and refused where it is not understood', () =>
  withStandIn(async (api) => {
    const contentType = 'application/vnd.kubernetes.protobuf'
    const send = (kind: string, content: Buffer): Promise<{ status: number; json: Json }> =>
      api.post(configMaps('default'), envelope('v1', kind, content).toString('latin1'), { contentType })
    const entry = Buffer.concat([delimited(1, 'k'), delimited(2, 'v')])
    const created = await send('ConfigMap', Buffer.concat([delimited(1, delimited(1, 'proto')), delimited(2, entry)]))
    assert.equal(created.status, 201)
    assert.deepEqual(at(created.json, 'data'), { k: 'v' })
    assert.equal((await send('ConfigMap', delimited(15, '?'))).status, 400)
    assert.equal((await send('Unicorn', Buffer.alloc(0))).status, 415)
    const cut = envelope('v1', 'ConfigMap', Buffer.from([0x0a, 0x7f])).toString('latin1')
    assert.equal((await api.post(configMaps('default'), cut, { contentType })).status, 400)
    assert.equal((await api.post(configMaps('default'), '{}', { contentType })).status, 400)
  }))

test('a request for a token in protobuf is what kubectl writes for `create token`', () =>
  withStandIn(async (api) => {
    const bound = delimited(3, Buffer.concat([delimited(1, 'Pod'), delimited(2, 'v1'), delimited(3, 'web')]))
    const ask = (...spec: Buffer[]) => {
      const body = envelope('authentication.k8s.io/v1', 'TokenRequest', delimited(2, Buffer.concat(spec))).toString('latin1')
      const contentType = 'application/vnd.kubernetes.protobuf'
      return api.post('/api/v1/namespaces/team-a/serviceaccounts/default/token', body, { contentType })
    }
    const { status, json, text } = await ask(delimited(1, 'here'), bound)
    assert.equal(status, 201, text)
    const boundObjectRef = { kind: 'Pod', apiVersion: 'v1', name: 'web' }
    assert.deepEqual(json.spec, { audiences: ['here'], expirationSeconds: 3600, boundObjectRef })
    const seconds = Buffer.from([(4 << 3) | 0, 100])
    assertStatus(await ask(delimited(1, 'here'), seconds), 422, 'Invalid', /expirationSeconds: Invalid value: 100: may not specify/)
  }))

/** Sends a path that no URL class has touched. */
function raw(url: string, path: string, token: string): Promise<string> {
  const { hostname, port } = new URL(url)
  return new Promise((resolve, reject) => {
    const socket = connect({ host: hostname, port: Number(port) })
    let text = ''
    socket.on('data', (chunk: Buffer) => {
      text += chunk.toString('utf8')
    })
    socket.on('end', () => resolve(text))
    socket.on('error', reject)
    socket.write(`GET ${path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${token}\r\nConnection: close\r\n\r\n`)
  })
}

test('a path is taken as it was sent: dot segments lead nowhere', () =>
  withStandIn(async (_, target) => {
    const token = await target.userToken('dev:alice', ['dev:team-a'])
    // The namespace is `team-a` and the resource `..`, for the decision as for the answer.
    for (const path of ['/api/v1/namespaces/team-a/../team-b/pods', '/api/v1/namespaces/team-a/%2e%2e/team-b/pods']) {
      const reply = await raw(target.url, path, token)
      assert.match(reply, /^HTTP\/1.1 403 /)
      assert.match(reply, /cannot get resource \\"..\/pods\\" in API group \\"\\" in the namespace \\"team-a\\"/)
    }
  }))

test('a warning that quotes what was sent is a header all the same', () =>
  withStandIn(async (api) => {
    const { status, headers } = await api.post(configMaps('default'), { metadata: { name: 'x' }, 'ein\u0000h\u{1f984}rn': 1 })
    assert.equal(status, 201)
    assert.match(String(headers.warning), /^299 - "unknown field/)
  }))

test('closing ends what is open', async () => {
  const target = await start()
  const watch = await new Api(target).watch('/api/v1/nodes?watch=true')
  assert.equal((await watch.next()).type, 'ADDED')
  await target.close()
  await assert.rejects(watch.next())
})

test('what a decoded __proto__ would do to a prototype, it does not', () =>
  withStandIn(async (api) => {
    const body = '{"metadata":{"name":"x"},"data":{"k":"v"},"__proto__":{"polluted":"yes"}}'
    assert.equal((await api.post(configMaps('default'), body)).status, 201)
    const patch = '{"__proto__":{"polluted":"yes"},"data":{"__proto__":{"polluted":"yes"}}}'
    await api.patch(configMaps('default', 'x'), 'application/merge-patch+json', patch)
    assert.equal(({} as Record<string, unknown>).polluted, undefined)
    assert.deepEqual(asArray(Object.keys((await api.get(configMaps('default', 'x'))).json.data ?? {})), ['k'])
  }))

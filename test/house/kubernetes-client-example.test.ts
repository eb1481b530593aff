/** The example backend does what it says, before a small API server, and the guide shows its very lines. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { after, before, describe, test } from 'node:test'
import { createBackend, MAY_WRITE, ON_REVIEW_OF } from '../../examples/kubernetes-client/server.ts'
import { memorySink } from '../../src/audit/audit-sink.fake.ts'
import { devSeed } from '../../src/dev/kubernetes/seed.ts'
import { type KubernetesStandIn, startKubernetes } from '../../src/dev/kubernetes/server.ts'
import { type ApiServer, createApiServer, Secret, serviceAccountClient } from '../../src/kubernetes/index.ts'
import { contentOf } from './files.ts'

const GUIDE = 'docs/guides/kubernetes-clients.md'

/** Carol may look everywhere and create nothing but reports, a kind that no API server needs to have for this. */
const RBAC = 'rbac.authorization.k8s.io'
const reporting = [
  {
    apiVersion: `${RBAC}/v1`,
    kind: 'Role',
    metadata: { name: 'reports', namespace: 'team-a' },
    rules: [{ apiGroups: ['example.com'], resources: ['reports'], verbs: ['create'] }],
  },
  {
    apiVersion: `${RBAC}/v1`,
    kind: 'RoleBinding',
    metadata: { name: 'reports', namespace: 'team-a' },
    roleRef: { apiGroup: RBAC, kind: 'Role', name: 'reports' },
    subjects: [{ apiGroup: RBAC, kind: 'User', name: 'dev:carol' }],
  },
]

describe('examples/kubernetes-client', () => {
  const audit = memorySink()
  let cluster: KubernetesStandIn
  let apiServer: ApiServer
  let backend: ReturnType<typeof createBackend>

  before(async () => {
    cluster = await startKubernetes({
      authenticate: async () => undefined,
      serviceAccounts: new Map([
        ['backend', { username: 'backend', groups: ['system:masters'] }],
        ['alice', { username: 'dev:alice', groups: ['dev:team-a'] }],
        ['carol', { username: 'dev:carol', groups: ['dev:auditors'] }],
      ]),
      seed: [...devSeed('dev:'), ...reporting],
    })
    apiServer = createApiServer({ origin: cluster.url })
    const account = serviceAccountClient(apiServer, {
      token: { read: () => new Secret('backend') },
      audit,
      resource: 'cluster/here',
      mayWrite: MAY_WRITE,
      onReviewOf: ON_REVIEW_OF,
    })
    backend = createBackend(apiServer, account).listen(0, '127.0.0.1')
    await once(backend, 'listening')
  })
  after(async () => {
    backend.closeAllConnections()
    backend.close()
    await apiServer.close()
    await cluster.close()
  })

  const ask = async (token: string | undefined, namespace: string, object?: object, what = 'configmaps') => {
    const answer = await fetch(`http://127.0.0.1:${(backend.address() as AddressInfo).port}/namespaces/${namespace}/${what}`, {
      ...(token === undefined ? {} : { headers: { authorization: `Bearer ${token}` } }),
      ...(object === undefined ? {} : { method: 'POST', body: JSON.stringify(object) }),
    })
    return { status: answer.status, body: (await answer.json()) as { reason?: string; said?: string; names?: string[]; name?: string } }
  }
  const byBackend = () => cluster.audit().filter(({ user }) => user?.username === 'backend')

  test('refuses who shows nothing or what nobody issued, and asks nobody else', async () => {
    for (const [token, reason] of [
      [undefined, 'not_signed_in'],
      ['bob', 'credential_refused'],
    ] as const) {
      for (const object of [undefined, { name: 'a' }]) {
        const { status, body } = await ask(token, 'team-a', object)
        assert.deepEqual([status, body.reason], [401, reason])
      }
    }
    assert.deepEqual(byBackend(), [])
  })

  test('refuses what the user may not do, although the account may', async () => {
    assert.equal((await ask('alice', 'team-b')).status, 403)
    assert.equal((await ask('alice', 'team-b', { name: 'a' })).status, 403)
    assert.equal((await ask('alice', 'team-a', { name: 'a' }, 'reports')).status, 403)
    assert.equal((await ask('carol', 'team-b', { name: 'a' }, 'reports')).status, 403)
    assert.equal((await ask('carol', 'team-a', { name: 'a' })).status, 403)
    for (const wanted of [{ name: '../a' }, {}, { name: 1 }, { name: 'a', data: 'x'.repeat(70_000) }]) {
      assert.equal((await ask('alice', 'team-a', wanted)).status, 400)
    }
    assert.deepEqual([byBackend(), audit.recorded], [[], []])
  })

  test('creates with the account what the user may create, and lists as the user', async () => {
    assert.deepEqual(await ask('alice', 'team-a', { name: 'made', data: { k: 'v' } }), { status: 201, body: { name: 'made' } })
    assert.equal((await ask('alice', 'team-a', { name: 'made' })).status, 409)
    assert.ok((await ask('carol', 'team-a')).body.names?.includes('made'))
    assert.deepEqual(
      byBackend().map(({ verb }) => verb),
      ['create', 'create'],
    )
    assert.equal(audit.recorded.length, 2)
  })

  test('makes the job for who may create the report, and tells who may not why', async () => {
    const before = audit.recorded.length
    assert.deepEqual(await ask('carol', 'team-a', { name: 'monthly' }, 'reports'), { status: 201, body: { name: 'monthly' } })
    const made = byBackend().at(-1)
    assert.deepEqual([made?.verb, made?.objectRef?.resource, made?.responseStatus.code], ['create', 'jobs', 201])
    const [record, ...others] = audit.recorded.slice(before)
    assert.ok(record?.event === 'escalated')
    assert.deepEqual([record.properties['resource'], record.reviewed['resource'], others], ['jobs', 'reports', []])
    const { said } = (await ask('alice', 'team-b')).body
    assert.match(String(said), /^configmaps is forbidden: User "dev:alice" cannot list resource "configmaps"/)
  })

  test('is what the guide shows', () => {
    const blocks = [...contentOf(GUIDE).matchAll(/^```ts\n([\s\S]*?)^```/gm)].map(([, block = '']) => block)
    assert.ok(blocks.length >= 2)
    const example = contentOf('examples/kubernetes-client/server.ts').replaceAll(/^ +/gm, '')
    for (const block of blocks) assert.ok(example.includes(block.replaceAll(/^ +/gm, '')), block)
  })
})

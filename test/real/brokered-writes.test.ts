/**
 * Every kind of write on a real API server: apply, patch, status, token, delete, Secrets, other namespaces. The account has
 * exactly what `mandate rbac` prints for the configuration, so what works here needs no more.
 */
import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import type { TestUser } from '../../src/dev/issuer/options.ts'
import type { ConfigDraft } from '../journeys/stage.ts'
import { ALICE } from '../journeys/world.ts'
import { type Json, OURS, SESSIONS, setBrokeredStage } from './brokered-stage.ts'
import { eventually } from './eventually.ts'
import { runMandate } from './mandate.ts'
import type { Kubernetes } from './parts/kube-apiserver.ts'
import { temporaryFolder } from './parts/process.ts'
import { tokenOf } from './seeding.ts'

const A_REVIEW = 'create selfsubjectaccessreviews'
const MAPS = '/api/v1/namespaces/project-a/configmaps'

const IN_PROJECT = { namespace: { cel: 'path.project' } }
const MAP = { kind: 'map', ...IN_PROJECT, name: { cel: 'path.name' } }
const DATA = { type: 'object', additionalProperties: { type: 'string' } }
const WRITTEN = { data: { cel: 'body' } }

const OPERATIONS = [
  {
    name: 'apply',
    match: { method: 'PUT', path: '/maps/{project}/{name}' },
    body: DATA,
    writes: [{ do: 'apply', ...MAP, object: WRITTEN }],
  },
  {
    name: 'patch',
    match: { method: 'PATCH', path: '/maps/{project}/{name}' },
    body: DATA,
    writes: [{ do: 'patch', ...MAP, patch: WRITTEN }],
  },
  { name: 'delete', match: { method: 'DELETE', path: '/maps/{project}/{name}' }, writes: [{ do: 'delete', ...MAP }] },
  {
    name: 'status',
    match: { method: 'PUT', path: '/phases/{project}/{name}' },
    body: { enum: ['Running', 'Failed'] },
    writes: [{ do: 'status', kind: 'session', ...IN_PROJECT, name: { cel: 'path.name' }, status: { phase: { cel: 'body' } } }],
  },
  {
    // A verb that no request has: roles can grant it all the same.
    name: 'approve',
    match: { method: 'POST', path: '/approvals/{project}/{name}' },
    writes: [
      {
        do: 'create',
        kind: 'map',
        ...IN_PROJECT,
        name: { cel: '"approved-" + unique' },
        review: { verb: 'approve', kind: 'session', name: { cel: 'path.name' } },
        object: { data: { name: { cel: 'path.name' } } },
      },
    ],
  },
  {
    name: 'copy',
    match: { method: 'POST', path: '/copies/{project}/{name}' },
    given: { origin: { kind: 'session', ...IN_PROJECT, name: { cel: 'path.name' } } },
    writes: [
      {
        do: 'create',
        as: 'copy',
        kind: 'map',
        ...IN_PROJECT,
        name: { cel: '"copy-" + unique' },
        ownedBy: 'origin',
        object: { data: { prompt: { cel: 'given.origin.spec.prompt' } } },
      },
      // In another namespace, with a review of its own there.
      {
        do: 'create',
        kind: 'map',
        namespace: 'project-b',
        name: { cel: '"copy-" + unique' },
        ownedBy: 'copy',
        object: { data: { of: { cel: 'written.copy.metadata.name' } } },
      },
    ],
  },
  {
    name: 'token',
    match: { method: 'POST', path: '/tokens/{project}' },
    writes: [
      {
        do: 'token',
        ...IN_PROJECT,
        serviceAccount: 'runner',
        audiences: ['https://kubernetes.default.svc'],
        expirationSeconds: 600,
        review: { verb: 'create', kind: 'session' },
        inAnswerOpen: true,
      },
    ],
  },
  {
    name: 'secret',
    match: { method: 'POST', path: '/secrets/{project}' },
    body: { type: 'object', required: ['value'], properties: { value: { type: 'string' } } },
    writes: [
      {
        do: 'create',
        kind: 'secret',
        ...IN_PROJECT,
        name: { cel: '"kept-" + unique' },
        object: { type: 'Opaque', stringData: { value: { cel: 'body.value' } } },
      },
    ],
  },
]

/** Alice is in project-a alone; dora in both; eve may patch config maps and not create them. */
const PEOPLE: readonly TestUser[] = [
  ALICE,
  { ...ALICE, name: 'dora', sub: 'dora', email: 'dora@corp.example', groups: ['team-a', 'both'] },
  { ...ALICE, name: 'eve', sub: 'eve', email: 'eve@corp.example', groups: ['patchers'] },
]

const RBAC = 'rbac.authorization.k8s.io'
const granted = (namespace: string, group: string, rules: readonly object[]) => [
  { apiVersion: `${RBAC}/v1`, kind: 'Role', metadata: { name: `more-${group}`, namespace }, rules },
  {
    apiVersion: `${RBAC}/v1`,
    kind: 'RoleBinding',
    metadata: { name: `more-${group}`, namespace },
    roleRef: { apiGroup: RBAC, kind: 'Role', name: `more-${group}` },
    subjects: [{ apiGroup: RBAC, kind: 'Group', name: `corp:${group}` }],
  },
]
const rule = (apiGroup: string, resource: string, ...verbs: string[]) => ({ apiGroups: [apiGroup], resources: [resource], verbs })
const RIGHTS = [
  { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'more', namespace: 'mandate' } },
  ...granted('project-a', 'team-a', [
    rule('', 'configmaps', 'get', 'create', 'patch', 'delete'),
    rule('', 'secrets', 'create'),
    rule('vteam.ambient-code', 'agenticsessions/status', 'patch'),
  ]),
  ...granted('project-a', 'both', [{ ...rule('vteam.ambient-code', 'agenticsessions', 'approve'), resourceNames: ['theirs'] }]),
  ...granted('project-b', 'both', [rule('', 'configmaps', 'create')]),
  ...granted('project-a', 'patchers', [rule('', 'configmaps', 'get', 'patch')]),
]

/** A second broker, whose account gets what the command says of it. */
async function addBroker(folder: string, config: ConfigDraft, brokered: Record<string, Json>, kubernetes: Kubernetes): Promise<void> {
  const [token, file] = [join(folder, 'account'), join(folder, 'mandate.json')]
  const session = brokered['sessions'].kinds.session
  brokered['more'] = {
    cluster: 'prod',
    account: { token: { file: token } },
    namespaces: ['project-a', 'project-b'],
    kinds: {
      session,
      map: { version: 'v1', resource: 'configmaps', kind: 'ConfigMap' },
      secret: { version: 'v1', resource: 'secrets', kind: 'Secret' },
    },
    rightsOpen: ['secrets'],
    operations: OPERATIONS,
  }
  const apply = async (objects: string) => {
    const { code, stderr } = await kubernetes.kubectl(['apply', '-f', '-'], { input: objects })
    assert.equal(code, 0, stderr)
  }
  await apply(JSON.stringify({ apiVersion: 'v1', kind: 'List', items: RIGHTS }))
  await writeFile(token, await tokenOf(kubernetes.ask, { namespace: 'mandate', name: 'more' }), { mode: 0o600 })
  await writeFile(file, JSON.stringify(config))
  const roles = await runMandate(['rbac', '--config', file, '--broker', 'more', '--service-account', 'mandate/more'])
  assert.equal(roles.code, 0, roles.stderr)
  await apply(roles.stdout)
}

test('every kind of write, with the rights that mandate rbac prints', { timeout: 240_000 }, async (t) => {
  const folder = await temporaryFolder('brokered-writes')
  t.after(() => folder.remove())
  const stage = await setBrokeredStage(t, {
    users: PEOPLE,
    configure: (config, brokered, kubernetes) => addBroker(folder.path, config, brokered, kubernetes),
  })
  const { ask, look, kubernetes } = stage
  for (const namespace of ['project-a', 'project-b'])
    assert.equal((await kubernetes.ask(`/api/v1/namespaces/${namespace}/configmaps`, { method: 'DELETE' })).status, 200)
  const byAccount = (lines: readonly string[]) => lines.filter((line) => line.startsWith('account '))

  await t.test('apply needs the reviews for patch and for create, makes and changes, and owns what it says', async () => {
    const lines = await stage.since()
    const refused = await ask('eve', 'PUT', '/maps/project-a/applied', { body: { a: '1' } })
    assert.deepEqual([refused.status, refused.body.code, refused.body.detail], [403, 'not_permitted', 'create configmaps'])
    await eventually('both reviews arrive', async () => (await lines()).length === 2)
    assert.deepEqual(await lines(), [`eve ${A_REVIEW}`, `eve ${A_REVIEW}`])
    const made = await ask('alice', 'PUT', '/maps/project-a/applied', { body: { a: '1', b: '1' } })
    assert.deepEqual([made.status, made.body.data], [200, { a: '1', b: '1' }], made.text)
    const changed = await ask('alice', 'PUT', '/maps/project-a/applied', { body: { a: '2' } })
    assert.deepEqual([changed.status, changed.body.data], [200, { a: '2' }])
    const { metadata } = await look(`${MAPS}/applied`)
    assert.deepEqual(
      metadata.managedFields.map(({ manager, operation }: Json) => [manager, operation]),
      [['mandate', 'Apply']],
    )
    assert.equal(metadata.annotations['mandate/subject'], 'alice')
    const each = [`alice ${A_REVIEW}`, `alice ${A_REVIEW}`, 'alice get configmaps', 'account patch configmaps']
    assert.deepEqual((await lines()).slice(2), [...each, ...each])
  })

  await t.test('apply does not touch what this broker did not write', async () => {
    const theirs = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'managed' }, data: { a: 'theirs' } }
    const made = await kubernetes.ask(`${MAPS}/managed?fieldManager=somebody`, {
      method: 'PATCH',
      headers: { 'content-type': 'application/apply-patch+yaml' },
      body: theirs,
    })
    assert.equal(made.status, 201, made.body)
    const { status, body } = await ask('alice', 'PUT', '/maps/project-a/managed', { body: { a: 'ours' } })
    assert.deepEqual([status, body.code], [403, 'object_not_ours'])
    assert.deepEqual((await look(`${MAPS}/managed`)).data, { a: 'theirs' })
  })

  await t.test('apply does not take a field that somebody else manages', async () => {
    assert.equal((await ask('alice', 'PUT', '/maps/project-a/shared', { body: { a: 'ours' } })).status, 200)
    const theirs = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'shared' }, data: { a: 'theirs' } }
    const taken = await kubernetes.ask(`${MAPS}/shared?fieldManager=somebody&force=true`, {
      method: 'PATCH',
      headers: { 'content-type': 'application/apply-patch+yaml' },
      body: theirs,
    })
    assert.equal(taken.status, 200, taken.body)
    const { status, body } = await ask('alice', 'PUT', '/maps/project-a/shared', { body: { a: 'ours again' } })
    assert.deepEqual([status, body.code], [409, 'object_changed'])
    assert.deepEqual((await look(`${MAPS}/shared`)).data, { a: 'theirs' })
  })

  await t.test('patch changes what is there and makes nothing', async () => {
    const changed = await ask('eve', 'PATCH', '/maps/project-a/applied', { body: { c: '3' } })
    assert.deepEqual([changed.status, changed.body.data], [200, { a: '2', c: '3' }], changed.text)
    assert.equal(changed.body.metadata.annotations['mandate/subject'], 'alice', 'whoever changes it does not become its author')
    const missing = await ask('eve', 'PATCH', '/maps/project-a/not-there', { body: { c: '3' } })
    assert.deepEqual([missing.status, missing.body.code], [404, 'object_unknown'])
    assert.equal(await look(`${MAPS}/not-there`), undefined)
  })

  await t.test('delete takes what this broker wrote, and not what another broker or hand did', async () => {
    const kept = await ask('alice', 'DELETE', '/maps/project-a/managed')
    assert.deepEqual([kept.status, kept.body.code], [403, 'object_not_ours'])
    const refused = await ask('eve', 'DELETE', '/maps/project-a/applied')
    assert.deepEqual([refused.status, refused.body.code], [403, 'not_permitted'])
    const gone = await ask('alice', 'DELETE', '/maps/project-a/applied')
    assert.deepEqual([gone.status, gone.text], [204, ''])
    assert.equal(await look(`${MAPS}/applied`), undefined)
  })

  await t.test('status is written after a review of that very subresource', async () => {
    const name = await stage.session()
    const { status, body, text } = await ask('alice', 'PUT', `/phases/project-a/${name}`, { body: '"Running"' })
    assert.deepEqual([status, body?.status?.phase], [200, 'Running'], text)
    const refused = await ask('eve', 'PUT', `/phases/project-a/${name}`, { body: '"Failed"' })
    assert.deepEqual([refused.status, refused.body.detail], [403, 'patch agenticsessions/status'])
    const wrong = await ask('alice', 'PUT', `/phases/project-a/${name}`, { body: '"Sleeping"' })
    assert.deepEqual([wrong.status, wrong.body.faults[0].path], [400, ''])
  })

  await t.test('a verb of its own is reviewed like any other, bound to a name', async () => {
    for (const [who, name] of [
      ['alice', 'theirs'],
      ['dora', 'another'],
    ] as const) {
      const { status, body } = await ask(who, 'POST', `/approvals/project-a/${name}`)
      assert.deepEqual([status, body.code, body.detail], [403, 'not_permitted', 'approve agenticsessions'])
    }
    const { status, text } = await ask('dora', 'POST', '/approvals/project-a/theirs')
    assert.equal(status, 201, text)
  })

  await t.test('what is given is read as the user: 404 where it is not, 403 where they may not, and the account does nothing', async () => {
    const name = await stage.session('to be copied')
    const lines = await stage.since()
    const missing = await ask('alice', 'POST', '/copies/project-a/not-there')
    assert.deepEqual([missing.status, missing.body.code], [404, 'object_unknown'])
    const refused = await ask('eve', 'POST', `/copies/project-a/${name}`)
    assert.deepEqual([refused.status, refused.body.code], [403, 'not_permitted'])
    assert.deepEqual(byAccount(await lines()), [])
    assert.deepEqual(await lines(), ['alice get agenticsessions', 'eve get agenticsessions'])
  })

  await t.test('a write in another namespace has a review of its own there, and without it nothing is written anywhere', async () => {
    const name = await stage.session('to be copied')
    const before = (await look(MAPS)).items.length
    const refused = await ask('alice', 'POST', `/copies/project-a/${name}`)
    assert.deepEqual([refused.status, refused.body.code], [403, 'not_permitted'])
    assert.equal((await look(MAPS)).items.length, before)
    const made = await ask('dora', 'POST', `/copies/project-a/${name}`)
    assert.equal(made.status, 201, made.text)
    const { metadata, data } = made.body
    assert.deepEqual(data, { prompt: 'to be copied' })
    const { uid } = (await look(`${SESSIONS}/${name}`)).metadata
    assert.equal(metadata.ownerReferences[0].uid, uid)
    const far = await look(`/api/v1/namespaces/project-b/configmaps/${metadata.name}`)
    assert.deepEqual(far.data, { of: metadata.name })
    // The cluster's garbage collector knows no owner in another namespace; the marks do.
    assert.equal(far.metadata.ownerReferences, undefined)
    assert.equal(far.metadata.labels['mandate/owner'], metadata.uid)
    assert.deepEqual(JSON.parse(far.metadata.annotations['mandate/owner']).namespace, 'project-a')
  })

  await t.test('a token is in the answer where the key says so, and works as its ServiceAccount', async () => {
    const refused = await ask('eve', 'POST', '/tokens/project-a')
    assert.equal(refused.body.code, 'not_permitted')
    const { status, body, text } = await ask('alice', 'POST', '/tokens/project-a')
    assert.equal(status, 201, text)
    assert.deepEqual(Object.keys(body).sort(), ['expirationTimestamp', 'token'])
    assert.ok(Date.parse(body.expirationTimestamp) > Date.now())
    const review = { apiVersion: 'authentication.k8s.io/v1', kind: 'SelfSubjectReview' }
    const who = await kubernetes.ask('/apis/authentication.k8s.io/v1/selfsubjectreviews', { token: body.token, body: review })
    assert.equal(JSON.parse(who.body).status.userInfo.username, 'system:serviceaccount:project-a:runner')
    assert.ok(!stage.stage.logged().includes(body.token))
  })

  await t.test('a Secret is written, and its answer holds no value', async () => {
    const { status, body, text } = await ask('alice', 'POST', '/secrets/project-a', { body: { value: 'kept-to-itself' } })
    assert.equal(status, 201, text)
    assert.deepEqual([body.kind, body.data, body.stringData], ['Secret', undefined, undefined])
    const encoded = Buffer.from('kept-to-itself').toString('base64')
    assert.ok(!text.includes(encoded) && !text.includes('kept-to-itself'))
    assert.equal((await look(`/api/v1/namespaces/project-a/secrets/${body.metadata.name}`)).data.value, encoded)
    assert.ok(!stage.stage.logged().includes('kept-to-itself'))
  })

  await t.test("two brokers do not take one another's objects for their own", async () => {
    const name = await stage.session()
    assert.equal((await ask('alice', 'GET', `${OURS}/${name}`)).body.metadata.labels['mandate/broker'], 'sessions')
    const copied = await ask('dora', 'POST', `/copies/project-a/${name}`)
    assert.equal(copied.body.metadata.labels['mandate/broker'], 'more')
  })
})

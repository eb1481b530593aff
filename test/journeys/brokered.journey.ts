/** A backend without code: what a person may have written is checked with their own rights, and written with the service's. */
import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite, type TestContext, test } from 'node:test'
import { createBrowser } from '../fakes/browser.ts'
import { eventually } from '../fakes/raw-http.ts'
import { arrivals, bearerOf, codeOf, cookieOf } from './asks.ts'
import { type Stage, type StageOptions, setStage } from './stage.ts'
import { PREFIX, type StartWorld, type World } from './world.ts'

const RBAC = 'rbac.authorization.k8s.io'
const NAME = 'brokered-journey'
const NAMESPACES = ['team-a', 'team-b']
const NOTES = '/projects/team-a/notes'
const MAPS = '/api/v1/namespaces/team-a/configmaps'

/** What the service may write in a namespace, and nothing else; it is the user `robot` of the same issuer, so that every world has it. */
const rightsIn = (namespace: string): ReadonlyArray<readonly [resource: string, object: object]> => [
  [
    'roles',
    {
      apiVersion: `${RBAC}/v1`,
      kind: 'Role',
      metadata: { name: NAME, namespace },
      rules: [
        { apiGroups: [''], resources: ['configmaps'], verbs: ['create', 'patch', 'delete'] },
        { apiGroups: [''], resources: ['secrets'], verbs: ['create'] },
        { apiGroups: [''], resources: ['serviceaccounts/token'], resourceNames: ['runner'], verbs: ['create'] },
        { apiGroups: ['batch'], resources: ['jobs'], verbs: ['create'] },
      ],
    },
  ],
  [
    'rolebindings',
    {
      apiVersion: `${RBAC}/v1`,
      kind: 'RoleBinding',
      metadata: { name: NAME, namespace },
      roleRef: { apiGroup: RBAC, kind: 'Role', name: NAME },
      subjects: [{ apiGroup: RBAC, kind: 'User', name: `${PREFIX}robot` }],
    },
  ],
]

const IN_PROJECT = { namespace: { cel: 'path.project' } }
const UNIQUE = { cel: '"note-" + unique' }
const OWN = { kind: 'note', ...IN_PROJECT, name: { cel: 'path.note' } }

/** The session is a ConfigMap here, because every cluster has those; it gets a Job. */
const CREATE = {
  name: 'create',
  match: { method: 'POST', path: '/projects/{project}/notes' },
  body: {
    type: 'object',
    additionalProperties: false,
    required: ['text'],
    properties: { text: { type: 'string', minLength: 1 }, color: { enum: ['red', 'blue'] } },
  },
  writes: [
    {
      do: 'create',
      as: 'note',
      kind: 'note',
      ...IN_PROJECT,
      name: UNIQUE,
      object: { data: { text: { cel: 'body.text' }, by: { cel: 'principal.subject' } } },
    },
    {
      do: 'create',
      as: 'job',
      kind: 'job',
      ...IN_PROJECT,
      name: UNIQUE,
      ownedBy: 'note',
      review: { verb: 'create', kind: 'note' },
      object: {
        spec: { template: { spec: { restartPolicy: 'Never', containers: [{ name: 'runner', image: 'registry.example/runner:1.0' }] } } },
      },
    },
  ],
}

const OPERATIONS = [
  { name: 'list', match: { method: 'GET', path: '/projects/{project}/notes' }, asUser: { do: 'list', kind: 'note', ...IN_PROJECT } },
  { name: 'get', match: { method: 'GET', path: '/projects/{project}/notes/{note}' }, asUser: { do: 'get', ...OWN } },
  CREATE,
  {
    name: 'close',
    match: { method: 'POST', path: '/projects/{project}/notes/{note}/close' },
    writes: [{ do: 'patch', ...OWN, patch: { data: { closed: 'true', closedBy: { cel: 'principal.subject' } } } }],
  },
  { name: 'delete', match: { method: 'DELETE', path: '/projects/{project}/notes/{note}' }, writes: [{ do: 'delete', ...OWN }] },
]

/** Prepares the cluster as its administrator: the world's broker may impersonate anybody. */
async function asAdministrator({ cluster }: World, method: string, path: string, object?: object): Promise<number> {
  const headers = {
    Authorization: `Bearer ${cluster.brokerToken}`,
    'Impersonate-User': 'administrator',
    'Impersonate-Group': 'system:masters',
    'Content-Type': 'application/json',
  }
  const asking = createBrowser(cluster.ca === undefined ? {} : { ca: cluster.ca })
  const answer = await asking.get(cluster.url + path, {
    method,
    headers,
    ...(object === undefined ? {} : { body: JSON.stringify(object) }),
  })
  return answer.status
}

interface Asked {
  readonly body?: unknown
  readonly headers?: Readonly<Record<string, string>>
}

async function setBroker(t: TestContext, start: StartWorld, operations: readonly object[] = OPERATIONS, more: StageOptions = {}) {
  const folder = await mkdtemp(join(tmpdir(), 'mandate-brokered-'))
  const token = join(folder, 'account')
  const rights = NAMESPACES.flatMap((namespace) =>
    rightsIn(namespace).map(([resource, object]) => ({ path: `/apis/${RBAC}/v1/namespaces/${namespace}/${resource}`, object })),
  )
  const stage = await setStage(
    t,
    async (options) => {
      const world = await start(options)
      // Before the world is closed: nobody after this has these rights.
      t.after(async () => {
        for (const { path } of rights) await asAdministrator(world, 'DELETE', `${path}/${NAME}`)
        await rm(folder, { recursive: true, force: true })
      })
      for (const { path, object } of rights) assert.equal(await asAdministrator(world, 'POST', path, object), 201)
      await writeFile(token, world.issuer.mintAccessToken({ client: 'robot' }), { mode: 0o600 })
      return world
    },
    {
      ...more,
      async configure(config, world) {
        await more.configure?.(config, world)
        config['brokered'] = {
          notes: {
            cluster: 'named',
            account: { token: { file: token } },
            namespaces: NAMESPACES,
            kinds: {
              note: { version: 'v1', resource: 'configmaps', kind: 'ConfigMap' },
              job: { group: 'batch', version: 'v1', resource: 'jobs', kind: 'Job' },
            },
            operations,
          },
        }
      },
    },
  )
  const ask = async (who: string, method: string, path: string, { body, headers = {} }: Asked = {}) => {
    const proof = who === '' ? {} : who.includes('.') ? { Authorization: `Bearer ${who}` } : { Authorization: bearerOf(stage, who) }
    const answer = await fetch(stage.origin + path, {
      method,
      headers: { ...proof, ...(body === undefined ? {} : { 'Content-Type': 'application/json' }), ...headers },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
    return { status: answer.status, body: await answer.text() }
  }
  // The account is looked at before it is used.
  await eventually(
    async () => (await ask('alice', 'POST', NOTES, { body: { text: 'the first' } })).status,
    (status) => status === 201,
    20_000,
  )
  return { stage, ask, byAccount: () => accountOf(stage) }
}

/** What the service's own account did so far; what it looks up for itself is nobody's request. */
async function accountOf({ world }: Stage): Promise<string[]> {
  const done = (await arrivals(world)).filter(({ user, impersonated }) => user === `${PREFIX}robot` && impersonated === undefined)
  return done.filter(({ uri }) => !uri.startsWith('/apis/authorization.k8s.io/')).map(({ verb, uri }) => `${verb} ${uri.split('?')[0]}`)
}

/** Runs the journey on a world. */
export function brokered(name: string, start: StartWorld): void {
  suite(`brokered resources, ${name}`, () => {
    test('who is nobody, sends nonsense, or may not, is refused in that order, and the account does nothing', async (t) => {
      const { stage, ask, byAccount } = await setBroker(t, start)
      const before = await byAccount()
      const wrong = { text: '', color: 'green', more: 1 }
      const refusals: ReadonlyArray<readonly [who: string, path: string, body: object, status: number, code: string]> = [
        ['', NOTES, wrong, 401, 'not_signed_in'],
        ['not.a.token', NOTES, wrong, 401, 'token_malformed'],
        ['bob', NOTES, wrong, 400, 'body_invalid'],
        ['bob', NOTES, { text: 'a' }, 403, 'not_permitted'],
        ['alice', '/projects/team-b/notes', { text: 'a' }, 403, 'not_permitted'],
        ['alice', '/projects/default/notes', { text: 'a' }, 403, 'namespace_refused'],
        ['alice', '/projects/kube-system/notes', { text: 'a' }, 403, 'namespace_refused'],
        ['alice', '/projects/Team_A/notes', { text: 'a' }, 400, 'parameter_invalid'],
        ['alice', `${NOTES}?dryRun=All`, { text: 'a' }, 400, 'parameter_invalid'],
        ['bob', `${NOTES}/settings/close`, {}, 400, 'body_invalid'],
      ]
      for (const [who, path, body, status, code] of refusals) {
        const answer = await ask(who, 'POST', path, { body })
        assert.deepEqual([answer.status, codeOf(answer)], [status, code], `${who} ${path}: ${answer.body}`)
      }
      const faults = JSON.parse((await ask('bob', 'POST', NOTES, { body: wrong })).body).faults as ReadonlyArray<{ path: string }>
      assert.deepEqual(faults.map(({ path }) => path).sort(), ['/color', '/more', '/text'])
      assert.deepEqual(await byAccount(), before)
      assert.equal(stage.audit('brokered').length, before.length)
    })

    test('a read goes with the rights of who asks, and its answer is the one of the API server', async (t) => {
      const { stage, ask, byAccount } = await setBroker(t, start)
      const before = await byAccount()
      const { items } = JSON.parse((await ask('alice', 'GET', NOTES)).body)
      assert.ok(items.some(({ metadata }: { metadata: { name: string } }) => metadata.name === 'settings'))
      assert.equal(JSON.parse((await ask('alice', 'GET', `${NOTES}/settings`)).body).data.owner, 'team-a')
      const refused = await ask('bob', 'GET', NOTES)
      assert.deepEqual([refused.status, JSON.parse(refused.body).kind], [403, 'Status'])
      assert.match(refused.body, /User \\"corp:bob\\" cannot list resource \\"configmaps\\"/)
      const watched = await ask('alice', 'GET', `${NOTES}?watch=1`)
      assert.deepEqual([watched.status, codeOf(watched)], [400, 'parameter_invalid'])
      assert.deepEqual(await byAccount(), before)
      const lists = (await arrivals(stage.world, MAPS)).filter(({ verb }) => verb === 'list')
      assert.deepEqual(
        lists.map(({ impersonated }) => impersonated?.username),
        [`${PREFIX}alice`, `${PREFIX}bob`],
      )
    })

    test('a create is reviewed as who asks, written by the account, and says who asked', async (t) => {
      const { stage, ask, byAccount } = await setBroker(t, start)
      const before = await byAccount()
      const made = await ask('alice', 'POST', NOTES, { body: { text: 'hello' } })
      assert.equal(made.status, 201, made.body)
      const { metadata, data } = JSON.parse(made.body)
      assert.deepEqual(data, { text: 'hello', by: 'alice' })
      assert.match(metadata.name, /^note-[a-z0-9]{10}$/)
      assert.equal(metadata.labels['mandate/broker'], 'notes')
      assert.equal(metadata.annotations['mandate/subject'], 'alice')
      const jobs = '/apis/batch/v1/namespaces/team-a/jobs'
      assert.deepEqual((await byAccount()).slice(before.length), [`create ${MAPS}`, `create ${jobs}`])
      const all = await arrivals(stage.world)
      const written = all.findLastIndex(({ uri }) => uri.startsWith(MAPS))
      const reviews = all.filter(({ uri }, at) => at < written && uri.endsWith('/selfsubjectaccessreviews'))
      assert.equal(reviews.at(-1)?.impersonated?.username, `${PREFIX}alice`)
      const job = await ask('alice', 'GET', `/clusters/named${jobs}/${metadata.name}`)
      const { ownerReferences, labels } = JSON.parse(job.body).metadata
      assert.deepEqual([ownerReferences[0].uid, labels['mandate/owner']], [metadata.uid, metadata.uid])
      const [note, its] = stage.audit('brokered').slice(-2)
      assert.deepEqual(
        [note?.who?.subject, note?.properties['resource'], note?.reviewed['resource']],
        ['alice', 'configmaps', 'configmaps'],
      )
      assert.deepEqual([its?.who?.subject, its?.properties['resource'], its?.reviewed['resource']], ['alice', 'jobs', 'configmaps'])
    })

    test('a create that is sent again with its key is one object, and another body is refused', async (t) => {
      const { ask } = await setBroker(t, start)
      const again = (who: string, text: string) => ask(who, 'POST', NOTES, { body: { text }, headers: { 'Idempotency-Key': 'k' } })
      const [one, two] = [await again('alice', 'once'), await again('alice', 'once')]
      assert.deepEqual([one.status, two.status], [201, 201], two.body)
      assert.equal(JSON.parse(one.body).metadata.uid, JSON.parse(two.body).metadata.uid)
      const other = await again('alice', 'twice')
      assert.deepEqual([other.status, codeOf(other)], [422, 'idempotency_key_reused'])
      assert.equal((await again('bob', 'once')).status, 403)
    })

    test('a change and a delete are done by the account, and a delete takes only what it wrote', async (t) => {
      const { ask, byAccount } = await setBroker(t, start)
      const { name } = JSON.parse((await ask('alice', 'POST', NOTES, { body: { text: 'hello' } })).body).metadata
      const before = await byAccount()
      const closed = await ask('alice', 'POST', `${NOTES}/${name}/close`)
      assert.equal(closed.status, 200, closed.body)
      assert.deepEqual(JSON.parse(closed.body).data, { text: 'hello', by: 'alice', closed: 'true', closedBy: 'alice' })
      for (const [who, note, code] of [
        ['bob', name, 'not_permitted'],
        ['alice', 'settings', 'object_not_ours'],
        ['alice', 'no-such-note', 'object_unknown'],
      ] as const)
        assert.equal(codeOf(await ask(who, 'DELETE', `${NOTES}/${note}`)), code)
      assert.equal((await ask('alice', 'DELETE', `${NOTES}/${name}`)).status, 204)
      assert.equal((await ask('alice', 'GET', `${NOTES}/${name}`)).status, 404)
      assert.deepEqual((await byAccount()).slice(before.length), [`patch ${MAPS}/${name}`, `delete ${MAPS}/${name}`])
    })

    test('what cannot be recorded is not written, though everything before it was', async (t) => {
      const lines: string[] = []
      const disk = { full: false }
      const { ask, byAccount } = await setBroker(t, start, OPERATIONS, {
        auditTarget: {
          async write(part) {
            const text = part.toString('utf8')
            if (disk.full && text.includes('"brokered"')) throw Object.assign(new Error('no space left on device'), { code: 'ENOSPC' })
            lines.push(text)
          },
          close: async () => undefined,
        },
      })
      const before = await byAccount()
      disk.full = true
      const refused = await ask('alice', 'POST', NOTES, { body: { text: 'hello' } })
      assert.deepEqual([refused.status, codeOf(refused)], [503, 'audit_unavailable'])
      assert.deepEqual(await byAccount(), before)
      assert.ok(lines.join('').includes('"granted"'))
      disk.full = false
      assert.equal((await ask('alice', 'POST', NOTES, { body: { text: 'hello' } })).status, 201)
    })

    test('a caller who hangs up in the midst has the write recorded to its end, and keeps no place', async (t) => {
      const gate = { closed: false, reached: Promise.withResolvers<void>(), opened: Promise.withResolvers<void>() }
      const lines: string[] = []
      const { ask, stage } = await setBroker(t, start, OPERATIONS, {
        configure(config) {
          config['limits'] = { perPrincipal: { attempts: 1 } }
        },
        auditTarget: {
          async write(part) {
            const text = part.toString('utf8')
            if (gate.closed && text.includes('"brokered"')) {
              gate.reached.resolve()
              await gate.opened.promise
            }
            lines.push(text)
          },
          close: async () => undefined,
        },
      })
      gate.closed = true
      const headers = { Authorization: bearerOf(stage, 'alice'), 'Content-Type': 'application/json' }
      const leaving = new AbortController()
      const asking = fetch(stage.origin + NOTES, { method: 'POST', headers, body: '{"text":"left"}', signal: leaving.signal })
      await gate.reached.promise
      leaving.abort()
      await assert.rejects(asking)
      await new Promise((resolve) => setTimeout(resolve, 200))
      gate.closed = false
      gate.opened.resolve()
      await eventually(
        () => lines.join('').match(/"event":"completed"/g)?.length ?? 0,
        (completed) => completed >= 2,
      )
      assert.equal((await ask('alice', 'POST', NOTES, { body: { text: 'the next' } })).status, 201)
    })

    test('a login writes from a page of this origin alone', async (t) => {
      const { stage, byAccount } = await setBroker(t, start)
      const alice = await stage.browser('alice')
      const before = await byAccount()
      const post = async (headers: Readonly<Record<string, string>>) => {
        const answer = await fetch(stage.origin + NOTES, {
          method: 'POST',
          headers: { Cookie: cookieOf(alice, stage), 'Content-Type': 'application/json', ...headers },
          body: JSON.stringify({ text: 'by cookie' }),
        })
        return { status: answer.status, body: await answer.text() }
      }
      for (const headers of [{}, { Origin: 'https://evil.example' }, { Origin: stage.origin, 'Sec-Fetch-Site': 'cross-site' }]) {
        const answer = await post(headers as Readonly<Record<string, string>>)
        assert.deepEqual([answer.status, codeOf(answer)], [403, 'origin_refused'])
      }
      const both = await post({ Origin: stage.origin, Authorization: bearerOf(stage, 'alice') })
      assert.deepEqual([both.status, codeOf(both)], [400, 'two_credentials'])
      assert.deepEqual(await byAccount(), before)
      const made = await post({ Origin: stage.origin })
      assert.equal(made.status, 201, made.body)
      assert.equal(stage.audit('brokered').at(-1)?.who?.proof.split(':')[0], 'login')
    })

    test('a token is minted by the account into a Secret that its owner takes along, and is in no answer', async (t) => {
      const [note, job] = CREATE.writes
      const review = { verb: 'create', kind: 'note' }
      const into = { secret: UNIQUE, key: 'token', ownedBy: 'job', review }
      const token = { do: 'token', ...IN_PROJECT, serviceAccount: 'runner', audiences: ['runner'], expirationSeconds: 600, review, into }
      const { stage, ask, byAccount } = await setBroker(
        t,
        async (options) => {
          const world = await start(options)
          const runner = { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'runner', namespace: 'team-a' } }
          const path = '/api/v1/namespaces/team-a/serviceaccounts'
          assert.equal(await asAdministrator(world, 'POST', path, runner), 201)
          t.after(() => asAdministrator(world, 'DELETE', `${path}/runner`))
          return world
        },
        [{ ...CREATE, writes: [note, job, token] }],
      )
      const made = await ask('alice', 'POST', NOTES, { body: { text: 'hello' } })
      assert.equal(made.status, 201, made.body)
      assert.deepEqual((await byAccount()).slice(-2), [
        'create /api/v1/namespaces/team-a/serviceaccounts/runner/token',
        'create /api/v1/namespaces/team-a/secrets',
      ])
      const { name: unique } = JSON.parse(made.body).metadata
      const secret = JSON.parse((await ask('alice', 'GET', `/clusters/named/api/v1/namespaces/team-a/secrets/${unique}`)).body)
      assert.equal(secret.metadata.ownerReferences[0].kind, 'Job')
      const minted = Buffer.from(secret.data.token, 'base64').toString('utf8')
      assert.match(minted, /^[\w-]+\.[\w-]+\.[\w-]+$/)
      assert.ok(!made.body.includes(minted) && !made.body.includes(secret.data.token))
      assert.ok(!stage.logged().includes(minted))
    })
  })
}

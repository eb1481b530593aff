/**
 * What must never happen and what always must: the anti-patterns, the checklist, the order of answers, and what stands on
 * each object and in each record, on a real API server.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Complaint } from '../../src/complaint.ts'
import { type Answer, type BrokeredStage, JOBS, type Json, OURS, SECRETS, SESSIONS, setBrokeredStage } from './brokered-stage.ts'
import { apply } from './seeding.ts'

const A_REVIEW = 'create selfsubjectaccessreviews'

/** Every operation of the example, as somebody asks for it. */
const operations = (name: string): ReadonlyArray<readonly [method: string, path: string, body?: object]> => [
  ['GET', OURS],
  ['GET', `${OURS}?watch=1&timeoutSeconds=1`],
  ['GET', `${OURS}/${name}`],
  ['POST', OURS, { prompt: 'say hello' }],
  ['POST', `${OURS}/${name}/stop`, { reason: 'enough' }],
  ['DELETE', `${OURS}/${name}/job`],
  ['DELETE', `${OURS}/${name}`],
]

/** Asks for everything, one after the other. */
async function all({ ask }: BrokeredStage, who: string | undefined, name: string): Promise<Answer[]> {
  const answers: Answer[] = []
  for (const [method, path, body] of operations(name)) answers.push(await ask(who, method, path, body === undefined ? {} : { body }))
  return answers
}

const of = (who: string, lines: readonly string[]) => lines.filter((line) => line.startsWith(`${who} `))

test('what never happens', { timeout: 240_000 }, async (t) => {
  const stage = await setBrokeredStage(t)
  const { ask, bearer, session } = stage

  await t.test('Using Service Account for List Operations: it lists, gets and watches nothing, whoever asks for whatever', async () => {
    const name = await session()
    const lines = await stage.since()
    for (const who of ['carol', 'bob', 'alice']) {
      await all(stage, who, name)
      await ask(who, 'GET', `${OURS}?labelSelector=a%3Db&limit=1`)
      await ask(who, 'GET', '/projects/project-b/sessions')
      await ask(who, 'GET', '/projects/kube-system/sessions')
    }
    const account = of('account', await lines())
    assert.ok(account.length > 0, 'it wrote what alice may')
    assert.deepEqual(
      account.filter((line) => / (get|list|watch) /.test(line)),
      [],
    )
    assert.ok(of('carol', await lines()).includes('carol list agenticsessions'))
  })

  await t.test('Falling Back to Service Account on Auth Failure: an invalid token is 401 and reaches nobody', async () => {
    const name = await session()
    const good = bearer('alice')
    const second = Math.floor(Date.now() / 1000)
    const tokens: ReadonlyArray<readonly [token: string | undefined, code: string]> = [
      [undefined, 'not_signed_in'],
      ['no.such.token', 'token_malformed'],
      [`${good.slice(0, -8)}AAAAAAAA`, 'token_signature_invalid'],
      [bearer('alice', { exp: second - 3_600, iat: second - 7_200 }), 'token_expired'],
      [bearer('alice', { aud: ['another'] }), 'token_audience_wrong'],
      [bearer('alice', { iss: 'https://another.example' }), 'token_issuer_unknown'],
      // What the cluster itself would take from its own account is nothing here.
      [stage.accountToken, 'token_issuer_unknown'],
    ]
    const lines = await stage.since()
    for (const [token, code] of tokens) {
      for (const { status, body, headers } of await all(stage, token, name)) {
        assert.deepEqual([status, body.code], [401, code])
        assert.match(headers.get('www-authenticate') ?? '', /^Bearer /)
      }
    }
    assert.deepEqual(await lines(), [])
  })

  await t.test('a token that the cluster does not take is refused, and the account does not stand in', async () => {
    const name = await session()
    const lines = await stage.since()
    // For Mandate alone: it is never sent on.
    for (const { status, body } of await all(stage, bearer('alice', { aud: ['api://mandate'] }), name))
      assert.deepEqual([status, body.code], [403, 'credential_audience_wrong'])
    assert.deepEqual(await lines(), [])
    // And where the API server itself says no to the token that it is shown.
    stage.tamper(({ bearer: shown }, way) =>
      shown === stage.accountToken
        ? way.pass()
        : way.answer(401, { kind: 'Status', apiVersion: 'v1', status: 'Failure', reason: 'Unauthorized', code: 401 }),
    )
    for (const { status } of await all(stage, 'alice', name)) assert.equal(status, 401)
    stage.tamper()
    assert.deepEqual(await lines(), [])
  })

  await t.test('nothing is written where nothing is brokered, whatever the user may do there', async () => {
    const lines = await stage.since()
    for (const namespace of ['team-a', 'default', 'kube-system', 'mandate', 'a%2Fb', 'A', '%20']) {
      const { status } = await ask('alice', 'POST', `/projects/${namespace}/sessions`, { body: { prompt: 'elsewhere' } })
      assert.ok(status === 403 || status === 400, `${namespace}: ${status}`)
    }
    assert.deepEqual(await lines(), [])
    const refused = await ask('alice', 'POST', '/projects/team-a/sessions', { body: { prompt: 'elsewhere' } })
    assert.equal(refused.body.code, 'namespace_refused')
  })

  await t.test('a right in one project is none in another', async () => {
    const lines = await stage.since()
    const { status, body } = await ask('alice', 'POST', '/projects/project-b/sessions', { body: { prompt: 'elsewhere' } })
    assert.deepEqual([status, body.code], [403, 'not_permitted'])
    assert.deepEqual(of('account', await lines()), [])
  })
})

test('the checklist', { timeout: 240_000 }, async (t) => {
  const stage = await setBrokeredStage(t)
  const { bearer, session, look } = stage
  const lines = await stage.since()
  const tokens = ['alice', 'bob', 'carol'].map((user) => bearer(user))
  const name = await session()
  const minted = Buffer.from((await look(`${SECRETS}/${name}`)).data.token, 'base64').toString('utf8')
  const answers = (await Promise.all(tokens.map((token) => all(stage, token, name)))).flat()
  const [, , carols] = [0, 1, 2].map((at) => answers.slice(at * operations(name).length, (at + 1) * operations(name).length))
  const arrived = await lines()

  await t.test("user operations use the user's own token", () => {
    assert.deepEqual(
      arrived.filter((line) => / (get|list|watch) /.test(line)).filter((line) => !/^(alice|bob|carol) /.test(line)),
      [],
    )
  })
  await t.test('401 if there is no user to act as', async () => {
    for (const { status } of await all(stage, undefined, name)) assert.equal(status, 401)
  })
  await t.test('RBAC check performed before using the service account to write', () => {
    for (const [at, line] of arrived.entries()) {
      if (line.startsWith('account ')) assert.ok(arrived.slice(0, at).includes(`alice ${A_REVIEW}`), line)
    }
    for (const { status } of carols ?? []) assert.equal(status, 403)
    const records = stage.stage.audit('brokered')
    assert.equal(records.length, of('account', arrived).length + 4, 'with those of the first session')
    for (const { reviewed, who } of records) assert.ok(reviewed['verb'] !== '' && who?.subject === 'alice')
  })
  await t.test('service account used ONLY for privileged operations', () => {
    const declared = [
      'account create agenticsessions',
      'account create jobs',
      'account create secrets',
      'account create serviceaccounts/token',
      'account delete jobs',
      'account patch agenticsessions/status',
    ]
    assert.deepEqual([...new Set(of('account', arrived))].sort(), declared)
  })
  await t.test('no fallback to the service account on auth failures', async () => {
    const since = await stage.since()
    await all(stage, 'not.a.token', name)
    await all(stage, 'carol', name)
    assert.deepEqual(of('account', await since()), [])
  })
  await t.test('tokens never logged, recorded or answered', async () => {
    const said = `${stage.stage.logged()}${answers.map(({ text, headers }) => text + JSON.stringify([...headers])).join('')}`
    for (const secret of [...tokens, stage.accountToken, minted]) {
      assert.ok(secret.length > 100)
      for (const part of [secret, secret.split('.')[1] ?? '', secret.split('.')[2] ?? '']) assert.ok(!said.includes(part))
    }
    assert.ok(!(await stage.stage.metrics()).includes(minted))
  })
})

test('the order of answers: each masks the later ones', { timeout: 240_000 }, async (t) => {
  const stage = await setBrokeredStage(t, {
    configure(_config, { sessions }) {
      sessions.operations.push({
        name: 'named',
        match: { method: 'POST', path: '/named/{project}' },
        body: {
          type: 'object',
          additionalProperties: false,
          required: ['name', 'prompt', 'repository'],
          properties: {
            name: { type: 'string' },
            prompt: { type: 'string', minLength: 1 },
            repository: { type: 'string', pattern: '^https://' },
          },
        },
        writes: [
          {
            do: 'create',
            kind: 'session',
            namespace: { cel: 'path.project' },
            name: { cel: 'body.name' },
            object: { spec: { prompt: { cel: 'body.prompt' }, timeoutSeconds: 60 } },
          },
        ],
      })
    },
  })
  const { ask } = stage
  const NAMED = '/named/project-a'
  const right = { name: 'taken', prompt: 'say hello', repository: 'https://git.example/a' }
  const wrong = { name: 1, prompt: '', repository: 'ftp://', more: true }
  const unavailable = () =>
    stage.tamper(({ path }, way) => (path.endsWith('/selfsubjectaccessreviews') ? way.answer(503, { kind: 'Status' }) : way.pass()))
  const first = await ask('alice', 'POST', NAMED, { body: right })
  assert.equal(first.status, 201, first.text)

  await t.test('401: with a wrong body, without rights, while nobody can tell, for a name that is taken', async () => {
    const lines = await stage.since()
    unavailable()
    const { status, body } = await ask('not.a.token', 'POST', NAMED, { body: wrong })
    stage.tamper()
    assert.deepEqual([status, body.code, body.faults], [401, 'token_malformed', undefined])
    // A query, a name that is none, a namespace where nothing is brokered, a key that is none, another type.
    for (const [path, headers] of [
      [`${NAMED}?dryRun=All`, {}],
      [`${OURS}?no-such-field=1`, {}],
      ['/named/Project_A', {}],
      ['/named/kube-system', {}],
      [NAMED, { 'Idempotency-Key': 'a b' }],
      [NAMED, { 'Content-Type': 'text/plain' }],
    ] as const) {
      for (const who of [undefined, 'not.a.token']) {
        const answer = await ask(who, 'POST', path, { body: right, headers })
        assert.equal(answer.status, 401, `${path} ${JSON.stringify(headers)}: ${answer.text}`)
      }
    }
    assert.deepEqual(await lines(), [])
  })
  await t.test('400 with every fault and its path: without rights, while nobody can tell, for a name that is taken', async () => {
    const lines = await stage.since()
    unavailable()
    const { status, body, headers } = await ask('carol', 'POST', NAMED, { body: wrong })
    stage.tamper()
    assert.deepEqual([status, body.code], [400, 'body_invalid'])
    assert.equal(headers.get('content-type'), 'application/problem+json')
    assert.deepEqual(body.faults.map(({ path }: Json) => path).sort(), ['/more', '/name', '/prompt', '/repository'])
    for (const { problem } of body.faults) assert.ok(problem.length > 3)
    assert.deepEqual(await lines(), [])
  })
  await t.test('400 for what is no JSON, says a key twice, or is not there; 415 for another type', async () => {
    for (const body of ['{', '{"name":"a","name":"b"}', '[]', 'null', '"text"']) {
      const answer = await ask('carol', 'POST', NAMED, { body })
      assert.deepEqual([answer.status, answer.body.code], [400, 'body_invalid'], body)
      assert.ok(answer.body.faults.length > 0)
    }
    assert.equal((await ask('carol', 'POST', NAMED)).body.code, 'body_invalid')
    const typed = await ask('carol', 'POST', NAMED, { body: right, headers: { 'Content-Type': 'text/plain' } })
    assert.deepEqual([typed.status, typed.body.code], [415, 'body_type_unsupported'])
  })
  await t.test("403 with the API server's reason: for a name that is taken", async () => {
    const lines = await stage.since()
    const { status, body } = await ask('bob', 'POST', NAMED, { body: right })
    assert.deepEqual([status, body.code, body.detail], [403, 'not_permitted', 'create agenticsessions'])
    assert.deepEqual(await lines(), [`bob ${A_REVIEW}`])
    // RBAC gives no reason for a right that nobody gave; an authorizer that says one is quoted.
    stage.tamper(({ path }, way) => {
      if (!path.endsWith('/selfsubjectaccessreviews')) return way.pass()
      const said = {
        kind: 'SelfSubjectAccessReview',
        apiVersion: 'authorization.k8s.io/v1',
        status: { allowed: false, reason: 'not on Sundays' },
      }
      way.answer(201, said)
    })
    assert.equal((await ask('alice', 'POST', NAMED, { body: right })).body.said, 'not on Sundays')
    stage.tamper()
  })
  await t.test('503 while nobody can tell, never "allowed": for a name that is taken', async () => {
    const failures: ReadonlyArray<readonly [status: number, body: object]> = [
      [500, { kind: 'Status' }],
      [503, { kind: 'Status' }],
      [429, { kind: 'Status' }],
      [201, { kind: 'SelfSubjectAccessReview', status: {} }],
      [201, { kind: 'SelfSubjectAccessReview', status: { allowed: 'true' } }],
      [201, { kind: 'SelfSubjectAccessReview', status: { allowed: false, evaluationError: 'the webhook is away' } }],
      [200, {}],
    ]
    const lines = await stage.since()
    for (const [answered, said] of failures) {
      stage.tamper(({ path }, way) => (path.endsWith('/selfsubjectaccessreviews') ? way.answer(answered, said) : way.pass()))
      const { status, body, headers } = await ask('alice', 'POST', NAMED, { body: right })
      assert.deepEqual([status, body.code], [503, 'review_unavailable'], JSON.stringify(said))
      assert.ok(Number(headers.get('retry-after')) >= 1)
    }
    stage.tamper(({ path }, way) => (path.endsWith('/selfsubjectaccessreviews') ? way.cut() : way.pass()))
    assert.equal((await ask('alice', 'POST', NAMED, { body: right })).body.code, 'review_unavailable')
    stage.tamper()
    assert.deepEqual(await lines(), [])
  })
  await t.test('409 for a name that is taken', async () => {
    const { status, body } = await ask('alice', 'POST', NAMED, { body: right })
    assert.deepEqual([status, body.code], [409, 'object_exists'])
  })
  await t.test('201 with the object, for two calls', async () => {
    const lines = await stage.since()
    const { status, body, headers } = await ask('alice', 'POST', NAMED, { body: { ...right, name: 'free' } })
    assert.deepEqual([status, body.metadata.name, body.kind], [201, 'free', 'AgenticSession'])
    assert.match(headers.get('content-type') ?? '', /^application\/json/)
    assert.deepEqual(await lines(), [`alice ${A_REVIEW}`, 'account create agenticsessions'])
  })
  await t.test('413 for a body beyond the limit, whole or in parts', async () => {
    const large = { ...right, prompt: 'x'.repeat(1_100_000) }
    const { status, body } = await ask('alice', 'POST', NAMED, { body: large })
    assert.deepEqual([status, body.code], [413, 'body_too_large'])
  })
  await t.test('405 for another method, 404 for another path, 400 for a query', async () => {
    const other = await ask('alice', 'PUT', NAMED, { body: right })
    assert.deepEqual([other.status, other.headers.get('allow')], [405, 'POST'])
    assert.equal((await ask('alice', 'POST', `${NAMED}/more`, { body: right })).status, 404)
    assert.equal((await ask('alice', 'POST', `${NAMED}?dryRun=All`, { body: right })).body.code, 'parameter_invalid')
  })
})

test('what is written says who asked', { timeout: 240_000 }, async (t) => {
  const stage = await setBrokeredStage(t)
  const { ask, look } = stage
  const asked = await ask('alice', 'POST', OURS, { body: { prompt: 'say hello' }, headers: { 'Idempotency-Key': 'once' } })
  assert.equal(asked.status, 201, asked.text)
  const { name } = asked.body.metadata
  const [made, job, secret] = [await look(`${SESSIONS}/${name}`), await look(`${JOBS}/${name}`), await look(`${SECRETS}/${name}`)]
  const attempt = asked.headers.get('x-request-id')

  await t.test('labels, annotations, owners and managed fields', () => {
    for (const { metadata } of [made, job, secret]) {
      assert.equal(metadata.labels['mandate/broker'], 'sessions')
      assert.match(metadata.labels['mandate/caller'], /^[0-9a-f]{40}$/)
      assert.equal(metadata.labels['mandate/caller'], made.metadata.labels['mandate/caller'])
      assert.equal(metadata.annotations['mandate/attempt'], attempt)
      assert.equal(metadata.annotations['mandate/issuer'], stage.stage.world.issuer.issuer)
      assert.equal(metadata.annotations['mandate/subject'], 'alice')
      assert.match(metadata.annotations['mandate/idempotency-key'], /^[0-9a-f]{40}$/)
      assert.match(metadata.annotations['mandate/request'], /^[0-9a-f]{40}$/)
      assert.deepEqual([...new Set(metadata.managedFields.map(({ manager }: Json) => manager))], ['mandate'])
    }
    assert.equal(made.metadata.labels['mandate/owner'], undefined)
    for (const [object, owner, resource] of [
      [job, made, { group: 'vteam.ambient-code', version: 'v1alpha1', resource: 'agenticsessions' }],
      [secret, job, { group: 'batch', version: 'v1', resource: 'jobs' }],
    ] as const) {
      const { uid } = owner.metadata
      assert.equal(object.metadata.labels['mandate/owner'], uid)
      assert.deepEqual(JSON.parse(object.metadata.annotations['mandate/owner']), { ...resource, namespace: 'project-a', name, uid })
      const [reference, ...more] = object.metadata.ownerReferences
      assert.deepEqual([reference.kind, reference.name, reference.uid, more.length], [owner.kind, name, uid, 0])
    }
  })

  await t.test('one record for each write holds who asked, what was allowed and what is written', () => {
    const records = stage.stage.audit('brokered').filter((record) => record.attempt === attempt)
    assert.deepEqual(
      records.map(
        ({ action, properties }) =>
          `${action} ${properties['resource']}${properties['subresource'] ? `/${properties['subresource']}` : ''}`,
      ),
      ['create agenticsessions', 'create jobs', 'create serviceaccounts/token', 'create secrets'],
    )
    for (const { who, asker, resource, properties, reviewed } of records) {
      assert.deepEqual([who?.subject, who?.issuer], ['alice', stage.stage.world.issuer.issuer])
      assert.match(asker, /^bearer:[\w-]{16}$/)
      assert.equal(asker, who?.proof, 'the review was made with what the caller showed')
      assert.equal(resource, 'brokered/sessions')
      assert.equal(properties['namespace'], 'project-a')
      assert.deepEqual([reviewed['verb'], reviewed['resource'], reviewed['namespace']], ['create', 'agenticsessions', 'project-a'])
    }
  })

  await t.test('a Secret is never in an answer', async () => {
    assert.ok(!asked.text.includes(secret.data.token))
    assert.equal(asked.body.kind, 'AgenticSession')
  })

  await t.test('two callers have two pseudonyms, and the same one has the same', async () => {
    const again = await look(`${SESSIONS}/${await stage.session()}`)
    assert.equal(again.metadata.labels['mandate/caller'], made.metadata.labels['mandate/caller'])
    const other = await ask(stage.bearer('carol', { groups: ['team-a'] }), 'POST', OURS, { body: { prompt: 'say hello' } })
    assert.equal(other.status, 201, other.text)
    assert.notEqual(
      (await look(`${SESSIONS}/${other.body.metadata.name}`)).metadata.labels['mandate/caller'],
      again.metadata.labels['mandate/caller'],
    )
  })
})

test('without callerText an object holds the pseudonym alone', { timeout: 240_000 }, async (t) => {
  const stage = await setBrokeredStage(t, {
    configure(_config, { sessions }) {
      sessions.callerText = false
    },
  })
  const { metadata } = await stage.look(`${SESSIONS}/${await stage.session()}`)
  assert.match(metadata.labels['mandate/caller'], /^[0-9a-f]{40}$/)
  assert.ok(!JSON.stringify([metadata.labels, metadata.annotations]).includes('alice'))
  assert.equal(metadata.annotations['mandate/issuer'], undefined)
})

test('refuses to start with an account that may do what no broker may, and says which right that is', { timeout: 240_000 }, async (t) => {
  const stage = await setBrokeredStage(t)
  const { kubernetes } = stage
  const rbac = 'rbac.authorization.k8s.io'
  // The last two are declared nowhere: where the cluster itself lives, and where the account does.
  for (const namespace of ['project-a', 'kube-system', 'mandate']) {
    const metadata = { name: 'too-much', namespace }
    const seeds = [
      { apiVersion: `${rbac}/v1`, kind: 'Role', metadata, rules: [{ apiGroups: [''], resources: ['secrets'], verbs: ['get'] }] },
      {
        apiVersion: `${rbac}/v1`,
        kind: 'RoleBinding',
        metadata,
        roleRef: { apiGroup: rbac, kind: 'Role', name: 'too-much' },
        subjects: [{ kind: 'ServiceAccount', namespace: 'mandate', name: 'sessions' }],
      },
    ]
    const take = () => kubernetes.ask(`/apis/${rbac}/v1/namespaces/${namespace}/rolebindings/too-much`, { method: 'DELETE' })
    t.after(take)
    await apply(kubernetes.ask, seeds)
    await assert.rejects(stage.stage.addReplica(), (error: unknown) => {
      assert.ok(error instanceof Complaint)
      assert.match(error.message, new RegExp(`brokered\\.sessions\\.account .*account_excessive.*get secrets in ${namespace}`))
      return true
    })
    assert.equal((await take()).status, 200)
  }
  await stage.stage.addReplica()
})

/** What the clients refuse, and what they never do: ask twice, ask as somebody else, act without a record. */
import assert from 'node:assert/strict'
import { describe, type TestContext, test } from 'node:test'
import { memorySink } from '../audit/audit-sink.fake.ts'
import { bearerCredential, type Credential, impersonationCredential } from '../credential.ts'
import { Refusal } from '../errors.ts'
import { Secret } from '../secret.ts'
import { type ApiServerOptions, createApiServer } from './api-server.ts'
import { ApiStatus } from './api-status.ts'
import type { TaskTable } from './own-tasks.ts'
import { createOwnWork } from './own-work.ts'
import type { ReviewedAction } from './reviewed-action.ts'
import { type Answering, obliging, REVIEWS, reviewed, startScriptedApi } from './scripted-api.fake.ts'
import { type ServiceAccountOptions, serviceAccountClient } from './service-account-client.ts'
import { type UserClient, userClient, userClientFromAuthorization } from './user-client.ts'

const USER = 'dXNlcg.token-of-the-user'
const ACCOUNT = 'YWNjb3VudA.token-of-the-account'
const FOREVER = Number.POSITIVE_INFINITY
const MAPS = { group: '', version: 'v1', resource: 'configmaps', namespace: 'team-a' }
const MAPS_PATH = '/api/v1/namespaces/team-a/configmaps'
const CREATE = { verb: 'create', group: '', version: 'v1', resource: 'configmaps', namespace: 'team-a', name: 'a' }
const MAP = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'a' } }

const refuses = (code: string) => (error: unknown) => {
  assert.ok(error instanceof Refusal, String(error))
  assert.equal(error.code, code, error.message)
  const said = `${error.stack}${JSON.stringify(error)}${error.message}`
  assert.ok(!said.includes(USER) && !said.includes(ACCOUNT), 'a refusal quotes a token')
  return true
}

async function setUp(t: TestContext, answering: Answering = obliging, options: Partial<ApiServerOptions & ServiceAccountOptions> = {}) {
  const api = await startScriptedApi(answering, options)
  t.after(() => api.close())
  const audit = memorySink()
  const user = userClient(api.server, bearerCredential(new Secret(USER), FOREVER))
  const account = serviceAccountClient(api.server, {
    token: { read: () => new Secret(ACCOUNT) },
    audit,
    resource: 'cluster/test',
    mayWrite: ['configmaps'],
    ...options,
  })
  return { ...api, audit, user, account }
}

const proofOf = async (user: UserClient, changes: Partial<typeof CREATE> = {}): Promise<ReviewedAction> => {
  const review = await user.review({ ...CREATE, ...changes })
  assert.ok(review.allowed)
  return review.proof
}

describe('no user client', () => {
  test('without a credential, and none that a credential of no rights makes', async (t) => {
    const { server, asked } = await setUp(t)
    const make = (credential: unknown) => () => userClient(server, credential as Extract<Credential, { kind: 'bearer' }>)
    assert.throws(make(undefined), refuses('not_signed_in'))
    assert.throws(make(null), refuses('credential_not_offered'))
    assert.throws(make({ kind: 'identity', expiresAt: FOREVER }), refuses('credential_not_offered'))
    assert.throws(make({ kind: 'account', token: new Secret(ACCOUNT), expiresAt: FOREVER }), refuses('credential_not_offered'))
    assert.throws(make({ kind: 'bearer', token: new Secret(''), expiresAt: FOREVER }), refuses('credential_not_offered'))
    const broker = new Secret(ACCOUNT)
    const nobody = { kind: 'impersonation', broker, user: '', uid: 'u', groups: [], extra: [], expiresAt: FOREVER }
    assert.throws(make(nobody), refuses('identity_unusable'))
    assert.throws(make({ kind: 'bearer', token: new Secret(USER), expiresAt: Date.now() - 1 }), refuses('token_expired'))
    const impersonated = { ...nobody, user: 'alice' }
    for (const expiresAt of [Number.NaN, -1, Number.NEGATIVE_INFINITY, undefined, null, '9e15', '', {}]) {
      assert.throws(make({ kind: 'bearer', token: new Secret(USER), expiresAt }), refuses('credential_not_offered'), String(expiresAt))
      assert.throws(make({ ...impersonated, expiresAt }), refuses('credential_not_offered'), String(expiresAt))
      assert.throws(make(bearerCredential(new Secret(USER), expiresAt as number)), refuses('credential_not_offered'), String(expiresAt))
    }
    assert.equal(asked.length, 0)
  })

  test('from a header that is missing, of another scheme, or carries not one token', async (t) => {
    const { server } = await setUp(t)
    const make = (header: string | undefined) => () => userClientFromAuthorization(server, header)
    for (const header of [undefined, '']) assert.throws(make(header), refuses('not_signed_in'))
    for (const header of [
      'Bearer',
      'Bearer ',
      'Basic YTpi',
      USER,
      `Bearer ${USER}, Bearer x`,
      `Bearer ${USER} x`,
      `Bearer ${USER}\r\nX: y`,
    ]) {
      assert.throws(make(header), refuses('authorization_malformed'), header)
    }
    assert.throws(make(`Bearer ${'a'.repeat(16_385)}`), refuses('token_too_large'))
    assert.doesNotThrow(make(`bearer ${USER}`))
  })
})

describe('a user client', () => {
  test('refused by the API server stays refused: one request, as the user, and no other', async (t) => {
    for (const [status, code] of [
      [401, 'credential_refused'],
      [403, 'not_permitted'],
    ] as const) {
      const { user, asked } = await setUp(t, () => ({ status, body: { kind: 'Status', code: status } }))
      await assert.rejects(() => user.get({ ...MAPS, name: 'a' }), refuses(code))
      await assert.rejects(() => user.list(MAPS), refuses(code))
      await assert.rejects(() => user.review(CREATE), refuses(code))
      assert.deepEqual(
        asked.map(({ authorization }) => authorization),
        [`Bearer ${USER}`, `Bearer ${USER}`, `Bearer ${USER}`],
      )
    }
  })

  test('refused by the API server is told why in its own sentence, on one line and for themselves alone', async (t) => {
    const message = `pods is forbidden: User "x" cannot list\r\n\u202eFATAL ${'y'.repeat(600)}`
    for (const [body, said] of [
      [{ kind: 'Status', message }, /^pods is forbidden: User "x" cannot list {3}FATAL y+$/],
      [{ kind: 'Status', message: 7 }, /^undefined$/],
      [{}, /^undefined$/],
    ] as const) {
      const { user } = await setUp(t, () => ({ status: 403, body }))
      for (const ask of [() => user.get({ ...MAPS, name: 'a' }), () => user.review(CREATE)]) {
        await assert.rejects(ask, (error) => {
          assert.ok(refuses('not_permitted')(error) && error instanceof Refusal)
          assert.match(String(error.said), said)
          assert.ok(String(error.said).length <= 500)
          return !error.message.includes('forbidden')
        })
      }
    }
    const { user } = await setUp(t, () => reviewed({ allowed: false, reason: `no\n${'y'.repeat(600)}` }))
    const review = await user.review(CREATE)
    assert.ok(!review.allowed)
    assert.match(review.reason, /^no y{497}$/)
  })

  test('refuses names that are another path, before anything is sent', async (t) => {
    const { user, asked } = await setUp(t)
    for (const name of [
      '',
      '.',
      '..',
      '../secrets',
      'a/b',
      'a%2fb',
      'a?watch=1',
      'a#b',
      'a\\b',
      'a b',
      'a\nb',
      '\u202ea',
      'a'.repeat(254),
    ]) {
      await assert.rejects(() => user.delete({ ...MAPS, name }), refuses('path_ambiguous'), JSON.stringify(name))
    }
    for (const changes of [{ namespace: '..' }, { namespace: 'a/b' }, { resource: '' }, { version: '../v1' }, { group: '/' }]) {
      await assert.rejects(() => user.list({ ...MAPS, ...changes }), refuses('path_ambiguous'), JSON.stringify(changes))
    }
    await assert.rejects(() => user.get({ ...MAPS, name: 'a', subresource: '../b' }), refuses('path_ambiguous'))
    await assert.rejects(() => user.list({ ...MAPS, resource: 'namespaces' }), refuses('path_ambiguous'))
    assert.equal(asked.length, 0)
  })

  test('follows no redirect, and refuses what is too large, no JSON, or no object', async (t) => {
    for (const [answer, code] of [
      [{ status: 302, headers: { location: '/elsewhere' } }, 'upstream_broke'],
      [{ status: 200, body: JSON.stringify({ pad: 'x'.repeat(5_000) }) }, 'upstream_broke'],
      [{ status: 200, body: '<html>' }, 'upstream_broke'],
      [{ status: 200, body: '[]' }, 'upstream_broke'],
      [{ status: 200, body: {} }, 'upstream_broke'],
      [{ status: 500, body: '<html>' }, 'upstream_unavailable'],
      [{ status: 429, headers: { 'retry-after': '7' } }, 'too_many_requests'],
    ] as const) {
      const { user, asked } = await setUp(t, () => answer, { answerBytes: 4_096 })
      await assert.rejects(() => user.get({ ...MAPS, name: 'a' }), refuses(code))
      assert.equal(asked.length, 1)
    }
  })

  test('refuses more than a few MB of one object, which would stop everything else while it is parsed', async (t) => {
    const { user } = await setUp(t, () => ({ status: 200, body: JSON.stringify({ pad: 'x'.repeat(5 << 20) }) }))
    await assert.rejects(() => user.get({ ...MAPS, name: 'a' }), refuses('upstream_broke'))
  })

  test('ends a watch at an error event, at what is no event, and when it is left', async (t) => {
    const lines = [
      '{"type":"ERROR","object":{"code":410,"reason":"Expired","message":"too old"}}\n',
      'null\n',
      '{"type":"ADDED","object":{}}\n',
    ]
    for (const line of lines) {
      const { user } = await setUp(t, (_, response) => void response.writeHead(200).end(line))
      await assert.rejects(
        () => user.watch(MAPS).next(),
        (error) => (line === lines[0] ? error instanceof ApiStatus && error.status === 410 : refuses('upstream_broke')(error)),
      )
    }
    const left = Promise.withResolvers<void>()
    const { user } = await setUp(t, (_, response) => {
      response.once('close', left.resolve)
      response.writeHead(200).write(`${JSON.stringify({ type: 'ADDED', object: MAP })}\n`)
      return undefined
    })
    for await (const { object } of user.watch(MAPS)) {
      assert.equal(object.metadata.name, 'a')
      break
    }
    await left.promise
  })
})

describe('a review', () => {
  const answers: Readonly<Record<string, Answering>> = {
    'an error': () => ({ status: 500 }),
    'too many requests': () => ({ status: 429, headers: { 'retry-after': '9' } }),
    'an evaluation that failed': () => reviewed({ allowed: false, evaluationError: 'the webhook is down' }),
    'no status': () => ({ status: 201, body: { kind: 'SelfSubjectAccessReview' } }),
    'an odd yes': () => reviewed({ allowed: 'true' }),
    'a redirect': () => ({ status: 307, headers: { location: '/yes' } }),
    'no JSON': () => ({ status: 201, body: 'allowed' }),
    'a cut connection': (_, response) => void response.destroy(),
    silence: () => undefined,
  }
  for (const [name, answering] of Object.entries(answers)) {
    test(`that ends in ${name} is 503 and allows nothing`, async (t) => {
      const { user, asked } = await setUp(t, answering, { answerWithinMs: 300 })
      await assert.rejects(
        () => user.review(CREATE),
        (error) => refuses('review_unavailable')(error) && (name !== 'too many requests' || (error as Refusal).retryAfterSeconds === 9),
      )
      assert.equal(asked.length, 1)
    })
  }

  test('of an API server that is down is 503 and allows nothing', async (t) => {
    const { user, close } = await setUp(t)
    await close()
    await assert.rejects(() => user.review(CREATE), refuses('review_unavailable'))
  })

  test('that is denied gives the reason and no proof, also when it says both', async (t) => {
    const { user } = await setUp(t, () => reviewed({ allowed: false, reason: 'no role' }))
    assert.deepEqual(await user.review(CREATE), { allowed: false, reason: 'no role' })
    const { user: other } = await setUp(t, () => reviewed({ allowed: true, denied: true }))
    assert.deepEqual(await other.review(CREATE), { allowed: false, reason: '' })
  })

  test('of what the API server would read as something else is refused unasked', async (t) => {
    const { user, asked } = await setUp(t)
    for (const wanted of [
      { verb: 'delete', group: '', version: 'v1', resource: 'watch', name: 'secrets' },
      { verb: 'get', group: '', version: 'v1', resource: 'proxy', name: 'nodes' },
      { verb: 'create', group: '', version: 'v1', resource: 'status', namespace: 'team-a' },
      { verb: 'create', group: '', version: 'v1', resource: 'finalize', namespace: 'team-a' },
      { ...CREATE, version: '' },
      { ...CREATE, version: '../v1' },
      { ...CREATE, namespace: { toString: () => 'team-a' } as unknown as string },
      { ...CREATE, version: undefined as unknown as string },
    ]) {
      await assert.rejects(() => user.review(wanted), refuses('path_ambiguous'), JSON.stringify(wanted))
    }
    assert.equal(asked.length, 0)
  })

  test('asks as the API server would read the write', async (t) => {
    const { user, at } = await setUp(t)
    await user.review(CREATE)
    await user.review({ verb: 'delete', group: '', version: 'v1', resource: 'namespaces', name: 'team-a' })
    await user.review({ ...CREATE, resource: 'serviceaccounts', subresource: 'token' })
    await user.review({ verb: 'bind', group: 'rbac.authorization.k8s.io', version: 'v1', resource: 'clusterroles', name: 'view' })
    const none = { group: '', version: 'v1', subresource: '', namespace: '', name: '' }
    assert.deepEqual(
      at(REVIEWS).map(({ body }) => (body as { spec: { resourceAttributes: object } }).spec.resourceAttributes),
      [
        { ...none, verb: 'create', resource: 'configmaps', namespace: 'team-a' },
        { ...none, verb: 'delete', resource: 'namespaces', namespace: 'team-a', name: 'team-a' },
        { ...CREATE, resource: 'serviceaccounts', subresource: 'token' },
        { ...none, verb: 'bind', group: 'rbac.authorization.k8s.io', resource: 'clusterroles', name: 'view' },
      ],
    )
  })
})

describe('a proof', () => {
  test('is nothing at another API server', async (t) => {
    const [one, other] = [await setUp(t), await setUp(t)]
    await assert.rejects(async () => other.account.create(await proofOf(one.user), MAP), refuses('proof_refused'))
    const again = createApiServer({ origin: one.origin })
    t.after(() => again.close())
    const twin = serviceAccountClient(again, {
      token: { read: () => new Secret(ACCOUNT) },
      audit: one.audit,
      resource: 'cluster/test',
      mayWrite: ['configmaps'],
    })
    await assert.rejects(async () => twin.create(await proofOf(one.user), MAP), refuses('proof_refused'))
    assert.equal(one.at(MAPS_PATH).length + other.at(MAPS_PATH).length, 0)
  })

  test('is over after ten seconds, and with the credential it was made with', async (t) => {
    let [now, today] = [0, 1_000]
    const { server, user, account, at } = await setUp(t, obliging, { monotonic: () => now, now: () => today })
    const proof = await proofOf(user)
    now = 10_001
    await assert.rejects(() => account.create(proof, MAP), refuses('proof_refused'))
    const brief = userClient(server, bearerCredential(new Secret(USER), 2_000))
    const short = await proofOf(brief)
    today = 2_000
    await assert.rejects(() => account.create(short, MAP), refuses('proof_refused'))
    await assert.rejects(() => brief.review(CREATE), refuses('token_expired'))
    // Clocks that do not tell the time are no reason to go on.
    for (const stop of [() => (today = Number.NaN), () => (now = Number.NaN)]) {
      const timeless = await proofOf(user)
      const before = [now, today] as const
      stop()
      await assert.rejects(() => account.create(timeless, MAP), refuses('proof_refused'))
      ;[now, today] = before
    }
    const fresh = await proofOf(user)
    now += 9_999
    await account.create(fresh, MAP)
    assert.equal(at(MAPS_PATH).length, 1)
  })

  test('cannot be made, copied or derived', async (t) => {
    const { user, account, asked } = await setUp(t)
    const proof = await proofOf(user)
    const Made = proof.constructor as new (...parts: unknown[]) => ReviewedAction
    assert.throws(() => new Made(Symbol('issue'), { action: CREATE }), TypeError)
    const before = asked.length
    for (const forged of [
      undefined,
      null,
      {},
      { action: CREATE },
      { ...proof },
      Object.create(proof),
      structuredClone({ ...proof }),
      new Proxy(proof, {}),
    ]) {
      await assert.rejects(() => account.create(forged as ReviewedAction, MAP), refuses('proof_refused'))
    }
    assert.throws(() => Object.assign(proof.action, { name: 'b' }), TypeError)
    assert.equal(asked.length, before)
  })
})

describe('the service account', () => {
  test('sends nothing when the record fails, and uses the proof up', async (t) => {
    const { user, account, audit, at } = await setUp(t)
    audit.failing = 'all'
    const proof = await proofOf(user)
    await assert.rejects(() => account.create(proof, MAP), refuses('audit_unavailable'))
    audit.failing = new Set()
    await assert.rejects(() => account.create(proof, MAP), refuses('proof_refused'))
    assert.equal(at(MAPS_PATH).length, 0)
  })

  test('sends nothing without a token, and tells nothing of why', async (t) => {
    const unreadable = () => {
      throw new Error(`cannot read ${ACCOUNT}`)
    }
    for (const read of [unreadable, () => new Secret(''), () => new Secret('two words')]) {
      const { user, account, asked } = await setUp(t, obliging, { token: { read } })
      await assert.rejects(async () => account.create(await proofOf(user), MAP), refuses('credential_unavailable'))
      assert.deepEqual([...new Set(asked.map(({ path }) => path))], [REVIEWS])
    }
  })

  test('sends a write once, also when the connection is cut after it', async (t) => {
    const { user, account, at } = await setUp(t, (asked, response) =>
      asked.path === REVIEWS ? obliging(asked, response) : void response.destroy(),
    )
    const proof = await proofOf(user)
    await assert.rejects(() => account.create(proof, MAP), refuses('upstream_unavailable'))
    await assert.rejects(() => account.create(proof, MAP), refuses('proof_refused'))
    assert.equal(at(MAPS_PATH).length, 1)
  })

  test('writes with its own token what was reviewed with the token of the user', async (t) => {
    const { user, account, asked } = await setUp(t)
    await account.create(await proofOf(user), MAP)
    assert.deepEqual(
      asked.map(({ method, path, authorization }) => [method, path, authorization]),
      [
        ['POST', REVIEWS, `Bearer ${USER}`],
        ['POST', `${MAPS_PATH}?fieldManager=mandate`, `Bearer ${ACCOUNT}`],
      ],
    )
  })

  test('writes kinds that give rights away when it is told to', async (t) => {
    const group = 'rbac.authorization.k8s.io'
    const kinds = [`rolebindings.${group}`]
    const { user, account, at } = await setUp(t, obliging, { mayWrite: kinds, rightsOpen: kinds })
    const review = await user.review({ ...CREATE, group, resource: 'rolebindings' })
    assert.ok(review.allowed)
    await account.create(review.proof, { ...MAP, apiVersion: `${group}/v1`, kind: 'RoleBinding' })
    assert.equal(at(`/apis/${group}/v1/namespaces/team-a/rolebindings`).length, 1)
  })

  test('names who asked by the person impersonated, where there is one', async (t) => {
    const { server, account, audit, asked } = await setUp(t)
    const broker = new Secret(ACCOUNT)
    const as = impersonationCredential({ broker, user: 'corp:alice', uid: 'u', groups: ['dev', 'ops'], extra: [], expiresAt: FOREVER })
    await account.create(await proofOf(userClient(server, as)), MAP)
    const [record] = audit.recorded
    assert.ok(record?.event === 'escalated')
    assert.equal(record.asker, 'user:corp:alice')
    const [{ lines = [] } = {}] = asked
    assert.deepEqual(
      lines.filter((_, i) => lines[i - 1] === 'Impersonate-Group' && i % 2 === 1),
      ['dev', 'ops'],
    )
  })
})

describe('own work', () => {
  const tasks = { lease: [{ group: 'coordination.k8s.io', version: 'v1', resource: 'leases', verbs: ['get', 'update'] }] } as const

  test('refuses what is not in the table, however it is asked, and sends nothing', async (t) => {
    const { server, audit, asked } = await setUp(t)
    const table: TaskTable = tasks
    const own = createOwnWork(server, { token: { read: () => new Secret(ACCOUNT) }, audit, resource: 'cluster/test', tasks: table })
    for (const task of ['unknown', 'constructor', '__proto__', 'toString', '']) assert.throws(() => own(task), refuses('own_work_refused'))
    for (const [verb, resource] of [
      ['delete', 'leases'],
      ['get', 'secrets'],
      ['update', 'leases/status'],
      ['list', 'leases'],
    ] as const) {
      await assert.rejects(() => own('lease').act(verb, resource, { namespace: 'a', name: 'b' }), refuses('own_work_refused'))
    }
    assert.deepEqual([asked.length, audit.recorded.length], [0, 0])
  })

  test('sends nothing when the record fails', async (t) => {
    const { server, audit, asked } = await setUp(t)
    audit.failing = 'all'
    const own = createOwnWork(server, { token: { read: () => new Secret(ACCOUNT) }, audit, resource: 'cluster/test', tasks })
    await assert.rejects(() => own('lease').act('get', 'leases', { namespace: 'a', name: 'b' }), refuses('audit_unavailable'))
    assert.equal(asked.length, 0)
  })
})

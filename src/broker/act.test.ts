import assert from 'node:assert/strict'
import { describe, type TestContext, test } from 'node:test'
import { Refusal } from '../errors.ts'
import { type Answering, type Asked, REVIEWS, reviewed } from '../kubernetes/scripted-api.fake.ts'
import { bearerCaller } from '../principal.fake.ts'
import { ACCOUNT_TOKEN, BODY, brokerOf, CREATE_SESSION, IN_PROJECT, startBroker, USER_TOKEN } from './broker.fake.ts'

const ALLOWED = reviewed({ allowed: true })
const COLLECTION = '/apis/example/v1/namespaces/team-a/sessions'
const isReview = ({ path }: Asked) => path === REVIEWS

/** Allows every review, and makes what it is told to make. */
const making: Answering = (asked) => {
  if (isReview(asked)) return ALLOWED
  const body = asked.body as { metadata?: object }
  return { status: 201, body: { ...body, metadata: { ...body.metadata, uid: 'uid-1' } } }
}

async function set(t: TestContext, answering: Answering = making, operation: object = { writes: [CREATE_SESSION] }, changes: object = {}) {
  const stage = await startBroker(brokerOf(operation, changes), answering)
  t.after(() => stage.api.close())
  return stage
}

describe('refuses, and asks the API server nothing', () => {
  for (const [what, asked, code] of [
    ['a body of another type', { contentType: 'text/plain' }, 'body_type_unsupported'],
    ['a body that is no JSON', { body: '{' }, 'body_invalid'],
    ['a body that is missing', { body: '' }, 'body_invalid'],
    ['a body that the schema does not have', { body: { prompt: 1, more: 2 } }, 'body_invalid'],
    ['a namespace that is none', { project: 'Team_A' }, 'parameter_invalid'],
    ['a namespace that is not listed', { project: 'team-c' }, 'namespace_refused'],
    ['a system namespace', { project: 'kube-system' }, 'namespace_refused'],
    ['an idempotency key that is none', { key: 'a b' }, 'idempotency_key_invalid'],
    ['a credential without rights', { credential: { kind: 'identity', expiresAt: Infinity } as const }, 'credential_not_offered'],
  ] as const) {
    test(what, async (t) => {
      const { ask, api } = await set(t)
      assert.equal((await ask(asked)).refusal?.code, code)
      assert.deepEqual(api.asked, [])
    })
  }

  test('a body larger than its limit', async (t) => {
    const { ask, api } = await set(t, making, undefined, { bodyLimit: '1kB' })
    assert.equal((await ask({ body: { prompt: 'x'.repeat(2_000) } })).refusal?.code, 'body_too_large')
    assert.deepEqual(api.asked, [])
  })

  test('a body where the operation takes none', async (t) => {
    const { ask, api } = await set(t, making, { body: undefined, writes: [{ ...CREATE_SESSION, object: {} }] })
    assert.equal((await ask()).refusal?.code, 'body_invalid')
    assert.deepEqual(api.asked, [])
  })

  test('a system namespace, however the namespaces are listed', async (t) => {
    const { ask } = await set(t, making, undefined, { namespaces: '*' })
    assert.equal((await ask({ project: 'kube-public' })).refusal?.code, 'namespace_refused')
    assert.equal((await ask({ project: 'team-c' })).status, 201)
  })
})

test('every fault of a body is told, with its path and none of its values', async (t) => {
  const { ask } = await set(t)
  const { refusal } = await ask({ body: { prompt: 4711, more: 'secret-value' } })
  assert.deepEqual(refusal?.faults?.map(({ path }) => path).sort(), ['/more', '/prompt'])
  assert.doesNotMatch(JSON.stringify(refusal), /4711|secret-value/)
})

describe('refuses, and the account does nothing', () => {
  const nothingByTheAccount = async (t: TestContext, answering: Answering, code: string, asked = {}, changes = {}) => {
    const stage = await startBroker(brokerOf({ writes: [CREATE_SESSION] }), answering, changes)
    t.after(() => stage.api.close())
    const { refusal } = await stage.ask(asked)
    assert.equal(refusal?.code, code)
    assert.deepEqual(stage.byAccount(), [])
    assert.deepEqual(stage.records, [])
    return refusal
  }
  test('what the user may not do, with the reason of the API server', async (t) => {
    const refusal = await nothingByTheAccount(t, () => reviewed({ allowed: false, reason: 'no RBAC policy matched' }), 'not_permitted')
    assert.deepEqual([refusal?.said, refusal?.detail], ['no RBAC policy matched', 'create sessions'])
  })
  for (const [what, answer, code] of [
    ['a token that the API server does not take', { status: 401 }, 'credential_refused'],
    ['a user whom the API server forbids to ask', { status: 403 }, 'not_permitted'],
    ['a review that fails', { status: 500 }, 'review_unavailable'],
    ['a review that is not one', { status: 201, body: {} }, 'review_unavailable'],
    ['a review with the error of an authorizer', reviewed({ allowed: false, evaluationError: 'webhook' }), 'review_unavailable'],
  ] as const) {
    test(what, async (t) => {
      await nothingByTheAccount(t, () => answer, code)
    })
  }
  test('an account that may do too much', async (t) => {
    await nothingByTheAccount(t, making, 'account_excessive', {}, { closed: () => new Refusal('account_excessive') })
  })
  test('a caller whose login has ended meanwhile', async (t) => {
    const ended = AbortSignal.abort()
    await nothingByTheAccount(t, making, 'token_revoked', { caller: bearerCaller(USER_TOKEN, { ended }) })
  })
  test('one of several writes that the user may not have', async (t) => {
    const job = { do: 'create', kind: 'job', namespace: IN_PROJECT, name: 'j', object: {} }
    const answering: Answering = (asked) =>
      isReview(asked) && JSON.stringify(asked.body).includes('jobs') ? reviewed({ allowed: false }) : making(asked, {} as never)
    const stage = await set(t, answering, { writes: [CREATE_SESSION, job] })
    assert.equal((await stage.ask()).refusal?.code, 'not_permitted')
    assert.deepEqual(stage.byAccount(), [])
  })
})

test('a record that cannot be written: nothing is sent', async (t) => {
  const stage = await startBroker(brokerOf({ writes: [CREATE_SESSION] }), making, {
    audit: { record: () => Promise.reject(new Error('disk full')) },
  })
  t.after(() => stage.api.close())
  assert.equal((await stage.ask()).refusal?.code, 'audit_unavailable')
  assert.deepEqual(stage.byAccount(), [])
})

test('a create is one review as the user and one write as the account, under one record', async (t) => {
  const { ask, api, records } = await set(t)
  const { status, value } = await ask({ attempt: 'attempt-7' })
  assert.equal(status, 201)
  assert.deepEqual(
    api.asked.map(({ method, path, authorization }) => [method, path, authorization]),
    [
      ['POST', REVIEWS, `Bearer ${USER_TOKEN}`],
      ['POST', `${COLLECTION}?fieldManager=mandate`, `Bearer ${ACCOUNT_TOKEN}`],
    ],
  )
  const { metadata, spec } = value as { metadata: Record<string, Record<string, string>>; spec: unknown }
  assert.deepEqual(spec, { prompt: 'hello' })
  assert.match(String(metadata['name']), /^s-[a-z0-9]{10}$/)
  assert.equal(metadata['labels']?.['mandate/broker'], 'sessions')
  assert.match(metadata['labels']?.['mandate/caller'] ?? '', /^[0-9a-f]{40}$/)
  assert.deepEqual(metadata['annotations'], {
    'mandate/attempt': 'attempt-7',
    'mandate/issuer': 'https://issuer.example',
    'mandate/subject': 'alice',
  })
  const [record] = records
  assert.equal(records.length, 1)
  if (record?.event !== 'brokered') return assert.fail('another record')
  assert.deepEqual(
    [record.who?.subject, record.attempt, record.action, record.resource],
    ['alice', 'attempt-7', 'create', 'brokered/sessions'],
  )
  assert.deepEqual([record.reviewed['verb'], record.reviewed['resource'], record.properties['namespace']], ['create', 'sessions', 'team-a'])
})

test('no text of the caller is written when the configuration says so', async (t) => {
  const { ask } = await set(t, making, undefined, { callerText: false })
  const { value } = await ask()
  assert.doesNotMatch(JSON.stringify(value), /alice|issuer\.example/)
})

describe('a retry', () => {
  /** Keeps what is made, as an API server does; reads are for those whom `mayRead` names. */
  function keeping(mayRead = true) {
    const kept = new Map<string, unknown>()
    const creates: string[] = []
    const answering: Answering = (asked) => {
      if (isReview(asked)) return ALLOWED
      const [path = ''] = asked.path.split('?')
      if (asked.method === 'GET') {
        if (!mayRead) return { status: 403, body: { reason: 'Forbidden' } }
        return kept.has(path) ? { status: 200, body: kept.get(path) } : { status: 404, body: { reason: 'NotFound' } }
      }
      const body = asked.body as { metadata: { name: string } }
      const at = `${path}/${body.metadata.name}`
      creates.push(at)
      if (kept.has(at)) return { status: 409, body: { reason: 'AlreadyExists', message: `"${body.metadata.name}" already exists` } }
      kept.set(at, { ...body, metadata: { ...body.metadata, uid: `uid-${kept.size}` } })
      return { status: 201, body: kept.get(at) }
    }
    return { kept, creates, answering }
  }

  test('with the same key is one object, and the same answer', async (t) => {
    const { kept, answering } = keeping()
    const { ask } = await set(t, answering)
    const [first, second] = [await ask({ key: 'k', attempt: '1' }), await ask({ key: 'k', attempt: '2' })]
    assert.deepEqual([first.status, second.status, kept.size], [201, 201, 1])
    assert.deepEqual(first.value, second.value)
  })
  test('with the same key and another body is refused', async (t) => {
    const { ask } = await set(t, keeping().answering)
    await ask({ key: 'k' })
    assert.equal((await ask({ key: 'k', attempt: '2', body: { prompt: 'other' } })).refusal?.code, 'idempotency_key_reused')
  })
  test('with the key of somebody else is a request of its own', async (t) => {
    const { kept, answering } = keeping()
    const { ask } = await set(t, answering)
    await ask({ key: 'k' })
    await ask({ key: 'k', caller: bearerCaller(USER_TOKEN, { principal: { subject: 'bob' } }) })
    await ask({ key: 'k', caller: bearerCaller(USER_TOKEN, { principal: { issuer: 'https://other.example' } }) })
    assert.equal(kept.size, 3)
  })
  test('without a key is a second object', async (t) => {
    const { kept, answering } = keeping()
    const { ask } = await set(t, answering)
    await ask()
    await ask()
    assert.equal(kept.size, 2)
  })
  test('is reviewed anew', async (t) => {
    const { answering } = keeping()
    let allowed = true
    const { ask } = await set(t, (asked, response) => (isReview(asked) ? reviewed({ allowed }) : answering(asked, response)))
    await ask({ key: 'k' })
    allowed = false
    assert.equal((await ask({ key: 'k' })).refusal?.code, 'not_permitted')
  })
  test('of who may not read it is known by its name', async (t) => {
    const { kept, answering } = keeping(false)
    const { ask } = await set(t, answering)
    await ask({ key: 'k' })
    assert.deepEqual([(await ask({ key: 'k' })).status, kept.size], [201, 1])
  })
  test('is a conflict when the name is one that anybody could have chosen', async (t) => {
    const { answering } = keeping(false)
    const named = { ...CREATE_SESSION, name: { cel: 'body.name' } }
    const { ask } = await set(t, answering, { writes: [named] })
    const body = { prompt: 'p', name: 'mine' }
    await ask({ key: 'k', body })
    assert.equal((await ask({ key: 'k', body })).refusal?.code, 'object_exists')
  })
  test('finds the name taken by somebody else', async (t) => {
    const { answering } = keeping()
    const { ask } = await set(t, answering, { writes: [{ ...CREATE_SESSION, name: { cel: 'body.name' } }] })
    const body = { prompt: 'p', name: 'mine' }
    await ask({ key: 'k', body, caller: bearerCaller(USER_TOKEN, { principal: { subject: 'bob' } }) })
    const { refusal } = await ask({ key: 'k', attempt: '2', body })
    assert.deepEqual([refusal?.code, refusal?.said], ['object_exists', '"mine" already exists'])
  })

  test('is not needed when the answer of a write was lost but the object is there', async (t) => {
    const { kept, answering } = keeping()
    const { ask, byAccount } = await set(t, (asked, response) => {
      const said = answering(asked, response)
      if (asked.method !== 'POST' || isReview(asked)) return said
      response.destroy()
      return undefined
    })
    assert.deepEqual([(await ask()).status, kept.size, byAccount().length], [201, 1, 1])
  })
  test('is left to the caller when the answer was lost and there is no object', async (t) => {
    const { ask, byAccount } = await set(t, (asked, response) => {
      if (isReview(asked)) return ALLOWED
      if (asked.method === 'GET') return { status: 404, body: { reason: 'NotFound' } }
      response.destroy()
      return undefined
    })
    assert.deepEqual([(await ask()).refusal?.code, byAccount().length], ['upstream_unavailable', 1])
  })
})

describe('answers of the API server to the account', () => {
  for (const [status, body, code] of [
    [409, { reason: 'AlreadyExists' }, 'object_exists'],
    [409, { reason: 'Conflict' }, 'object_changed'],
    [422, { reason: 'Invalid', message: 'spec.x: Required' }, 'object_invalid'],
    [404, { reason: 'NotFound' }, 'object_unknown'],
    [429, {}, 'too_many_requests'],
    [401, {}, 'account_refused'],
    [403, {}, 'account_refused'],
    [500, {}, 'upstream_unavailable'],
  ] as const) {
    test(`${status} ${'reason' in body ? body.reason : ''} is ${code}`, async (t) => {
      const { ask } = await set(t, (asked) => {
        if (isReview(asked)) return ALLOWED
        return asked.method === 'GET' ? { status: 404, body: {} } : { status, body }
      })
      assert.equal((await ask()).refusal?.code, code)
    })
  }
})

describe('several writes', () => {
  const JOB = {
    as: 'job',
    do: 'create',
    kind: 'job',
    namespace: IN_PROJECT,
    name: { cel: "'j-' + unique" },
    object: { spec: { session: { cel: 'written.session.metadata.name' } } },
    ownedBy: 'session',
    review: { verb: 'create', kind: 'session' },
  }
  const TOKEN = {
    do: 'token',
    namespace: IN_PROJECT,
    serviceAccount: 'runner',
    audiences: ['agents'],
    expirationSeconds: 600,
    review: { verb: 'create', kind: 'session' },
    into: { secret: { cel: "'t-' + unique" }, key: 'token', ownedBy: 'job', review: { verb: 'create', kind: 'session' } },
  }
  const MINTED = 'minted-token'
  const answering: Answering = (asked, response) =>
    asked.path.includes('/serviceaccounts/runner/token')
      ? {
          status: 201,
          body: {
            apiVersion: 'authentication.k8s.io/v1',
            kind: 'TokenRequest',
            metadata: {},
            status: { token: MINTED, expirationTimestamp: '2026-01-01T00:00:00Z' },
          },
        }
      : making(asked, response)

  test('belong to one another, and reviews come before all of them', async (t) => {
    const { ask, api, byAccount } = await set(t, answering, { writes: [CREATE_SESSION, JOB, TOKEN] })
    assert.equal((await ask()).status, 201)
    assert.deepEqual(api.asked.slice(0, 4).map(isReview), [true, true, true, true])
    const [, job, , secret] = byAccount().map(
      ({ body }) => body as { metadata: { ownerReferences: object[]; labels: Record<string, string> } },
    )
    assert.deepEqual(job?.metadata.ownerReferences, [
      {
        apiVersion: 'example/v1',
        kind: 'Session',
        name: (await nameOf(api.asked)).session,
        uid: 'uid-1',
        controller: false,
        blockOwnerDeletion: false,
      },
    ])
    assert.equal(job?.metadata.labels['mandate/owner'], 'uid-1')
    assert.deepEqual((secret as unknown as { stringData: object }).stringData, { token: MINTED })
  })
  const nameOf = async (asked: readonly Asked[]) => {
    const made = asked.find(({ path }) => path.startsWith(COLLECTION))?.body as { metadata: { name: string } }
    return { session: made.metadata.name }
  }

  test('a token is in no answer and no record', async (t) => {
    const { ask, records } = await set(t, answering, { writes: [CREATE_SESSION, JOB, { ...TOKEN, as: 'token' }], answer: 'token' })
    const { status, value } = await ask()
    assert.deepEqual([status, value], [201, { expirationTimestamp: '2026-01-01T00:00:00Z' }])
    assert.doesNotMatch(JSON.stringify(records), new RegExp(MINTED))
  })
  test('a token is in the answer where the key says so', async (t) => {
    const { into: _, ...rest } = TOKEN
    const { ask } = await set(t, answering, { writes: [{ ...rest, inAnswerOpen: true }] })
    assert.equal((await ask()).value['token'], MINTED)
  })
  test('a refusal in the midst says what was written before it', async (t) => {
    const { ask } = await set(
      t,
      (asked, response) => (asked.path.includes('/jobs') ? { status: 422, body: { reason: 'Invalid' } } : answering(asked, response)),
      { writes: [CREATE_SESSION, JOB] },
    )
    assert.match((await ask()).refusal?.detail ?? '', /written before it: sessions s-/)
  })
  test('who was reviewed for another action gets no more than the name', async (t) => {
    const { ask } = await set(t, answering, { writes: [CREATE_SESSION, { ...JOB, as: 'job' }], answer: 'job' })
    const { value } = await ask()
    assert.deepEqual(Object.keys(value).sort(), ['apiVersion', 'kind', 'metadata'])
    assert.deepEqual(Object.keys(value['metadata'] as object).sort(), ['name', 'namespace', 'uid'])
  })
})

test('who was reviewed for another action does not hear what the API server says of an object', async (t) => {
  const quoted = 'spec.template: Invalid value: {"password":"of-somebody-else"}'
  const patch = { do: 'patch', kind: 'job', namespace: IN_PROJECT, name: 'theirs', patch: { spec: {} } }
  const answering: Answering = (asked) => (isReview(asked) ? ALLOWED : { status: 422, body: { reason: 'Invalid', message: quoted } })
  const standIn = await set(t, answering, { writes: [{ ...patch, review: { verb: 'create', kind: 'session' } }] })
  const { refusal } = await standIn.ask()
  assert.deepEqual([refusal?.code, refusal?.detail, refusal?.said], ['object_invalid', 'it said Invalid', undefined])
  const themselves = await set(t, answering, { writes: [patch] })
  assert.equal((await themselves.ask()).refusal?.said, quoted)
})

describe('an apply', () => {
  const APPLY = { ...CREATE_SESSION, do: 'apply', name: 'one' }
  const standing =
    (metadata: object | undefined): Answering =>
    (asked, response) => {
      if (asked.method !== 'GET') return making(asked, response)
      if (metadata === undefined) return { status: 404, body: { reason: 'NotFound' } }
      return { status: 200, body: { apiVersion: 'example/v1', kind: 'Session', metadata } }
    }
  test('to what somebody else wrote is refused: the marks would claim it', async (t) => {
    for (const metadata of [{ uid: 'u' }, { uid: 'u', labels: { 'mandate/broker': 'others' } }]) {
      const stage = await set(t, standing(metadata), { writes: [APPLY] })
      assert.equal((await stage.ask()).refusal?.code, 'object_not_ours')
      assert.deepEqual(stage.byAccount(), [])
    }
  })
  test('to what the user may not see is refused', async (t) => {
    const answering: Answering = (asked, response) => (asked.method === 'GET' ? { status: 403, body: {} } : making(asked, response))
    const stage = await set(t, answering, { writes: [APPLY] })
    assert.equal((await stage.ask()).refusal?.code, 'not_permitted')
    assert.deepEqual(stage.byAccount(), [])
  })
  test('to what a 404 without a word about it hides is refused', async (t) => {
    const answering: Answering = (asked, response) =>
      asked.method === 'GET' ? { status: 404, body: '404 page not found' } : making(asked, response)
    const stage = await set(t, answering, { writes: [APPLY] })
    assert.equal((await stage.ask()).refusal?.code, 'object_unknown')
    assert.deepEqual(stage.byAccount(), [])
  })
  test('to its own is bound to that very object, and makes what is not there', async (t) => {
    for (const [metadata, uid] of [
      [{ uid: 'u', labels: { 'mandate/broker': 'sessions' } }, 'u'],
      [undefined, undefined],
    ] as const) {
      const stage = await set(t, standing(metadata), { writes: [APPLY] })
      assert.equal((await stage.ask()).status, 200)
      assert.equal((stage.byAccount()[0]?.body as { metadata: { uid?: string } } | undefined)?.metadata.uid, uid)
    }
  })
})

describe('a caller whose login ends', () => {
  const ending = (at: (asked: Asked) => boolean) => {
    const login = new AbortController()
    const answering: Answering = (asked, response) => {
      if (at(asked)) login.abort()
      return making(asked, response)
    }
    return { answering, caller: bearerCaller(USER_TOKEN, { ended: login.signal }) }
  }
  test('during the reviews has nothing written', async (t) => {
    const { answering, caller } = ending(isReview)
    const stage = await set(t, answering)
    assert.equal((await stage.ask({ caller })).refusal?.code, 'token_revoked')
    assert.deepEqual(stage.byAccount(), [])
  })
  test('within a step has no more of it written', async (t) => {
    const login = new AbortController()
    const minted = { token: 'x', expirationTimestamp: '2026-01-01T00:00:00Z' }
    const answering: Answering = (asked, response) => {
      if (!asked.path.includes('/token')) return making(asked, response)
      login.abort()
      return { status: 201, body: { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', metadata: {}, status: minted } }
    }
    const into = { secret: 't', key: 'token', ownedBy: 'session' }
    const token = { do: 'token', namespace: IN_PROJECT, serviceAccount: 'runner', audiences: ['a'], expirationSeconds: 600, into }
    const stage = await set(t, answering, { writes: [CREATE_SESSION, token] })
    const caller = bearerCaller(USER_TOKEN, { ended: login.signal })
    assert.equal((await stage.ask({ caller })).refusal?.code, 'token_revoked')
    assert.deepEqual(
      stage.byAccount().filter(({ path }) => path.includes('/secrets')),
      [],
    )
  })
})

test('an account that is found to be too strong in the midst writes no more', async (t) => {
  let closed: Refusal | undefined
  const second = { ...CREATE_SESSION, as: 'second', name: { cel: "'t-' + unique" } }
  const answering: Answering = (asked, response) => {
    if (!isReview(asked)) closed = new Refusal('account_excessive')
    return making(asked, response)
  }
  const stage = await startBroker(brokerOf({ writes: [CREATE_SESSION, second] }), answering, { closed: () => closed })
  t.after(() => stage.api.close())
  const { refusal } = await stage.ask()
  assert.deepEqual([refusal?.code, stage.byAccount().length], ['account_excessive', 1])
  assert.match(refusal?.detail ?? '', /written before it: sessions s-/)
})

test('a token that could not be kept is not made', async (t) => {
  const into = { secret: 't', key: 'token', ownedBy: 'session' }
  const token = { do: 'token', namespace: IN_PROJECT, serviceAccount: 'runner', audiences: ['a'], expirationSeconds: 600, into }
  const answering: Answering = (asked, response) => {
    if (isReview(asked)) return ALLOWED
    if (asked.method === 'GET') return { status: 403, body: {} }
    return asked.path.startsWith(COLLECTION) ? { status: 409, body: { reason: 'AlreadyExists' } } : making(asked, response)
  }
  const stage = await set(t, answering, { writes: [CREATE_SESSION, token] })
  assert.equal((await stage.ask({ key: 'k' })).refusal?.code, 'object_unknown')
  assert.deepEqual(
    stage.byAccount().filter(({ path }) => path.includes('/token')),
    [],
  )
})

test('a name that only may hold what the key made is not taken for one that does', async (t) => {
  const named = { ...CREATE_SESSION, name: { cel: "has(body.name) ? body.name : 's-' + unique" } }
  const answering: Answering = (asked) => {
    if (isReview(asked)) return ALLOWED
    return asked.method === 'GET' ? { status: 403, body: {} } : { status: 409, body: { reason: 'AlreadyExists' } }
  }
  const { ask } = await set(t, answering, { writes: [named] })
  assert.equal((await ask({ key: 'k', body: { prompt: 'p', name: 'of-a-victim' } })).refusal?.code, 'object_exists')
})

test('what was given may name what is read after it', async (t) => {
  const place = (name: unknown) => ({ kind: 'session', namespace: IN_PROJECT, name })
  const given = { one: place('first'), two: place({ cel: 'given.one.metadata.name' }) }
  const answering: Answering = (asked, response) =>
    asked.method === 'GET'
      ? { status: 200, body: { apiVersion: 'example/v1', kind: 'Session', metadata: { name: 'second', uid: 'u' } } }
      : making(asked, response)
  const { ask, api } = await set(t, answering, { given, writes: [CREATE_SESSION] })
  assert.equal((await ask()).status, 201)
  assert.equal(api.asked[1]?.path, `${COLLECTION}/second`)
})

test('a computed map puts no marks into what is made of the object', async (t) => {
  const body = { ...BODY, properties: { ...BODY.properties, labels: { type: 'object' } } }
  const object = { spec: { template: { metadata: { labels: { cel: 'body.labels' } } } } }
  const { ask, byAccount } = await set(t, making, { body, writes: [{ ...CREATE_SESSION, object }] })
  assert.equal((await ask({ body: { prompt: 'p', labels: { 'mandate/caller': 'bob' } } })).refusal?.code, 'template_failed')
  assert.deepEqual(byAccount(), [])
  const top = { metadata: { labels: { cel: 'body.labels' } } }
  const itself = await set(t, making, { body, writes: [{ ...CREATE_SESSION, object: top }] })
  const { value } = await itself.ask({ body: { prompt: 'p', labels: { 'mandate/broker': 'others', mine: 'x' } } })
  const { labels } = (value as { metadata: { labels: Record<string, string> } }).metadata
  assert.deepEqual([labels['mandate/broker'], labels['mine']], ['sessions', 'x'])
})

test('an object of the kind Namespace is bound by the list of namespaces', async (t) => {
  const kinds = { space: { version: 'v1', resource: 'namespaces', kind: 'Namespace', namespaced: false } }
  const patch = { do: 'patch', kind: 'space', name: { cel: 'path.project' }, patch: { metadata: { labels: { a: 'b' } } } }
  const { ask, api } = await set(t, making, { writes: [patch] }, { kinds })
  assert.equal((await ask({ project: 'kube-system' })).refusal?.code, 'namespace_refused')
  assert.equal((await ask({ project: 'team-c' })).refusal?.code, 'namespace_refused')
  assert.deepEqual(api.asked, [])
})

describe('a delete as the service', () => {
  const REMOVE = { body: undefined, writes: [{ do: 'delete', kind: 'session', namespace: IN_PROJECT, name: 'one' }] }
  const withObject =
    (metadata: object): Answering =>
    (asked) => {
      if (isReview(asked)) return ALLOWED
      if (asked.method === 'GET') return { status: 200, body: { apiVersion: 'example/v1', kind: 'Session', metadata } }
      return { status: 200, body: { kind: 'Status' } }
    }
  for (const [what, metadata] of [
    ['without marks', { uid: 'u' }],
    ['of another broker', { uid: 'u', labels: { 'mandate/broker': 'others' } }],
  ] as const) {
    test(`of an object ${what} is refused`, async (t) => {
      const stage = await set(t, withObject(metadata), REMOVE)
      assert.equal((await stage.ask({ body: '' })).refusal?.code, 'object_not_ours')
      assert.deepEqual(stage.byAccount(), [])
    })
  }
  test('of what it wrote deletes that very object', async (t) => {
    const stage = await set(t, withObject({ uid: 'u', labels: { 'mandate/broker': 'sessions' } }), REMOVE)
    assert.equal((await stage.ask({ body: '' })).status, 204)
    const [deleted] = stage.byAccount()
    assert.match(JSON.stringify(deleted?.body), /"preconditions":\{"uid":"u"\}/)
  })
})

test('an expression without a value is the fault of the operator, told to the log in fixed words', async (t) => {
  const object = { spec: { x: { cel: 'body.missing' } } }
  const { ask, warned, byAccount } = await set(t, making, {
    body: { ...BODY, additionalProperties: true },
    writes: [{ ...CREATE_SESSION, object }],
  })
  assert.equal((await ask({ body: { prompt: 'do-not-log' } })).refusal?.code, 'template_failed')
  assert.equal(warned.length, 1)
  assert.doesNotMatch(JSON.stringify(warned), /do-not-log/)
  assert.deepEqual(byAccount(), [])
})

/** A review that stands for another write: of one namespace, declared beforehand, and for that write alone. */
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { memorySink } from '../audit/audit-sink.fake.ts'
import { bearerCredential } from '../credential.ts'
import { Secret } from '../secret.ts'
import type { KubernetesObject } from './kubernetes-object.ts'
import { type ReviewPair, reviewPairs } from './review-pairs.ts'
import type { Action, ReviewedAction } from './reviewed-action.ts'
import { obliging, REVIEWS, startScriptedApi } from './scripted-api.fake.ts'
import { serviceAccountClient } from './service-account-client.ts'
import { userClient } from './user-client.ts'
import { writtenKinds } from './written-kinds.ts'

const GROUP = 'vteam.example'
const SESSION = { verb: 'create', group: GROUP, version: 'v1', resource: 'sessions', namespace: 'team-a', name: 's' }
const JOB = { verb: 'create', group: 'batch', version: 'v1', resource: 'jobs', namespace: 'team-a', name: 'j' }
const JOBS = '/apis/batch/v1/namespaces/team-a/jobs'
const PAIR: ReviewPair = { reviewed: `create sessions.${GROUP}`, write: 'create jobs.batch' }
const refused = { code: 'proof_refused' }

const job = (name = 'j'): KubernetesObject => ({ apiVersion: 'batch/v1', kind: 'Job', metadata: { name } })

async function setUp(t: TestContext, onReviewOf: readonly ReviewPair[] = [PAIR]) {
  const api = await startScriptedApi(obliging)
  t.after(() => api.close())
  const audit = memorySink()
  const user = userClient(api.server, bearerCredential(new Secret('dXNlcg'), Number.POSITIVE_INFINITY))
  const account = serviceAccountClient(api.server, {
    token: { read: () => new Secret('YWNjb3VudA') },
    audit,
    resource: 'cluster/test',
    mayWrite: ['jobs.batch', 'configmaps'],
    onReviewOf,
  })
  const proofOf = async (reviewed: Action, write?: Action): Promise<ReviewedAction> => {
    const review = await user.review(reviewed, write === undefined ? {} : { write })
    assert.ok(review.allowed)
    return review.proof
  }
  return { ...api, audit, user, account, proofOf }
}

test('refuses a list that is none, what is no verb and kind, and a write that the client does not do', () => {
  const writes = writtenKinds(['jobs.batch', 'widgets.example/status'])
  for (const list of ['create jobs.batch', {}, new Set([PAIR]), null]) {
    assert.throws(() => reviewPairs(list as unknown as ReviewPair[], writes), { name: 'TypeError', message: /is not a list of pairs/ })
  }
  for (const text of [
    undefined,
    7,
    '',
    'create',
    'jobs.batch',
    'create  jobs.batch',
    ' create jobs.batch',
    'create jobs.batch ',
    'create *',
    '* jobs.batch',
    'create *.batch',
    'Create jobs.batch',
    'create batch/v1/jobs',
    'create jobs.batch x',
    'create\njobs.batch',
  ]) {
    const wrong = { name: 'TypeError', message: /is not a verb and a kind/ }
    assert.throws(() => reviewPairs([{ ...PAIR, reviewed: text as string }], writes), wrong, String(text))
    assert.throws(() => reviewPairs([{ ...PAIR, write: text as string }], writes), wrong, String(text))
  }
  for (const pair of [undefined, null, 'create jobs.batch'])
    assert.throws(() => reviewPairs([pair as unknown as ReviewPair], writes), TypeError)
  for (const verb of ['get', 'list', 'watch', 'bind', 'deletecollection']) {
    assert.throws(() => reviewPairs([{ ...PAIR, write: `${verb} jobs.batch` }], writes), /does not write/, verb)
  }
  for (const kind of ['jobs', 'jobs.batch/status', 'widgets.example', 'pods', 'secrets']) {
    assert.throws(() => reviewPairs([{ ...PAIR, write: `create ${kind}` }], writes), /is not in mayWrite/, kind)
  }
  assert.doesNotThrow(() => reviewPairs([PAIR, { reviewed: 'get pods/log', write: 'patch widgets.example/status' }], writes))
})

test('refuses a pair that only reads like one of the list', () => {
  const stands = reviewPairs([PAIR], writtenKinds(['jobs.batch', 'jobs']))
  const full = (action: Action): Required<Action> => ({ subresource: '', namespace: '', name: '', ...action })
  const [session, written] = [full(SESSION), full(JOB)]
  assert.ok(stands(session, written))
  for (const [reviewed, write] of [
    [written, session],
    [{ ...session, verb: 'get' }, written],
    [{ ...session, group: 'other.example' }, written],
    [{ ...session, resource: 'sessions.vteam', group: 'example' }, written],
    [{ ...session, subresource: 'status' }, written],
    [session, { ...written, verb: 'patch' }],
    [session, { ...written, group: '' }],
    [session, { ...written, subresource: 'status' }],
    [{ ...written, name: 'other' }, written],
    [{ ...written, version: 'v2' }, written],
  ] as const) {
    assert.ok(!stands(reviewed, write), JSON.stringify([reviewed, write]))
  }
  assert.ok(stands(written, { ...written }))
})

test('refuses a proof whose pair is not declared, and uses it up', async (t) => {
  const { account, proofOf, at } = await setUp(t, [])
  const proof = await proofOf(SESSION, JOB)
  await assert.rejects(() => account.create(proof, job()), refused)
  await assert.rejects(() => account.create(proof, job()), refused)
  // The same kind by another name, which nobody declared either.
  const other = await proofOf({ ...JOB, verb: 'patch', name: 'mine' }, { ...JOB, verb: 'patch', name: 'yours' })
  await assert.rejects(() => account.patch(other, {}), refused)
  assert.equal(at(JOBS).length, 0)
})

test('refuses to ask in one namespace for a write in another, in all, or in none', async (t) => {
  const { user, asked } = await setUp(t)
  const namespace = { verb: 'delete', group: '', version: 'v1', resource: 'namespaces', name: 'team-b' }
  for (const [reviewed, write] of [
    [{ ...SESSION, namespace: 'team-b' }, JOB],
    [{ ...SESSION, namespace: '' }, JOB],
    [SESSION, { ...JOB, namespace: '' }],
    [SESSION, { verb: 'create', group: '', version: 'v1', resource: 'namespaces', name: 'team-a' }],
    // The API server reads a namespace as one that lies in itself.
    [namespace, JOB],
    [{ ...namespace, namespace: 'team-a' }, JOB],
    [SESSION, namespace],
  ] as const) {
    await assert.rejects(() => user.review(reviewed, { write }), refused, JSON.stringify([reviewed, write]))
  }
  for (const write of [
    { ...JOB, namespace: 'team-a/../team-b' },
    { ...JOB, version: '../v1' },
    { ...JOB, name: 'a/b' },
    { ...JOB, namespace: { toString: () => 'team-a' } as unknown as string },
    { ...JOB, resource: undefined as unknown as string },
  ]) {
    await assert.rejects(() => user.review(SESSION, { write }), { code: 'path_ambiguous' }, JSON.stringify(write))
  }
  assert.equal(asked.length, 0)
})

test('refuses every write but the one it names: verb, kind, name, namespace, object', async (t) => {
  const { account, proofOf, at } = await setUp(t)
  const proof = () => proofOf(SESSION, JOB)
  await assert.rejects(async () => account.delete(await proof()), refused)
  await assert.rejects(async () => account.patch(await proof(), {}), refused)
  await assert.rejects(async () => account.create(await proof(), job('other')), refused)
  await assert.rejects(async () => account.create(await proof(), { ...job(), metadata: { name: 'j', namespace: 'team-b' } }), refused)
  await assert.rejects(async () => account.create(await proof(), { ...job(), apiVersion: `${GROUP}/v1` }), refused)
  // What was reviewed is no write of this client at all.
  await assert.rejects(async () => account.create(await proofOf(SESSION), { ...job('s'), apiVersion: `${GROUP}/v1` }), refused)
  for (const forge of [
    async () => ({ ...(await proof()) }),
    async () => Object.create(await proof(), { reviewed: { value: JOB } }),
    async () => ({ action: JOB, reviewed: JOB }),
  ]) {
    await assert.rejects(async () => account.create((await forge()) as ReviewedAction, job()), refused)
  }
  const held = await proof()
  assert.throws(() => Object.assign(held, { reviewed: JOB }), TypeError)
  assert.throws(() => Object.assign(held.reviewed, JOB), TypeError)
  assert.equal(at(JOBS).length, 0)
})

test('asks about the one and writes the other, once, whatever becomes of the objects that named them', async (t) => {
  const { account, user, audit, at, asked } = await setUp(t)
  const [reviewed, write, options] = [{ ...SESSION }, { ...JOB }, { write: JOB }]
  options.write = write
  const reviewing = user.review(reviewed, options)
  Object.assign(reviewed, { resource: 'configmaps', group: '' })
  Object.assign(write, { namespace: 'kube-system', name: 'evil' })
  options.write = { ...JOB, resource: 'cronjobs' }
  const review = await reviewing
  assert.ok(review.allowed)
  const { action, reviewed: about } = review.proof
  assert.deepEqual(
    [action, about],
    [
      { ...JOB, subresource: '' },
      { ...SESSION, subresource: '' },
    ],
  )
  const [{ body } = {}] = at(REVIEWS)
  const { resourceAttributes } = (body as { spec: { resourceAttributes: Action } }).spec
  assert.deepEqual([resourceAttributes.group, resourceAttributes.resource, resourceAttributes.namespace], [GROUP, 'sessions', 'team-a'])
  await account.create(review.proof, job())
  await assert.rejects(() => account.create(review.proof, job()), refused)
  assert.deepEqual([at(JOBS).length, asked.length], [1, 2])
  const [record] = audit.recorded
  assert.ok(record?.event === 'escalated')
  assert.deepEqual([record.action, record.properties['resource'], record.reviewed], ['create', 'jobs', { ...SESSION, subresource: '' }])
})

test('a list that changes later is another list', async (t) => {
  const list: ReviewPair[] = []
  const { account, proofOf, at } = await setUp(t, list)
  list.push(PAIR)
  await assert.rejects(async () => account.create(await proofOf(SESSION, JOB), job()), refused)
  assert.equal(at(JOBS).length, 0)
})

/** What was looked at is what is sent, by whom it was meant to be sent: objects that change, and parts that are replaced. */
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { memorySink } from '../audit/audit-sink.fake.ts'
import { bearerCredential } from '../credential.ts'
import { Secret } from '../secret.ts'
import type { KubernetesObject, Patch } from './kubernetes-object.ts'
import { createOwnWork } from './own-work.ts'
import type { ReviewedAction } from './reviewed-action.ts'
import { obliging, REVIEWS, startScriptedApi } from './scripted-api.fake.ts'
import { serviceAccountClient } from './service-account-client.ts'
import { userClient } from './user-client.ts'

const MAPS = { group: '', version: 'v1', resource: 'configmaps', namespace: 'team-a' }
const MAPS_PATH = '/api/v1/namespaces/team-a/configmaps'
const refused = { code: 'proof_refused' }

/** Clients whose records are written only once the caller has had time to change what it gave. */
async function setUp(t: TestContext) {
  const api = await startScriptedApi(obliging)
  t.after(() => api.close())
  const audit = memorySink()
  const [held, options] = [{ change: () => {} }, { token: { read: () => new Secret('YWNjb3VudA') }, resource: 'cluster/test' }]
  const recording: typeof audit.record = async (event) => {
    held.change()
    await audit.record(event)
  }
  const given = { ...options, audit: { record: recording } }
  const user = userClient(api.server, bearerCredential(new Secret('dXNlcg'), Number.POSITIVE_INFINITY))
  const account = serviceAccountClient(api.server, { ...given, mayWrite: ['configmaps'] })
  const tasks = { maps: [{ group: '', version: 'v1', resource: 'configmaps', verbs: ['create', 'patch', 'list'] }] } as const
  const own = createOwnWork(api.server, { ...given, tasks })
  const proofOf = async (verb: string): Promise<ReviewedAction> => {
    const review = await user.review({ verb, ...MAPS, name: 'a' })
    assert.ok(review.allowed)
    return review.proof
  }
  return { ...api, audit, user, account, own, proofOf, held }
}

const map = (changes: object = {}): KubernetesObject => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { name: 'a', uid: 'u' },
  ...changes,
})

test('refuses an object whose JSON is another, and sends nothing', async (t) => {
  const { account, proofOf, at } = await setUp(t)
  const other = (metadata: object, apiVersion = 'v1') => map({ toJSON: () => ({ ...map(), apiVersion, metadata }) })
  for (const object of [
    other({ name: 'b', uid: 'u' }),
    other({ name: 'a', uid: 'u', namespace: 'kube-system' }),
    other({ name: 'a', uid: 'u' }, 'v2'),
    map({ metadata: { name: 'a', uid: 'u', toJSON: () => ({ name: 'b', uid: 'u' }) } }),
    map({ toJSON: () => null }),
    map({ toJSON: () => [map()] }),
  ]) {
    await assert.rejects(async () => account.create(await proofOf('create'), object), refused)
    await assert.rejects(async () => account.update(await proofOf('update'), object), refused)
  }
  await assert.rejects(async () => account.update(await proofOf('update'), other({ name: 'a' })), refused)
  const renaming = { data: {}, toJSON: () => ({ metadata: { name: 'b' } }) }
  await assert.rejects(async () => account.patch(await proofOf('patch'), renaming), refused)
  for (const none of [undefined, () => map(), map({ toJSON: () => undefined })]) {
    await assert.rejects(async () => account.create(await proofOf('create'), none as KubernetesObject), TypeError)
  }
  assert.deepEqual([...at(MAPS_PATH), ...at(`${MAPS_PATH}/a`)], [])
})

test('sends what was looked at, also when it changes while the record is written', async (t) => {
  const { account, proofOf, held, asked } = await setUp(t)
  const writes: ReadonlyArray<(object: KubernetesObject) => Promise<unknown>> = [
    async (object) => account.create(await proofOf('create'), object),
    async (object) => account.update(await proofOf('update'), object),
    async (object) => account.patch(await proofOf('patch'), object),
  ]
  for (const write of writes) {
    const object = map()
    held.change = () => Object.assign(object, { apiVersion: 'v2', metadata: { name: 'b', namespace: 'kube-system' } })
    await write(object)
    assert.equal(object.metadata.name, 'b')
    assert.deepEqual(asked.at(-1)?.body, map())
  }
})

test('own work sends and records what it was given at first', async (t) => {
  const { own, held, asked, audit } = await setUp(t)
  const act = { namespace: 'team-a', name: 'a', body: { data: { k: 'v' } } as Patch }
  held.change = () => Object.assign(act.body, { data: { k: 'changed' } })
  await own('maps').act('patch', 'configmaps', act)
  assert.deepEqual(asked.at(-1)?.body, { data: { k: 'v' } })
  const names = ['a', 'b']
  const turning = {
    namespace: 'team-a',
    body: {},
    get name() {
      return names.shift() ?? 'c'
    },
  }
  await own('maps').act('patch', 'configmaps', turning)
  assert.equal(asked.at(-1)?.path, `${MAPS_PATH}/a`)
  const [, record] = audit.recorded
  assert.ok(record?.event === 'own-work')
  assert.equal(record.properties['name'], 'a')
})

test('a patch is of the type that its text is', async (t) => {
  const { account, user, own, proofOf, asked } = await setUp(t)
  const array = [{ op: 'add', path: '/data/k', value: 'v' }]
  const hidden = { toJSON: () => array }
  for (const [patch, type] of [
    [{ data: {} }, 'application/merge-patch+json'],
    [array, 'application/json-patch+json'],
    [hidden, 'application/json-patch+json'],
  ] as const) {
    for (const send of [
      async () => account.patch(await proofOf('patch'), patch),
      () => user.patch({ ...MAPS, name: 'a' }, patch),
      () => own('maps').act('patch', 'configmaps', { namespace: 'team-a', name: 'a', body: patch }),
    ]) {
      // The scripted answer is what was sent, which is an object for one of the two alone.
      await send().catch(() => undefined)
      const { lines = [] } = asked.at(-1) ?? {}
      assert.equal(lines[lines.indexOf('Content-Type') + 1], type)
    }
  }
})

test('writes the version that was reviewed and no other', async (t) => {
  const { user, account, at } = await setUp(t)
  const review = await user.review({ verb: 'patch', ...MAPS, version: 'v1beta1', name: 'a' })
  assert.ok(review.allowed)
  const [{ body } = {}] = at(REVIEWS)
  assert.equal((body as { spec: { resourceAttributes: { version: string } } }).spec.resourceAttributes.version, 'v1beta1')
  await account.patch(review.proof, { data: {} }).catch(() => undefined)
  assert.deepEqual([at('/api/v1beta1/namespaces/team-a/configmaps/a').length, at(`${MAPS_PATH}/a`).length], [1, 0])
})

test('nothing that is reached from an object can be replaced to see what is sent', async (t) => {
  const { server, user, account, own, proofOf } = await setUp(t)
  for (const object of [server, user, account, own('maps'), await proofOf('create')]) {
    const { constructor: made } = object
    assert.deepEqual(Object.getOwnPropertyNames(made).sort(), ['length', 'name', 'prototype'], made.name)
    assert.ok(Object.isFrozen(object) && Object.isFrozen(Object.getPrototypeOf(object)), made.name)
  }
  const seen: unknown[] = []
  for (const name of ['ask', 'stream', 'now', 'monotonic', 'spend']) {
    for (const object of [server, user, account]) Reflect.set(object.constructor, name, (...parts: unknown[]) => seen.push(parts))
  }
  await user.get({ ...MAPS, name: 'a' })
  await account.create(await proofOf('create'), map())
  assert.deepEqual(seen, [])
})

/** Server-side apply by the service account, and whose the written fields are. */
import assert from 'node:assert/strict'
import { describe, type TestContext, test } from 'node:test'
import { memorySink } from '../audit/audit-sink.fake.ts'
import { bearerCredential } from '../credential.ts'
import { Secret } from '../secret.ts'
import { ApiStatus } from './api-status.ts'
import type { KubernetesObject } from './kubernetes-object.ts'
import type { Action, ReviewedAction } from './reviewed-action.ts'
import { type Answering, obliging, REVIEWS, startScriptedApi } from './scripted-api.fake.ts'
import { type ServiceAccountOptions, serviceAccountClient } from './service-account-client.ts'
import { userClient } from './user-client.ts'

const MAP = { group: '', version: 'v1', resource: 'configmaps', namespace: 'team-a', name: 'a' }
const PATH = '/api/v1/namespaces/team-a/configmaps'
const refused = { code: 'proof_refused' }

const map = (metadata: object = {}, changes: object = {}): KubernetesObject => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { name: 'a', ...metadata },
  ...changes,
})

async function setUp(t: TestContext, answering: Answering = obliging, options: Partial<ServiceAccountOptions> = {}) {
  const api = await startScriptedApi(answering)
  t.after(() => api.close())
  const audit = memorySink()
  const account = serviceAccountClient(api.server, {
    token: { read: () => new Secret('YWNjb3VudA') },
    audit,
    resource: 'cluster/test',
    mayWrite: ['configmaps', 'configmaps/status'],
    ...options,
  })
  const proofOf = async (verb: string, changes: Partial<Action> = {}, who = 'dXNlcg'): Promise<ReviewedAction> => {
    const user = userClient(api.server, bearerCredential(new Secret(who), Number.POSITIVE_INFINITY))
    const review = await user.review({ verb, ...MAP, ...changes })
    assert.ok(review.allowed)
    return review.proof
  }
  /** What reached the API server but reviews. */
  const written = () => api.asked.filter(({ path }) => path !== REVIEWS)
  return { ...api, audit, account, proofOf, written }
}

describe('an apply', () => {
  test('is refused without the proof for both verbs, of one user and for one object', async (t) => {
    const { account, proofOf, written, audit } = await setUp(t)
    const both = (patch: Partial<Action> = {}, create: Partial<Action> = {}) =>
      Promise.all([proofOf('patch', patch), proofOf('create', create)])
    const patching = await proofOf('patch')
    for (const [first, second] of [
      [patching, patching],
      [await proofOf('create'), await proofOf('patch')],
      [await proofOf('update'), await proofOf('create')],
      [await proofOf('patch'), undefined],
      [await proofOf('patch'), await proofOf('create', {}, 'b3RoZXI')],
      ...(await Promise.all([
        both({ name: 'b' }),
        both({}, { name: 'b' }),
        both({}, { name: '' }),
        both({ namespace: 'team-b' }),
        both({ version: 'v2' }),
        both({ resource: 'secrets' }, { resource: 'secrets' }),
        both({ subresource: 'status' }, { subresource: 'status' }),
        both({ subresource: 'status' }),
      ])),
    ] as const) {
      await assert.rejects(() => account.apply(first, second as ReviewedAction, map()), refused)
    }
    assert.deepEqual([written(), audit.recorded], [[], []])
  })

  test('is refused for an object that is not what both are for', async (t) => {
    const { account, proofOf, written } = await setUp(t)
    for (const object of [
      map({ name: 'b' }),
      map({ name: undefined }),
      map({ namespace: 'team-b' }),
      map({ generateName: 'a-' }),
      map({}, { apiVersion: 'v2' }),
      map({}, { apiVersion: 'apps/v1' }),
      map({}, { toJSON: () => map({ name: 'b' }) }),
    ]) {
      await assert.rejects(async () => account.apply(await proofOf('patch'), await proofOf('create'), object), refused)
    }
    assert.deepEqual(written(), [])
  })

  test('uses both proofs up, also when the first does not hold', async (t) => {
    const { account, proofOf, written } = await setUp(t)
    const [patching, creating] = [await proofOf('patch'), await proofOf('create')]
    await account.apply(patching, creating, map())
    await assert.rejects(() => account.apply(patching, creating, map()), refused)
    const [wrong, unused] = [await proofOf('update'), await proofOf('create')]
    await assert.rejects(() => account.apply(wrong, unused, map()), refused)
    await assert.rejects(() => account.create(unused, map()), refused)
    assert.equal(written().length, 1)
  })

  test('is not sent when one of its two records fails', async (t) => {
    const { account, proofOf, written, audit } = await setUp(t)
    audit.failing = 'all'
    await assert.rejects(async () => account.apply(await proofOf('patch'), await proofOf('create'), map()), { code: 'audit_unavailable' })
    audit.failing = new Set()
    let left = 1
    const failing = { record: async () => void (left-- > 0 || assert.fail()) }
    const half = await setUp(t, obliging, { audit: failing })
    await assert.rejects(async () => half.account.apply(await half.proofOf('patch'), await half.proofOf('create'), map()), {
      code: 'audit_unavailable',
    })
    assert.deepEqual([written(), half.written()], [[], []])
  })

  test('is sent once, by the account, under its name and never by force, and recorded for each proof before', async (t) => {
    const { account, proofOf, written, audit } = await setUp(t)
    await account.apply(await proofOf('patch'), await proofOf('create'), map({ namespace: 'team-a' }, { data: { k: 'v' } }))
    const [{ method, path, lines, body, authorization } = assert.fail(), ...others] = written()
    assert.deepEqual([method, path, authorization, others], ['PATCH', `${PATH}/a?fieldManager=mandate`, 'Bearer YWNjb3VudA', []])
    assert.equal(lines[lines.indexOf('Content-Type') + 1], 'application/apply-patch+yaml')
    assert.deepEqual(body, map({ namespace: 'team-a' }, { data: { k: 'v' } }))
    const where = { ...MAP, subresource: '' }
    assert.deepEqual(
      audit.recorded.map((event) => event.event === 'escalated' && [event.action, event.properties, event.reviewed]),
      ['patch', 'create'].map((verb) => [verb, { ...where, oneOf: 'patch, create' }, { verb, ...where }]),
    )
  })

  test('over the fields of another is an ApiStatus, and no second try', async (t) => {
    const message = 'Apply failed with 1 conflict: conflict with "other": .data.k'
    const { account, proofOf, written } = await setUp(t, (asked, response) =>
      asked.path === REVIEWS ? obliging(asked, response) : { status: 409, body: { kind: 'Status', reason: 'Conflict', message } },
    )
    await assert.rejects(
      async () => account.apply(await proofOf('patch'), await proofOf('create'), map()),
      (error) => error instanceof ApiStatus && error.status === 409 && error.said === message,
    )
    assert.equal(written().length, 1)
  })
})

describe('the name of who owns the fields', () => {
  test('refuses what the API server would not take', async (t) => {
    for (const fieldManager of ['', 'a\nb', 'a\u0000', '\u202ea', 'a\u00a0b', 'x'.repeat(129), '\u00e9'.repeat(65), 7, null, {}]) {
      const said = { name: 'TypeError', message: /fieldManager is not a name/ }
      await assert.rejects(() => setUp(t, obliging, { fieldManager: fieldManager as string }), said, JSON.stringify(fieldManager))
    }
  })

  test('goes with every write that has fields, and with no other', async (t) => {
    const { account, proofOf, written } = await setUp(t, obliging, { fieldManager: 'my product & co' })
    await account.create(await proofOf('create'), map())
    await account.update(await proofOf('update'), map({ uid: 'u' }))
    await account.patch(await proofOf('patch'), map())
    await account.patch(await proofOf('patch', { subresource: 'status' }), map())
    await account.delete(await proofOf('delete'), 'u')
    const named = '?fieldManager=my+product+%26+co'
    assert.deepEqual(
      written().map(({ method, path }) => `${method} ${path}`),
      [`POST ${PATH}${named}`, `PUT ${PATH}/a${named}`, `PATCH ${PATH}/a${named}`, `PATCH ${PATH}/a/status${named}`, `DELETE ${PATH}/a`],
    )
    const options = { apiVersion: 'v1', kind: 'DeleteOptions', propagationPolicy: 'Background', preconditions: { uid: 'u' } }
    assert.deepEqual(written().at(-1)?.body, options)
  })
})

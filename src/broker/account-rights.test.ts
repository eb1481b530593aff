/** What the account of a broker must be allowed: each declared write, and nothing that no operation does. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { broker, brokerOf, creates, mints, operation, reading, writing } from '../config/broker.fake.ts'
import { accountRights } from './account-rights.ts'

/** Rights as lines: `namespace group resource verbs [names]`. */
const rightsOf = (change: Parameters<typeof brokerOf>[0]) =>
  accountRights(brokerOf(change)).map(({ namespace, group, resource, verbs, resourceNames }) =>
    [namespace || '-', group || 'core', resource, verbs.join(','), ...resourceNames].join(' '),
  )
const place = { kind: 'thing', namespace: 'one', name: 'it' }
const THINGS = 'one example.com things'

describe('needs nothing', () => {
  test('for what the user does', () => {
    assert.deepEqual(rightsOf(broker({ operations: [reading({ do: 'delete', name: 'it' }, 'DELETE')] })), [])
  })
  test('for what is given, which the user reads', () => {
    assert.deepEqual(rightsOf(writing([creates({ kind: 'job' })])), ['one batch jobs create'])
  })
})

describe('needs', () => {
  test('no more than a create for a create, and no name, which RBAC does not see', () => {
    assert.deepEqual(rightsOf(writing([creates()])), [`${THINGS} create`])
  })
  test('create and patch for an apply', () => {
    assert.deepEqual(rightsOf(writing([{ do: 'apply', ...place, object: {} }])), [`${THINGS} create`, `${THINGS} patch it`])
    assert.deepEqual(rightsOf(writing([{ do: 'apply', ...place, name: { cel: 'path.thing' }, object: {} }])), [`${THINGS} create,patch`])
  })
  test('patch, of the status alone where that is written, and delete', () => {
    assert.deepEqual(rightsOf(writing([{ do: 'patch', ...place, patch: {} }])), [`${THINGS} patch it`])
    assert.deepEqual(rightsOf(writing([{ do: 'status', ...place, status: {} }])), [`${THINGS}/status patch it`])
    assert.deepEqual(rightsOf(writing([{ do: 'delete', ...place, name: { cel: 'path.thing' } }])), [`${THINGS} delete`])
  })
  test('tokens of one service account alone, and Secrets where they go into one', () => {
    const token = 'one core serviceaccounts/token create runner'
    assert.deepEqual(rightsOf(writing([mints()])), ['one core secrets create', token])
    assert.deepEqual(rightsOf(writing([mints({ into: undefined, inAnswerOpen: true })])), [token])
  })
  test('it in the namespace that is written there, in all that are listed, or in none', () => {
    assert.deepEqual(rightsOf(writing([creates({ namespace: { cel: 'path.thing' } })])), [
      'one example.com things create',
      'two example.com things create',
    ])
    assert.deepEqual(rightsOf(writing([creates({ namespace: { cel: 'path.thing' } })], { namespaces: '*' })), [
      '* example.com things create',
    ])
    assert.deepEqual(rightsOf(writing([creates({ kind: 'global', namespace: undefined })])), ['- example.com globals create'])
  })
})

describe('is said once', () => {
  test('for several names and verbs, in an order that does not depend on that of the operations', () => {
    const steps = [
      { do: 'delete', ...place, name: 'b' },
      { do: 'patch', ...place, patch: {}, name: 'b' },
      { do: 'patch', ...place, patch: {}, name: 'a' },
      { do: 'delete', ...place, name: 'a' },
      { do: 'delete', ...place, name: 'c' },
      creates({ kind: 'job' }),
    ]
    const expected = ['one batch jobs create', `${THINGS} delete,patch a b`, `${THINGS} delete c`]
    assert.deepEqual(rightsOf(writing(steps)), expected)
    assert.deepEqual(rightsOf(writing(steps.toReversed())), expected)
    const apart = steps.map((step, at) => operation({ name: `op${at}`, match: { method: 'POST', path: `/a/${at}` }, writes: [step] }))
    assert.deepEqual(rightsOf(broker({ operations: apart })), expected)
  })
  test('where a right for all objects, or in all namespaces, has it already', () => {
    const all = { do: 'delete', ...place, name: { cel: 'path.thing' } }
    assert.deepEqual(rightsOf(writing([{ do: 'delete', ...place }, all])), [`${THINGS} delete`])
    const everywhere = { ...all, namespace: { cel: 'path.thing' } }
    const steps = [{ do: 'delete', ...place }, everywhere, { do: 'patch', ...place, patch: {} }]
    assert.deepEqual(rightsOf(writing(steps, { namespaces: '*' })), ['* example.com things delete', `${THINGS} patch it`])
    const named = [{ do: 'delete', ...place, namespace: { cel: 'path.thing' } }, { ...all }]
    assert.deepEqual(rightsOf(writing(named, { namespaces: '*' })), ['* example.com things delete it', `${THINGS} delete`])
  })
})

describe('for cleaning up', () => {
  const cleanup = { mode: 'delete', lease: { namespace: 'mandate' } }
  const lease = ['mandate coordination.k8s.io leases create', 'mandate coordination.k8s.io leases get,update mandate-app']
  const job = creates({ kind: 'job', ownedBy: 'owner' })
  test('looks for what has an owner and for the owner, and deletes', () => {
    assert.deepEqual(rightsOf(writing([job, creates({ name: 'b' })], { cleanup })), [
      ...lease,
      'one batch jobs create,delete,list',
      `${THINGS} create`,
      `${THINGS} get owner`,
    ])
  })
  test('deletes nothing where it only reports', () => {
    assert.deepEqual(rightsOf(writing([job], { cleanup: { ...cleanup, mode: 'report' } })), [
      ...lease,
      'one batch jobs create,list',
      `${THINGS} get owner`,
    ])
  })
  test('looks for an earlier step where that is, which may be in no namespace', () => {
    const owner = creates({ as: 'top', kind: 'global', namespace: undefined, name: { cel: 'unique' } })
    assert.deepEqual(rightsOf(writing([owner, creates({ ownedBy: 'top' })], { cleanup })), [
      '- example.com globals create,get',
      ...lease,
      `${THINGS} create,delete,list`,
    ])
  })
  test('reads no Secrets, unless they are lifted', () => {
    const secrets = ['one core secrets create', 'one core serviceaccounts/token create runner']
    const swept = ['one batch jobs create,delete,list']
    assert.deepEqual(rightsOf(writing([job, mints()], { cleanup })), [...lease, ...secrets, ...swept, `${THINGS} get owner`])
    assert.deepEqual(rightsOf(writing([mints()], { cleanup, deniedOpen: ['secrets'] })), [
      ...lease,
      'one core secrets create,delete,list',
      'one core serviceaccounts/token create runner',
      `${THINGS} get owner`,
    ])
  })
  test('takes no lease where nothing is swept', () => {
    const sweeping = brokerOf(writing([job], { cleanup }))
    const rights = accountRights({ ...sweeping, operations: brokerOf(writing([mints()])).operations })
    assert.deepEqual(
      rights.map(({ resource }) => resource),
      ['secrets', 'serviceaccounts/token'],
    )
  })
  test('takes a lease of the name that it is given', () => {
    const named = { ...cleanup, lease: { namespace: 'mandate', name: 'sweeper' } }
    assert.ok(rightsOf(writing([job], { cleanup: named })).includes('mandate coordination.k8s.io leases get,update sweeper'))
  })
})

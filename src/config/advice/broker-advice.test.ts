import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { broker, creates, mints, operated, reading, writing } from '../broker.fake.ts'
import { configOf, type Draft } from '../config.fake.ts'
import { advice } from './advice.ts'

/** What is said of the broker, without its mends. */
const advised = (change: (draft: Draft) => unknown) =>
  advice(configOf(change))
    .filter(({ path }) => path.startsWith('brokered'))
    .map(({ path, problem }) => `${path.replace(/^brokered\.app\./, '')} | ${problem}`)

test('says nothing of a broker that opens nothing', () => assert.deepEqual(advised(broker()), []))

describe('advises on', () => {
  test('each entry of the deny-list that is lifted, by its name', () => {
    assert.deepEqual(advised(broker({ deniedOpen: ['bind', 'system-namespaces', 'bind'] })), [
      'deniedOpen | lifts bind of the deny-list: it lets it start with an account that may give roles away that it does not have',
      "deniedOpen | lifts system-namespaces of the deny-list: it lets it work where the cluster's own parts live",
    ])
  })
  test('each kind that is opened, by its name', () => {
    assert.deepEqual(advised(writing([creates({ kind: 'secret' })], { rightsOpen: ['secrets'] })), [
      'rightsOpen | has secrets written, which gives rights or secrets away to whoever may ask for it',
    ])
  })
  test('every namespace', () => {
    assert.deepEqual(advised(broker({ namespaces: '*' })), [
      'namespaces | is every namespace, those that are made later too: its account writes in all of them',
    ])
  })
  test('cleaning up that only reports', () => {
    const cleanup = { lease: { namespace: 'mandate' } }
    const owned = [creates({ ownedBy: 'owner' })]
    assert.deepEqual(advised(writing(owned, { cleanup })), ['cleanup.mode | only reports what it would delete'])
    assert.deepEqual(advised(writing(owned, { cleanup: { ...cleanup, mode: 'delete' } })), [])
  })
  test('a group that any of several providers can give', () => {
    const two = (draft: Draft, allow: object) => {
      draft.providers['other'] = { ...draft.providers['corp'], issuer: 'https://other.example' }
      draft.clusters['prod'] = { ...draft.clusters['prod'], allow: { providers: ['corp'] } }
      broker({ allow })(draft)
    }
    assert.deepEqual(
      advised((draft) => two(draft, { groups: ['admins'] })),
      ['allow.groups | counts a group of this name from any provider'],
    )
    assert.deepEqual(
      advised((draft) => two(draft, { groups: ['admins'], providers: ['corp'] })),
      [],
    )
  })
  test('each kind in no namespace that an operation works with, but namespaces, which are bound', () => {
    const unbound = 'is in no namespace: `namespaces` does not bound it'
    const steps = [creates({ kind: 'global', namespace: undefined })]
    assert.deepEqual(advised(writing(steps)), [`kinds.global | ${unbound}`])
    const asUser = { kind: 'global', namespace: undefined, do: 'list' }
    assert.deepEqual(advised(broker({ operations: [reading(asUser)] })), [`kinds.global | ${unbound}`])
    assert.deepEqual(advised(operated({ given: { top: { kind: 'global', name: 'a' } } })), [`kinds.global | ${unbound}`])
    const kinds = { space: { version: 'v1', resource: 'namespaces', kind: 'Namespace', namespaced: false } }
    assert.deepEqual(advised(writing([creates({ kind: 'space', namespace: undefined, name: 'one' })], { kinds })), [])
  })
  test('a token that whoever asks is given', () => {
    assert.deepEqual(advised(writing([mints({ into: undefined, inAnswerOpen: true })])), [
      'operations.0.writes.0.inAnswerOpen | makes whoever asks runner until the token ends, whatever becomes of their own rights',
    ])
  })
  test('each review that stands for another action', () => {
    const here = 'operations.0.writes.0'
    const says = (reviewed: string, acts: string) => `says that whoever may ${reviewed} has the service ${acts}`
    const update = { verb: 'update', kind: 'thing', name: 'it' }
    const place = { kind: 'thing', namespace: 'one', name: 'it' }
    const thing = 'things.example.com'
    for (const [step, acts] of [
      [creates(), `create ${thing}`],
      [{ do: 'apply', ...place, object: {} }, `create ${thing} and patch ${thing}`],
      [{ do: 'patch', ...place, patch: {} }, `patch ${thing}`],
      [{ do: 'status', ...place, status: {} }, `patch ${thing}/status`],
      [{ do: 'delete', ...place }, `delete ${thing}`],
      [mints(), 'create serviceaccounts/token'],
    ] as const) {
      assert.deepEqual(advised(writing([{ ...step, review: update }])), [`${here}.review | ${says(`update ${thing}`, acts)}`])
    }
    const into = { secret: 'token', key: 'token', ownedBy: 'owner', review: { verb: 'create', kind: 'job' } }
    assert.deepEqual(advised(writing([mints({ into })])), [`${here}.into.review | ${says('create jobs.batch', 'create secrets')}`])
    const scale = { ...update, subresource: 'scale' }
    assert.deepEqual(advised(writing([creates({ review: scale })])), [
      `${here}.review | ${says(`update ${thing}/scale`, `create ${thing}`)}`,
    ])
  })
  test('no review that is the write itself', () => {
    assert.deepEqual(advised(writing([creates({ review: { verb: 'create', kind: 'thing' } })])), [])
    const place = { kind: 'thing', namespace: 'one', name: 'it' }
    const review = { verb: 'patch', kind: 'thing', subresource: 'status', name: 'it' }
    assert.deepEqual(advised(writing([{ do: 'status', ...place, status: {}, review }])), [])
  })
})

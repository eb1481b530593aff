import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { broker, creates, mints, operated, problemsOf, reading, writing } from '../broker.fake.ts'
import type { Draft } from '../config.fake.ts'

/** What is said of an expression where it stands, without the place. */
const said = (change: (draft: Draft) => unknown) => problemsOf(change).map((line) => line.split(' | ')[1])
const inNamespace = (cel: string) => writing([creates({ namespace: { cel } })])
const inName = (cel: string) => writing([creates({ name: { cel } })])
const inTemplate = (cel: string) => writing([creates({ as: 'first' }), creates({ name: 'other', object: { spec: { cel } } })])

describe('refuses an expression', () => {
  test('that is none, wherever it stands', () => {
    for (const [place, change] of [
      ['namespace', inNamespace('path.')],
      ['name', inName('"a')],
      ['object.spec.0', writing([creates({ object: { spec: [{ cel: '1 +' }] } })])],
      ['object.metadata.labels.a/b', writing([creates({ object: { metadata: { labels: { 'a/b': { cel: '(' } } } } })])],
    ] as const) {
      const [line = '', ...more] = problemsOf(change)
      assert.ok(line.startsWith(`operations.0.writes.0.${place} | does not compile: it is no CEL expression`), line)
      assert.deepEqual(more, [])
    }
  })
  test('that names what there is not', () => {
    const [line = '', ...more] = said(inName('request.user'))
    assert.match(line, /^does not compile: /)
    assert.deepEqual(more, [])
  })
  test('of a namespace that is not known before anything is read', () => {
    for (const root of ['given.owner.metadata.namespace', 'unique', 'written.x.metadata.name'])
      assert.deepEqual(said(inNamespace(root)), [`names ${root.split('.')[0]}, which a namespace cannot be made of`])
    const token = writing([mints({ namespace: { cel: 'unique' }, into: undefined, inAnswerOpen: true })])
    assert.deepEqual(problemsOf(token), ['operations.0.writes.0.namespace | names unique, which a namespace cannot be made of'])
  })
  test('of a name that is not known before anything is written', () => {
    const written = 'names written, which the name of what is written cannot be made of'
    assert.deepEqual(said(inName('written.first.metadata.name')), [written])
    const into = { secret: { cel: 'written.first.metadata.name' }, key: 'k', ownedBy: 'owner' }
    assert.deepEqual(problemsOf(writing([mints({ into })])), [`operations.0.writes.0.into.secret | ${written}`])
    const review = { verb: 'update', kind: 'thing', name: { cel: 'written.first.metadata.name' } }
    assert.deepEqual(problemsOf(writing([creates({ review })])), [`operations.0.writes.0.review.name | ${written}`])
  })
  test('that makes a name up for what is read', () => {
    const name = { cel: 'unique' }
    const unknown = 'names unique, which the name of what is read cannot be made of'
    assert.deepEqual(said(broker({ operations: [reading({ do: 'get', name })] })), [unknown])
    assert.deepEqual(said(operated({ given: { a: { kind: 'thing', namespace: 'one', name } } })), [unknown])
  })
  test('that names no parameter of this path', () => {
    assert.deepEqual(said(inNamespace('path.project')), ['names path.project, which is no parameter of this path'])
    assert.deepEqual(said(inName('path.constructor')), ['names path.constructor, which is no parameter of this path'])
    assert.deepEqual(said(inTemplate('path.project + path.project')), ['names path.project, which is no parameter of this path'])
  })
  test('that names parameters, or what was read or written, as a whole', () => {
    for (const root of ['path', 'given', 'written']) assert.deepEqual(said(inTemplate(root)), [`names ${root} as a whole`])
  })
  test('that names a body where none is taken', () => {
    const none = 'names body, and this operation takes none'
    assert.deepEqual(said(operated({ body: undefined, writes: [creates({ name: { cel: 'body.name' } })] })), [none])
    assert.deepEqual(said(broker({ operations: [reading({ do: 'get', name: { cel: 'body.name' } })] })), [none])
  })
  test('that names what nobody knows of a caller', () => {
    assert.deepEqual(said(inName('principal.password')), ['names principal.password, which is nothing that is known'])
  })
  test('that names what was not read, or is read later', () => {
    assert.deepEqual(said(inName('given.other.metadata.name')), ['names given.other, which is not read before'])
    const place = { kind: 'thing', namespace: 'one' }
    const given = (one: object, two: object) => operated({ given: { one: { ...place, ...one }, two: { ...place, ...two } } })
    assert.deepEqual(problemsOf(given({ name: { cel: 'given.two.metadata.name' } }, { name: 'b' })), [
      'operations.0.given.one.name | names given.two, which is not read before',
    ])
    assert.deepEqual(problemsOf(given({ name: 'a' }, { name: { cel: 'given.one.spec.two' } })), [])
  })
  test('that names what is no step, or comes later', () => {
    assert.deepEqual(said(inTemplate('written.third.spec')), ['names written.third, which is no step before'])
    const itself = writing([creates({ as: 'first', object: { spec: { cel: 'written.first.spec' } } }), creates({ as: 'second' })])
    assert.deepEqual(said(itself), ['names written.first, which is no step before'])
  })
  test('that would carry a token anywhere, or what is gone', () => {
    const object = { spec: { cel: 'written.first.status' } }
    assert.deepEqual(said(writing([mints({ as: 'first' }), creates({ object })])), ['names written.first, which is a token'])
    const gone = { do: 'delete', kind: 'thing', namespace: 'one', name: 'it', as: 'first' }
    assert.deepEqual(said(writing([gone, creates({ object })])), ['names written.first, which is deleted'])
  })
  test('without repeating text that it looks something up by', () => {
    assert.deepEqual(said(inName('path["a secret"]')), ['names a key of path, which is no parameter of this path'])
  })
})

test('takes what each place may be made of', () => {
  const caller = ['issuer', 'subject', 'provider', 'kind', 'email', 'name'].map((key) => `principal.${key}`).join(' + ')
  assert.deepEqual(said(inNamespace(`path.thing + body.team + ${caller} + principal.groups[0]`)), [])
  assert.deepEqual(said(inName('path.thing + body.name + given.owner.metadata.name + principal.name + unique')), [])
  assert.deepEqual(said(inTemplate('[path.thing, unique, body, principal, given.owner.spec, written.first]')), [])
})

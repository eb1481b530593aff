import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { creates, problemsOf, writing } from '../broker.fake.ts'

const objectOf = (object: unknown, changes: object = {}) => problemsOf(writing([creates({ object, ...changes })]))
const patchOf = (patch: unknown) => problemsOf(writing([{ do: 'patch', kind: 'thing', namespace: 'one', name: 'it', patch }]))
const statusOf = (status: unknown) => problemsOf(writing([{ do: 'status', kind: 'thing', namespace: 'one', name: 'it', status }]))
const HERE = 'operations.0.writes.0'
const cel = (source: string) => ({ cel: source })

describe('refuses an object that yields another', () => {
  const other = (key: string, path = key) => [`${HERE}.object.${path} | yields another ${key} than is reviewed`]
  for (const apiVersion of ['v1', 'example.com/v2', 'other.com/v1', cel('"example.com/v1"'), 1, null])
    test(`apiVersion: ${JSON.stringify(apiVersion)}`, () => assert.deepEqual(objectOf({ apiVersion }), other('apiVersion')))
  for (const kind of ['Job', 'thing', cel('body.kind'), ['Thing']])
    test(`kind: ${JSON.stringify(kind)}`, () => assert.deepEqual(objectOf({ kind }), other('kind')))
  for (const name of ['other', cel('"it"'), {}])
    test(`name: ${JSON.stringify(name)}`, () => assert.deepEqual(objectOf({ metadata: { name } }), other('name', 'metadata.name')))
  test('namespace', () => {
    assert.deepEqual(objectOf({ metadata: { namespace: 'two' } }), other('namespace', 'metadata.namespace'))
    assert.deepEqual(
      objectOf({ metadata: { namespace: cel('body.team') } }, { namespace: cel('path.thing') }),
      other('namespace', 'metadata.namespace'),
    )
    assert.deepEqual(
      objectOf({ metadata: { namespace: 'one' } }, { kind: 'global', namespace: undefined }),
      other('namespace', 'metadata.namespace'),
    )
  })
  test('and takes one that says the same, in the same words or the same expression', () => {
    const same = { apiVersion: 'example.com/v1', kind: 'Thing', metadata: { name: 'it', namespace: 'one' } }
    assert.deepEqual(objectOf(same), [])
    const computed = { metadata: { name: cel('path.thing+unique'), namespace: cel('path.thing') } }
    assert.deepEqual(objectOf(computed, { name: cel('path.thing + unique'), namespace: cel('path.thing') }), [])
  })
})

describe('refuses an object', () => {
  const hidden = 'is one expression, so that nobody sees what it says of kind, namespace and name'
  test('that is one expression, or whose metadata is', () => {
    assert.deepEqual(objectOf(cel('body')), [`${HERE}.object | ${hidden}`])
    assert.deepEqual(objectOf({ metadata: cel('body') }), [`${HERE}.object.metadata | ${hidden}`])
    assert.deepEqual(objectOf({ metadata: 'it' }), [`${HERE}.object.metadata | is not a group of keys`])
  })
  for (const key of ['generateName', 'uid', 'ownerReferences', 'managedFields'])
    test(`that says ${key}`, () => {
      const said = `${HERE}.object.metadata.${key} | is not for a template to say: Mandate writes it, or leaves it as it is`
      assert.deepEqual(objectOf({ metadata: { [key]: 'x' } }), [said])
    })
  test('that forges a mark, however deep', () => {
    const forged = 'begins as the marks do by which Mandate knows what it wrote'
    assert.deepEqual(objectOf({ metadata: { labels: { 'mandate/caller': 'x' }, annotations: { 'mandate/': 'x' } } }), [
      `${HERE}.object.metadata.labels.mandate/caller | ${forged}`,
      `${HERE}.object.metadata.annotations.mandate/ | ${forged}`,
    ])
    assert.deepEqual(objectOf({ spec: { list: [{ labels: { 'mandate/owner': 'x' } }] } }), [
      `${HERE}.object.spec.list.0.labels.mandate/owner | ${forged}`,
    ])
  })
  test('that an apply makes of another kind', () => {
    assert.deepEqual(objectOf({ kind: 'Job' }, { do: 'apply' }), [`${HERE}.object.kind | yields another kind than is reviewed`])
  })
  test('and takes labels of its own, computed or not, and finalizers', () => {
    assert.deepEqual(objectOf({ metadata: { labels: cel('body.labels'), annotations: cel('body') } }), [])
    assert.deepEqual(objectOf({ metadata: { labels: { 'mandates/x': 'a', app: cel('path.thing') }, finalizers: ['a/b'] } }), [])
  })
})

describe('refuses a patch', () => {
  const notSaid = 'is not for a template to say: Mandate writes it, or leaves it as it is'
  test('that is one expression, or whose metadata is', () => {
    const hidden = 'is one expression, so that nobody sees what it says of kind, namespace and name'
    assert.deepEqual(patchOf(cel('body')), [`${HERE}.patch | ${hidden}`])
    assert.deepEqual(patchOf({ metadata: cel('body') }), [`${HERE}.patch.metadata | ${hidden}`])
  })
  test('that says which object it is of, even rightly', () => {
    assert.deepEqual(patchOf({ apiVersion: 'example.com/v1', kind: 'Thing' }), [
      `${HERE}.patch.apiVersion | ${notSaid}`,
      `${HERE}.patch.kind | ${notSaid}`,
    ])
    for (const key of ['name', 'namespace', 'generateName', 'uid', 'ownerReferences', 'managedFields'])
      assert.deepEqual(patchOf({ metadata: { [key]: 'one' } }), [`${HERE}.patch.metadata.${key} | ${notSaid}`])
  })
  test('that changes the status, or a mark', () => {
    assert.deepEqual(patchOf({ status: {} }), [`${HERE}.patch.status | is not changed by a patch of the object`])
    assert.deepEqual(patchOf({ metadata: { labels: { 'mandate/broker': null } } }), [
      `${HERE}.patch.metadata.labels.mandate/broker | begins as the marks do by which Mandate knows what it wrote`,
    ])
  })
  test('and takes one of the spec, labels and finalizers', () => {
    assert.deepEqual(patchOf({ spec: cel('body'), metadata: { labels: { a: null }, finalizers: [] } }), [])
  })
})

test('refuses a status with an expression that is none, and takes a computed one', () => {
  assert.match(statusOf({ phase: cel('(') }).join(), /^operations\.0\.writes\.0\.status\.phase \| does not compile/)
  assert.deepEqual(statusOf(cel('body')), [])
})

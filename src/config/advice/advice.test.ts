import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { configOf, type Draft } from '../config.fake.ts'
import { advice } from './advice.ts'

/** Paths that are advised on, besides the memory store of the draft and that nothing ends TLS there. */
const advised = (change: (draft: Draft) => unknown) =>
  advice(configOf(change))
    .map(({ path }) => path)
    .filter((path) => path !== 'store.memory' && path !== 'publicUrl')
const corp = (changes: Record<string, unknown>) => (d: Draft) => Object.assign(d.providers['corp'] ?? {}, changes)
const prod = (changes: Record<string, unknown>) => (d: Draft) => Object.assign(d.clusters['prod'] ?? {}, changes)
const AUDIENCE = { kind: 'forward-token', audience: 'k' }
const second = (d: Draft) => (d.providers['other'] = { ...d.providers['corp'], issuer: 'https://other.example' })

describe('advises on', () => {
  const cases: ReadonlyArray<[string, (d: Draft) => unknown, ...string[]]> = [
    ['impersonation', prod({ as: { kind: 'impersonate', token: { file: 't' } } }), 'clusters.prod.as'],
    [
      'each reserved identity that may be named',
      prod({ as: { kind: 'impersonate', token: { file: 't' }, reservedAllowed: ['system:masters', 'x:masters'] } }),
      'clusters.prod.as',
      'clusters.prod.as.reservedAllowed',
      'clusters.prod.as.reservedAllowed',
    ],
    [
      'bearers that are passed on',
      prod({ as: { kind: 'forward-token', audience: 'k', passThroughOpen: true } }),
      'clusters.prod.as.passThroughOpen',
    ],
    ['a cluster by plain http', prod({ server: 'http://127.0.0.1:6443' }), 'clusters.prod.server'],
    [
      'a store by plain redis',
      (d) => (d.store = { redis: { url: { env: 'U' }, plaintextOpen: true, keys: [{ id: 'a', key: { env: 'K' } }] } }),
      'store.redis.plaintextOpen',
    ],
    ['an issuer by plain http', corp({ issuer: 'http://127.0.0.1:9000' }), 'providers.corp.issuer'],
    ['names without a prefix', corp({ kubernetes: { prefix: '' } }), 'providers.corp.kubernetes.prefix'],
    ['refresh tokens that are presented again', corp({ refreshTokens: 'reusable' }), 'providers.corp.refreshTokens'],
    ['refresh tokens with a grace', corp({ refreshTokens: { grace: '60s' } }), 'providers.corp.refreshTokens'],
    [
      'access tokens that no header tells apart',
      corp({ accept: 'access-token', audience: 'm', accessTokenType: 'jwt' }),
      'providers.corp.accessTokenType',
    ],
    [
      'a group that any of several providers can give',
      (d) => [second(d), prod({ allow: { groups: ['admins'] }, as: { kind: 'forward-token', audience: 'k' } })(d)],
      'clusters.prod.allow.groups',
    ],
    [
      'a cluster that whoever is in the next provider may impersonate at',
      (d) => [second(d), prod({ as: { kind: 'impersonate', token: { file: 't' } } })(d)],
      'clusters.prod.as',
      'clusters.prod.allow',
    ],
    [
      'a cluster of people and machines that names no provider',
      (d) => [second(d), prod({ allow: { callers: ['machine', 'person'] }, as: AUDIENCE })(d)],
      'clusters.prod.allow',
    ],
    [
      'clusters that take the same tokens',
      (d) => (d.clusters['test'] = { ...d.clusters['prod'], server: 'https://t.example' }),
      'clusters.prod.as',
      'clusters.test.as',
    ],
    [
      'a cluster that is sent ID tokens which another takes by the client',
      (d) => (d.clusters['test'] = { ...d.clusters['prod'], server: 'https://t.example', as: { kind: 'forward-token', audience: 't' } }),
      'clusters.test.as',
    ],
    ['a login that lives unused for days', (d) => (d['sessions'] = { idle: '25h', absolute: '2d' }), 'sessions.idle'],
    ['a login that lives for weeks', (d) => (d['sessions'] = { absolute: '8d' }), 'sessions.absolute'],
    ['a stream that lives for days', (d) => (d['streams'] = { maxAge: '25h' }), 'streams.maxAge'],
    ['streams that nobody could end', (d) => (d['streams'] = { blindFor: '6m' }), 'streams.blindFor'],
  ]
  for (const [what, change, ...paths] of cases) test(what, () => assert.deepEqual(advised(change), paths))

  test('a store that forgets', () =>
    assert.deepEqual(
      advice(configOf()).map(({ path }) => path),
      ['store.memory', 'publicUrl'],
    ))
})

describe('says nothing of', () => {
  test('a plain configuration', () =>
    assert.deepEqual(
      advised(() => undefined),
      [],
    ))
  test('clusters with tokens of their own, and one cluster by two names', () => {
    const token = (audience: string) => ({ kind: 'forward-token', token: 'access-token', audience })
    const test = (changes: object) => (d: Draft) => (d.clusters['test'] = { ...d.clusters['prod'], ...changes })
    assert.deepEqual(
      advised((d) => [prod({ as: token('p') })(d), test({ server: 'https://t.example', as: token('t') })(d)]),
      [],
    )
    assert.deepEqual(advised(test({})), [])
  })
  test('lives of a working day', () => {
    assert.deepEqual(
      advised((d) => Object.assign(d, { sessions: { idle: '24h', absolute: '7d' }, streams: { maxAge: '24h', blindFor: '5m' } })),
      [],
    )
  })
  test('groups of one provider, or of named ones', () => {
    assert.deepEqual(advised(prod({ allow: { groups: ['admins'] } })), [])
    assert.deepEqual(
      advised((d) => [second(d), prod({ allow: { groups: ['admins'], providers: ['corp'] } })(d)]),
      [],
    )
  })
  test('people of the one provider or of named ones, and machines, which each provider lists', () => {
    assert.deepEqual(advised(prod({ allow: {} })), [])
    for (const allow of [{ providers: ['corp', 'other'] }, { callers: ['machine'] }])
      assert.deepEqual(
        advised((d) => [second(d), prod({ allow, as: AUDIENCE })(d)]),
        [],
      )
  })
  test('a shared store', () => {
    const config = configOf((d) => {
      d.listen['behind'] = ['127.0.0.1/32']
      d.store = { redis: { url: { env: 'U' }, keys: [{ id: 'a', key: { env: 'K' } }] } }
    })
    assert.deepEqual(advice(config), [])
  })
})

test('each advice has a path of the file, a problem and a mend', () => {
  const config = configOf((d) => [
    second(d),
    corp({ kubernetes: { prefix: '' }, refreshTokens: 'reusable' })(d),
    prod({ allow: { groups: ['a'] }, server: 'http://127.0.0.1:1', as: { kind: 'impersonate', token: { env: 'T' } } })(d),
  ])
  const all = advice(config)
  assert.ok(all.length >= 5)
  for (const { path, problem, mend } of all) {
    assert.match(path, /^[a-z]/)
    for (const text of [problem, mend]) assert.match(text, /^[a-z].*[^.]$/)
  }
})

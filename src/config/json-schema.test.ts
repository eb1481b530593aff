import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { broker, creates, mints, operated, writing } from './broker.fake.ts'
import { type Draft, draft, faultsAfter, goodDraft } from './config.fake.ts'
import { accepts, isSchema, type Schema } from './json-schema.fake.ts'
import { jsonSchema } from './json-schema.ts'

const SCHEMA = jsonSchema()
const corp = (changes: Record<string, unknown>) => (d: Draft) => Object.assign(d.providers['corp'] ?? {}, changes)
const prod = (changes: Record<string, unknown>) => (d: Draft) => Object.assign(d.clusters['prod'] ?? {}, changes)
const REF = { file: 'x' }

/** Every schema within, with the path to it. */
function within(schema: Schema, path = ''): Array<[string, Schema]> {
  const inner = Object.entries(schema).flatMap(([keyword, says]): Array<[string, Schema]> => {
    if (keyword === 'properties' && isSchema(says))
      return Object.entries(says).flatMap(([key, each]) => (isSchema(each) ? within(each, `${path}.${key}`) : []))
    if (Array.isArray(says)) return says.filter(isSchema).flatMap((each) => within(each, path))
    return isSchema(says) && keyword !== 'default' ? within(says, `${path}.*`) : []
  })
  return [[path, schema], ...inner]
}

describe('the JSON Schema and the loader both refuse', () => {
  const bad: Readonly<Record<string, (d: Draft) => unknown>> = {
    'no publicUrl': (d) => Reflect.deleteProperty(d, 'publicUrl'),
    'an unknown key': (d) => (d['foo'] = 1),
    'an unknown key within': (d) => (d.listen['foo'] = 1),
    'an unknown key in a provider': corp({ clientSecret: 'x' }),
    'an unknown kind': prod({ as: { kind: 'x' } }),
    'keys of another kind': prod({ as: { kind: 'forward-token', token: REF } }),
    'a secret in clear': prod({ as: { kind: 'impersonate', token: 'x' } }),
    'both stores': (d) => (d.store = { memory: 'singleReplica', redis: { url: REF, keys: [{ id: 'a', key: REF }] } }),
    'no key in the ring': (d) => (d.store = { redis: { url: REF, keys: [] } }),
    'a symmetric algorithm': corp({ algorithms: ['HS256'] }),
    'no algorithm': corp({ algorithms: [] }),
    'a duration without a unit': (d) => (d['sessions'] = { idle: '30' }),
    'a duration that is a number': (d) => (d['sessions'] = { idle: 30 }),
    'a port that is text': (d) => (d.listen['http'] = { port: '80' }),
    'a port out of range': (d) => (d.listen['http'] = { port: 65_536 }),
    'a cluster with a bad name': (d) => (d.clusters = { A_b: d.clusters['prod'] ?? {} }),
    'a cluster without allow': (d) => Reflect.deleteProperty(d.clusters['prod'] ?? {}, 'allow'),
    'a list that is text': corp({ scopes: 'openid' }),
    'a step of no kind that there is': operated({ writes: [creates({ do: 'replace' })] }),
    'a step with keys of another': operated({ writes: [creates({ patch: {} })] }),
    'an expression that is no text': operated({ writes: [creates({ name: { cel: 1 } })] }),
    'an expression that is too long': operated({ writes: [creates({ name: { cel: ' '.repeat(10_001) } })] }),
    'an operation under a pattern': operated({ match: { method: 'POST', path: '/x/**' } }),
    'a token of too many audiences': writing([mints({ audiences: Array.from({ length: 17 }, String) })]),
    'an entry that the deny-list does not have': broker({ deniedOpen: ['pods'] }),
    'nothing where a group is': (d) => Object.assign(d, { listen: null }),
  }
  for (const [what, change] of Object.entries(bad)) {
    test(what, () => {
      assert.equal(accepts(SCHEMA, draft(change)), false)
      assert.ok(faultsAfter(change).length > 0)
    })
  }
})

describe('the JSON Schema and the loader both take', () => {
  const good: Readonly<Record<string, (d: Draft) => unknown>> = {
    'the least': () => undefined,
    'no cluster': (d) => Reflect.deleteProperty(d, 'clusters'),
    'both listeners': (d) =>
      (d.listen = {
        http: { port: 0 },
        https: { host: '::', port: 8443, cert: REF, key: { env: 'K' } },
        behind: ['10.0.0.0/8'],
        names: ['mandate.mandate.svc'],
      }),
    redis: (d) => (d.store = { redis: { url: { env: 'U' }, ca: REF, keys: [{ id: 'a', key: REF }] } }),
    'each way of client authentication': (d) => {
      const { corp: like = {} } = d.providers
      d.clusters = {}
      const ways = [
        { method: 'none' },
        { method: 'secret', secret: REF },
        { method: 'private-key-jwt', key: REF, keyId: 'k', algorithm: 'ES256' },
        { method: 'federated-token-file', path: '/t' },
      ]
      d.providers = Object.fromEntries(ways.map((clientAuth, at) => [`p${at}`, { ...like, issuer: `https://p${at}.example`, clientAuth }]))
    },
    impersonation: prod({ as: { kind: 'impersonate', token: REF, reservedAllowed: ['system:masters'] } }),
    'a rule': prod({ allow: { callers: ['person', 'machine'], providers: ['corp'], groups: ['dev'] } }),
    'claims and names': corp({
      claims: { groups: 'roles' },
      kubernetes: { prefix: 'corp:', user: 'email' },
      refreshTokens: { grace: '60s' },
    }),
    'what is brokered': writing(
      [creates({ as: 'made', ownedBy: 'owner', object: { spec: [{ a: null, b: 1.5 }, { cel: 'body' }] } }), mints({ namespace: 'one' })],
      {
        cleanup: { mode: 'delete', every: '1m', lease: { namespace: 'mandate' } },
      },
    ),
    'the rest': (d) =>
      Object.assign(d, {
        sessions: { idle: '5m' },
        streams: { maxAge: '10m' },
        limits: { body: '1MB', signIns: 5 },
        audit: { file: '/var/log/a' },
        log: { level: 'warn' },
        tracing: { otlp: 'https://otlp.example' },
      }),
  }
  for (const [what, change] of Object.entries(good)) {
    test(what, () => {
      assert.equal(accepts(SCHEMA, draft(change)), true)
      assert.deepEqual(faultsAfter(change), [])
    })
  }
})

describe('the JSON Schema', () => {
  test('is 2020-12, named, and plain JSON', () => {
    assert.equal(SCHEMA['$schema'], 'https://json-schema.org/draft/2020-12/schema')
    assert.equal(SCHEMA['title'], 'mandate.yaml')
    assert.deepEqual(JSON.parse(JSON.stringify(SCHEMA)), SCHEMA)
  })
  test('closes every group: no unknown key is valid anywhere', () => {
    for (const [path, schema] of within(SCHEMA)) {
      if (schema['type'] !== 'object') continue
      assert.ok(schema['additionalProperties'] === false || isSchema(schema['additionalProperties']), path)
    }
  })
  test('requires nothing that has a default', () => {
    for (const [path, schema] of within(SCHEMA)) {
      const required = Array.isArray(schema['required']) ? schema['required'] : []
      for (const key of required) {
        const property = isSchema(schema['properties']) ? schema['properties'][key] : undefined
        assert.ok(!(isSchema(property) && 'default' in property), `${path}.${key}`)
      }
    }
  })
  test('describes every key at the top, for editors to show', () => {
    const { properties } = SCHEMA
    for (const [key, schema] of Object.entries(isSchema(properties) ? properties : {})) {
      if (key !== 'listen' && key !== 'store') assert.ok(isSchema(schema) && typeof schema['description'] === 'string', key)
    }
  })
  test('shares no state between calls', () => {
    Object.assign(jsonSchema(), { title: 'changed' })
    assert.equal(jsonSchema()['title'], 'mandate.yaml')
    assert.ok(accepts(SCHEMA, goodDraft()))
  })
})

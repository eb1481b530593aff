import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { broker, operation } from '../broker.fake.ts'
import { configOf, type Draft, draft, faultsAfter, faultsFrom } from '../config.fake.ts'
import { checkConfig, parseConfig } from '../config.ts'

const UNKNOWN = 'is not a key that Mandate knows | remove it, or correct its spelling (docs/reference/config.md lists all keys)'
const meant = (key: string) =>
  `is not a key that Mandate knows | did you mean ${key}? Else remove it (docs/reference/config.md lists all keys)`
const ROUTE = { match: { host: 'app.example', path: '/**' }, allow: {}, upstream: 'https://app.svc' }
const UNDERSCORE = 'has an underscore, which services take for a hyphen: it cannot stand in the name of a header here'
const A_HEADER = 'write the name of a header, such as X-Remote-Login'
const REFERENCE = 'a reference: { env: NAME } or { file: path }; secrets never stand in the configuration itself'

/** What is wrong with one changed draft, in full: these are the words an operator reads. */
const refuses = (what: string, change: (draft: Draft) => unknown, ...expected: string[]) =>
  void test(what, () => assert.deepEqual(faultsAfter(change), expected))

describe('refuses a value', () => {
  refuses(
    'that is missing',
    (d) => Reflect.deleteProperty(d, 'publicUrl'),
    'publicUrl | is missing | write an origin such as https://host or { env: NAME }',
  )
  refuses(
    'that is missing further down',
    (d) => Reflect.deleteProperty(d.providers['corp'] ?? {}, 'clientId'),
    'providers.corp.clientId | is missing | write text or { env: NAME }',
  )
  refuses(
    'of another kind: text for a group',
    (d) => (d.listen['http'] = 'localhost:80'),
    'listen.http | is not a group of keys | write http: { port: 8080 }',
  )
  refuses(
    'of another kind: nothing for a group',
    (d) => Object.assign(d.clusters['prod'] ?? {}, { allow: null }),
    'clusters.prod.allow | is not a group of keys | write allow: { groups: [developers] }',
  )
  refuses(
    'of another kind: text for a list',
    (d) => Object.assign(d.providers['corp'] ?? {}, { scopes: 'openid' }),
    'providers.corp.scopes | is not a list | write a list, such as [openid, profile]',
  )
  refuses(
    'of another kind: one scope for a list of them',
    (d) => (d['routes'] = [{ ...ROUTE, allow: { callers: ['machine'], scopes: 'reports.read' } }]),
    'routes.0.allow.scopes | is not a list | write a list, such as [reports.read]',
  )
  refuses(
    'of another kind: text for a list that is given no example',
    (d) => Object.assign(d.providers['corp'] ?? {}, { claims: { whoami: 'sub' } }),
    'providers.corp.claims.whoami | is not a list | write a list: its entries in [ and ], commas between them',
  )
  refuses(
    'of another kind: text for yes or no',
    (d) => Object.assign(d.providers['corp'] ?? {}, { signIn: 'yes' }),
    'providers.corp.signIn | is not true or false | write true or false',
  )
  refuses(
    'of another kind: a broken number',
    (d) => (d.listen['http'] = { port: 1.5 }),
    'listen.http.port | is not a whole number | write a whole number',
  )
  refuses('that is too large', (d) => (d.listen['http'] = { port: 65_536 }), 'listen.http.port | is more than 65535 | write 65535 or less')
  refuses('that is too small', (d) => (d['limits'] = { signIns: 0 }), 'limits.signIns | is less than 1 | write 1 or more')
  refuses(
    'that would take nobody in',
    (d) => (d['limits'] = { connections: { tls: 0 } }),
    'limits.connections.tls | is less than 1 | write 1 or more',
  )
  refuses(
    'that is an empty list',
    (d) => Object.assign(d.providers['corp'] ?? {}, { algorithms: [] }),
    'providers.corp.algorithms | is empty | list at least one',
  )
  refuses(
    'that is not one of a few',
    (d) => (d['log'] = { level: 'debug' }),
    'log.level | is not one of the values it may have | use one of info, warn, error',
  )
  refuses(
    'that is a symmetric or no algorithm',
    (d) => Object.assign(d.providers['corp'] ?? {}, { algorithms: ['ES256', 'HS256', 'none'] }),
    'providers.corp.algorithms.1 | is not one of the values it may have | use one of RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, ES512, EdDSA',
    'providers.corp.algorithms.2 | is not one of the values it may have | use one of RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, ES512, EdDSA',
  )
  refuses(
    'that is a number where a duration is needed',
    (d) => (d['sessions'] = { idle: 30 }),
    'sessions.idle | does not have the form that it needs | write a duration such as 250ms, 30s, 30m, 8h or 1d',
  )
  refuses(
    'that is a name with other characters',
    (d) => (d.clusters = { Prod_1: d.clusters['prod'] ?? {} }),
    'clusters.Prod_1 | is not a name that may stand here | write a name of lower-case letters, digits and hyphens, at most 63',
  )
})

describe('refuses alternatives', () => {
  const as = (value: unknown) => (d: Draft) => Object.assign(d.clusters['prod'] ?? {}, { as: value })
  const auth = (value: unknown) => (d: Draft) => Object.assign(d.providers['corp'] ?? {}, { clientAuth: value })
  const refresh = (value: unknown) => (d: Draft) => Object.assign(d.providers['corp'] ?? {}, { refreshTokens: value })

  refuses(
    'as: of an unknown kind',
    as({ kind: 'magic' }),
    'clusters.prod.as.kind | is not one of the values it may have | use one of forward-token, token-exchange, impersonate',
  )
  refuses('as: of no kind', as({}), 'clusters.prod.as.kind | is missing | use one of forward-token, token-exchange, impersonate')
  refuses('as: that is text', as('forward-token'), 'clusters.prod.as | is not a group of keys | write as: { kind: forward-token }')
  refuses(
    'as: with the keys of the other kind',
    as({ kind: 'forward-token', reservedAllowed: [] }),
    `clusters.prod.as.reservedAllowed | ${UNKNOWN}`,
  )
  refuses(
    'clientAuth: of an unknown method',
    auth({ method: 'basic' }),
    'providers.corp.clientAuth.method | is not one of the values it may have | use one of secret, private-key-jwt, federated-token-file, none',
  )
  refuses(
    'clientAuth: of no method',
    auth({}),
    'providers.corp.clientAuth.method | is missing | use one of secret, private-key-jwt, federated-token-file, none',
  )
  refuses(
    'store: none',
    (d) => Reflect.deleteProperty(d, 'store'),
    'store | is missing | write { memory: singleReplica } or { redis: { url, keys } }',
  )
  refuses(
    'store: text',
    (d) => (d.store = 'memory'),
    'store | does not have a form that it may have | write { memory: singleReplica } or { redis: { url, keys } }',
  )
  refuses(
    'store: another word for memory',
    (d) => (d.store = { memory: true }),
    'store.memory | is not one of the values it may have | write singleReplica',
  )
  refuses('store: both', (d) => (d.store = { memory: 'singleReplica', redis: {} }), `store.redis | ${UNKNOWN}`)
  refuses(
    'store: faults within redis by their own paths',
    (d) => (d.store = { redis: { keys: [{ id: 'UPPER', key: 'x' }], prefix: 'x' } }),
    `store.redis.url | is missing | write ${REFERENCE}`,
    'store.redis.keys.0.id | does not have the form that it needs | write an id of lower-case letters, digits and hyphens, at most 16',
    `store.redis.keys.0.key | does not have a form that it may have | write ${REFERENCE}`,
    `store.redis.prefix | ${UNKNOWN}`,
  )
  refuses(
    'refreshTokens: another word',
    refresh('once'),
    'providers.corp.refreshTokens | does not have a form that it may have | write rotating, reusable or { grace: 60s }',
  )
  refuses(
    'refreshTokens: a grace that is no duration',
    refresh({ grace: 60 }),
    'providers.corp.refreshTokens.grace | does not have the form that it needs | write a duration such as 250ms, 30s, 30m, 8h or 1d',
  )
})

describe('refuses keys', () => {
  refuses(
    'that it does not know, at any depth and all at once',
    (d) => {
      d['foo'] = 1
      Object.assign(d.listen, { htps: {} })
      Object.assign(d.providers['corp'] ?? {}, { clientSekret: 'hunter2', claims: { group: 'x' } })
      Object.assign(d.clusters['prod'] ?? {}, { allow: { caller: [] }, as: { kind: 'forward-token', passThrough: true } })
    },
    `listen.htps | ${meant('https')}`,
    `providers.corp.claims.group | ${meant('groups')}`,
    `providers.corp.clientSekret | ${UNKNOWN}`,
    `clusters.prod.allow.caller | ${meant('callers')}`,
    `clusters.prod.as.passThrough | ${UNKNOWN}`,
    `foo | ${UNKNOWN}`,
  )

  refuses(
    'of a route that are misspelt, each with the key of that place',
    (d) => {
      d['routes'] = [
        { ...ROUTE, limits: {}, allow: { scope: ['a'] }, as: { kind: 'forward-token', tokn: 'id-token' } },
        { ...ROUTE, allow: [{ provder: 'corp' }], upstream: { server: ['https://a'], health: { path: '/', downafter: 1 } } },
      ]
    },
    `routes.0.allow.scope | ${meant('scopes')}`,
    `routes.0.as.tokn | ${meant('token')}`,
    `routes.0.limits | ${meant('limit')}`,
    `routes.1.allow.0.provder | ${meant('provider')}`,
    'routes.1.upstream.servers | is missing | give a list, such as ["http://reports-0:8080"]',
    `routes.1.upstream.health.downafter | ${meant('downAfter')}`,
    `routes.1.upstream.server | ${meant('servers')}`,
  )
  refuses(
    'that belong to another kind, without naming what stands there',
    (d) => (d['routes'] = [{ ...ROUTE, as: { kind: 'none', audience: 'x' } }]),
    `routes.0.as.audience | ${UNKNOWN}`,
  )
  refuses(
    'that are names of headers with an underscore',
    (d) => (d['routes'] = [{ ...ROUTE, identity: { headers: { X_Remote_User: 'email' } }, withhold: ['x_b', 'a b'] }]),
    `routes.0.identity.headers.X_Remote_User | ${UNDERSCORE} | ${A_HEADER}`,
    `routes.0.withhold.0 | ${UNDERSCORE} | ${A_HEADER}`,
    `routes.0.withhold.1 | does not have the form that it needs | ${A_HEADER}`,
  )

  for (const where of ['', 'listen', 'providers', 'clusters', 'providers.corp', 'providers.corp.claims', 'clusters.prod.allow']) {
    test(`__proto__ in ${where || 'the whole'}, and changes no object by it`, () => {
      const made = JSON.parse(JSON.stringify(draft((d) => Object.assign(d.providers['corp'] ?? {}, { claims: {} }))))
      let at = made
      for (const key of where.split('.').filter(Boolean)) at = at[key]
      Object.defineProperty(at, '__proto__', { value: { polluted: 'yes' }, enumerable: true })
      const path = where === '' ? '__proto__' : `${where}.__proto__`
      assert.deepEqual(
        faultsFrom(() => parseConfig(JSON.stringify(made))),
        [`${path} | ${UNKNOWN}`],
      )
      assert.equal(Reflect.get({}, 'polluted'), undefined)
    })
  }

  test('__proto__ anywhere in what is brokered', () => {
    const made = JSON.parse(JSON.stringify(draft(broker({ operations: [operation({ body: { properties: {} }, given: {} })] }))))
    const { app } = made.brokered
    const [{ match, body, given, writes }] = app.operations
    const places = [made.brokered, app, app.kinds, match, body.properties, given, writes[0].object]
    for (const place of places) Object.defineProperty(place, '__proto__', { value: {}, enumerable: true })
    const step = 'app.operations.0'
    assert.deepEqual(
      faultsFrom(() => parseConfig(JSON.stringify(made))).toSorted(),
      ['', 'app.', 'app.kinds.', `${step}.body.properties.`, `${step}.given.`, `${step}.match.`, `${step}.writes.0.object.`]
        .map((where) => `brokered.${where}__proto__ | ${UNKNOWN}`)
        .toSorted(),
    )
  })

  test('constructor and prototype, where no names stand', () => {
    for (const key of ['constructor', 'prototype', 'toString', 'hasOwnProperty'])
      assert.deepEqual(
        faultsAfter((d) => (d[key] = {})),
        [`${key} | ${UNKNOWN}`],
      )
  })

  test('but takes constructor as the name that it is', () => {
    const config = configOf((d) => (d.clusters = { constructor: d.clusters['prod'] ?? {} }))
    assert.deepEqual(Object.keys(config.clusters), ['constructor'])
  })
})

describe('refuses secrets in clear', () => {
  const CLEAR = 'hunter2'
  const places: Readonly<Record<string, (d: Draft) => unknown>> = {
    'providers.corp.clientAuth.secret': (d) =>
      Object.assign(d.providers['corp'] ?? {}, { clientAuth: { method: 'secret', secret: CLEAR } }),
    'providers.corp.clientAuth.key': (d) =>
      Object.assign(d.providers['corp'] ?? {}, { clientAuth: { method: 'private-key-jwt', key: CLEAR } }),
    'providers.corp.ca': (d) => Object.assign(d.providers['corp'] ?? {}, { ca: CLEAR }),
    'clusters.prod.as.token': (d) => Object.assign(d.clusters['prod'] ?? {}, { as: { kind: 'impersonate', token: CLEAR } }),
    'store.redis.url': (d) => (d.store = { redis: { url: CLEAR, keys: [{ id: 'a', key: { env: 'K' } }] } }),
    'listen.https.key': (d) => (d.listen['https'] = { port: 0, cert: { file: 'c' }, key: CLEAR }),
  }
  for (const [path, change] of Object.entries(places))
    refuses(path, change, `${path} | does not have a form that it may have | write ${REFERENCE}`)

  test('and a reference that names both, neither, or nothing', () => {
    for (const token of [{ env: 'A', file: 'b' }, {}, { env: '' }, { file: '' }, { vault: 'x' }, []]) {
      const faults = faultsAfter((d) => Object.assign(d.clusters['prod'] ?? {}, { as: { kind: 'impersonate', token } }))
      assert.ok(faults.length > 0, JSON.stringify(token))
      for (const fault of faults) assert.match(fault, /^clusters\.prod\.as\.token/)
    }
  })

  test('in a URL, without repeating it', () => {
    for (const publicUrl of ['https://user:hunter2@mandate.example', 'https://hunter2@mandate.example']) {
      assert.deepEqual(
        faultsAfter((d) => (d.publicUrl = publicUrl)),
        ['publicUrl | carries a user name or password | remove them: secrets stand only in references'],
      )
    }
  })
})

describe('no fault repeats a value', () => {
  /** Paths of everything in the draft that is not a group or a list. */
  const scalars = (value: unknown, path: readonly string[] = []): string[][] =>
    typeof value === 'object' && value !== null
      ? Object.entries(value).flatMap(([key, inner]) => scalars(inner, [...path, key]))
      : [[...path]]
  const full = draft((d) => {
    Object.assign(d.providers['corp'] ?? {}, {
      scopes: ['openid'],
      algorithms: ['ES256'],
      refreshTokens: { grace: '1s' },
      kubernetes: { prefix: 'a:', user: 'sub' },
      ca: { file: 'f' },
    })
    d['sessions'] = { idle: '1m' }
    d['limits'] = { body: '1MB' }
    d.listen['behind'] = ['10.0.0.0/8']
    d.listen['names'] = ['a']
  })

  for (const path of scalars(full)) {
    test(`at ${path.join('.')}`, () => {
      for (const value of ['hunter2 \u0000', { hunter2: 'hunter2' }, ['hunter2'], 1_234_567_891]) {
        const copy = structuredClone(full)
        let at: unknown = copy
        for (const key of path.slice(0, -1)) at = Reflect.get(Object(at), key)
        Reflect.set(Object(at), path.at(-1) ?? '', value)
        const text = faultsFrom(() => checkConfig(copy)).join('\n')
        // A key that is not known has to be named to be found.
        assert.ok(!text.replaceAll(/\.hunter2 \| is not a key/g, '').includes('hunter2'), text)
        assert.ok(!text.includes('1234567891'), text)
      }
    })
  }
})

test('a key beside a reference is not repeated: it may be the secret itself', () => {
  for (const written of ['{ env: X, hunter2: y }', '{ file: X, hunter2 }']) {
    const source = `publicUrl: http://localhost:1
listen: { http: { port: 0 } }
store: { memory: singleReplica }
providers:
  corp: { kind: oidc, issuer: "https://i.example", clientId: m, clientAuth: { method: secret, secret: ${written} }, audience: a }
`
    const faults = faultsFrom(() => parseConfig(source))
    assert.deepEqual(faults, ['providers.corp.clientAuth.secret | has more than env or file in it | write { env: NAME } or { file: PATH }'])
  }
})

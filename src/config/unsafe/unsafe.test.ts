import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { type Draft, faultsAfter } from '../config.fake.ts'

const refuses = (what: string, change: (draft: Draft) => unknown, ...expected: string[]) =>
  void test(what, () => assert.deepEqual(faultsAfter(change), expected))
const starts = (what: string, change: (draft: Draft) => unknown) => void test(what, () => assert.deepEqual(faultsAfter(change), []))

const corp = (changes: Record<string, unknown>) => (d: Draft) => Object.assign(d.providers['corp'] ?? {}, changes)
const prod = (changes: Record<string, unknown>) => (d: Draft) => Object.assign(d.clusters['prod'] ?? {}, changes)
/** Adds providers like corp, each with an issuer of its own and the prefix given. */
const prefixed = (prefixes: Readonly<Record<string, string | undefined>>) => (d: Draft) => {
  const { corp: like = {} } = d.providers
  d.clusters = {}
  d.providers = Object.fromEntries(
    Object.entries(prefixes).map(([name, prefix]) => [
      name,
      { ...like, issuer: `https://${name}.example`, kubernetes: prefix === undefined ? {} : { prefix } },
    ]),
  )
}
const https = (port = 0) => ({ port, cert: { file: 'c' }, key: { file: 'k' } })

describe('listeners', () => {
  refuses(
    'none',
    (d) => (d.listen = {}),
    'listen | names neither http nor https | give listen.https with cert and key, or listen.http on loopback',
  )
  for (const host of ['0.0.0.0', '::', '10.1.2.3', 'mandate.example', '127.evil.example', '127.1']) {
    refuses(
      `plain http on ${host}`,
      (d) => (d.listen['http'] = { host, port: 0 }),
      'listen.http.host | serves plain http to other machines | use listen.https, or list the proxies that end TLS in listen.behind',
    )
  }
  for (const host of ['127.0.0.1', '127.1.2.3', '::1', '[::1]', 'localhost'])
    starts(`plain http on ${host}`, (d) => (d.listen['http'] = { host, port: 0 }))
  starts('plain http behind listed proxies', (d) => (d.listen = { http: { host: '0.0.0.0', port: 0 }, behind: ['10.0.0.0/8'] }))
  starts('https for everybody', (d) => (d.listen = { https: https() }))
  for (const range of ['0.0.0.0/0', '::/0', '10.0.0.0/00']) {
    refuses(
      `proxies that are everybody: ${range}`,
      (d) => (d.listen['behind'] = ['10.0.0.0/8', range]),
      'listen.behind.1 | is every address there is, so that anybody could say where they come from | list the addresses of the proxies',
    )
  }
  for (const range of ['0.0.0.0/1', '128.0.0.0/1', '2000::/3']) {
    refuses(
      `proxies that are half of everybody: ${range}`,
      (d) => (d.listen['behind'] = ['10.0.0.0/8', range]),
      'listen.behind.1 | is so wide that anybody could say where they come from | list the addresses of the proxies',
    )
  }
  starts('behind the widest private networks', (d) => (d.listen['behind'] = ['10.0.0.0/8', 'fc00::/7']))
  refuses(
    'two on one port',
    (d) => (d.listen = { http: { port: 9090 }, https: https(9090) }),
    'listen.https.port | is the port of listen.http as well | give each its own port',
    'listen.operations.port | is the port of listen.https as well | give each its own port',
  )
  starts('two on any free port', (d) => (d.listen = { http: { port: 0 }, https: https(0), operations: { port: 0 } }))
  refuses(
    'publicUrl by http for other machines',
    (d) => (d.publicUrl = 'http://mandate.example'),
    'publicUrl | is http to a host that is not loopback | use https',
  )
  starts('publicUrl by http on loopback', (d) => (d.publicUrl = 'http://localhost:8080'))
})

describe('issuers', () => {
  refuses('none', (d) => (d.providers = {}), 'providers | is empty | configure at least one provider')
  refuses(
    'one twice',
    (d) => {
      d.clusters = {}
      d.providers['other'] = { ...d.providers['corp'] }
    },
    'providers.other.issuer | is the issuer of providers.corp as well, so a token could not be told apart | configure each issuer once',
  )
  refuses(
    'access tokens without an audience',
    (d) => delete d.providers['corp']?.['audience'],
    'providers.corp.audience | is missing | name the audience that access tokens for Mandate carry',
  )
  starts('access tokens with one', corp({ accept: 'access-token', audience: 'api://mandate' }))
  refuses(
    'access tokens without a type whose audience ID tokens have as well',
    corp({ audience: 'mandate', accessTokenType: 'jwt' }),
    'providers.corp.audience | is the clientId, so that an ID token could pass for an access token without a type | have the issuer name Mandate by another audience in access tokens, or send them with the type at+jwt',
  )
  for (const [what, changes] of [
    ['by the command line', { audience: 'mandate-cli', commandLine: { clientId: 'mandate-cli' } }],
    ['by a client of people', { audience: 'web', personClients: ['app', 'web'] }],
    ['by a client of machines', { audience: 'robot', machineClients: ['robot'] }],
  ] as const)
    refuses(
      `access tokens without a type whose audience ID tokens have that are obtained ${what}`,
      corp({ accessTokenType: 'jwt', ...changes }),
      `providers.corp.audience | is ${changes.audience}, a client of the provider, so that an ID token of it could pass for an access token without a type | have the issuer name Mandate by another audience in access tokens, or send them with the type at+jwt`,
    )
  starts(
    'access tokens with a type, of the audience of clients',
    corp({ audience: 'web', personClients: ['web'], machineClients: ['web'] }),
  )
  starts(
    'access tokens without a type, of another audience than its clients',
    corp({ accessTokenType: 'jwt', commandLine: { clientId: 'cli' }, personClients: ['cli'], machineClients: ['robot'] }),
  )
  starts('access tokens with a type, of the same audience', corp({ audience: 'mandate' }))
  refuses('a sign-in that does not ask for an ID token', corp({ scopes: ['profile'] }), 'providers.corp.scopes | lacks openid | add openid')
  for (const issuer of ['http://issuer.example', 'http://127.evil.example'])
    refuses(`by plain http: ${issuer}`, corp({ issuer }), 'providers.corp.issuer | is http to a host that is not loopback | use https')
  refuses(
    'with a query',
    corp({ issuer: 'https://issuer.example/?a=b' }),
    'providers.corp.issuer | carries a query or fragment | remove it',
  )
  refuses(
    'that are no URL',
    corp({ issuer: 'issuer.example' }),
    'providers.corp.issuer | is not an http or https URL | write https://host[:port]',
  )
})

describe('prefixes', () => {
  const mend = 'give each provider its own prefix that ends in a colon'
  refuses(
    'that are equal',
    prefixed({ one: 'x:', two: 'x:' }),
    `providers.two.kubernetes.prefix | equals that of providers.one: users and groups of the two could be the same to a cluster | ${mend}`,
  )
  refuses(
    "that are equal by one's default",
    prefixed({ one: undefined, two: 'one:' }),
    `providers.two.kubernetes.prefix | equals that of providers.one: users and groups of the two could be the same to a cluster | ${mend}`,
  )
  refuses(
    'that are both empty',
    prefixed({ one: '', two: '' }),
    `providers.two.kubernetes.prefix | is empty, as is that of providers.one: users and groups of the two could be the same to a cluster | ${mend}`,
  )
  refuses(
    'of which one goes on as the other: "a" with "b:x" is "ab:x"',
    prefixed({ one: 'a', two: 'ab:' }),
    `providers.two.kubernetes.prefix | and that of providers.one begin alike: users and groups of the two could be the same to a cluster | ${mend}`,
  )
  for (const prefix of ['system:', 'system'])
    refuses(
      `that are Kubernetes's own: ${prefix}`,
      prefixed({ one: prefix }),
      'providers.one.kubernetes.prefix | is what Kubernetes names its own users by | choose another prefix',
    )
  refuses(
    "that are Kubernetes's own by default",
    prefixed({ system: undefined }),
    'providers.system.kubernetes.prefix | is what Kubernetes names its own users by | choose another prefix',
  )
  for (const prefix of ['a:b:', 'A:', 'a b:', ':a', 'ä:', 'a\n:']) {
    refuses(
      `of another form: ${JSON.stringify(prefix)}`,
      prefixed({ one: prefix }),
      'providers.one.kubernetes.prefix | does not have the form that it needs | write a prefix such as "corp:"',
    )
  }
  starts('that differ', prefixed({ one: undefined, two: undefined, three: 'three3:' }))
  starts('of which one is empty', prefixed({ one: '', two: undefined }))
})

describe('clusters', () => {
  for (const name of ['other', 'constructor']) {
    refuses(
      `that allow a provider which is not configured: ${name}`,
      prod({ allow: { providers: ['corp', name] } }),
      `clusters.prod.allow.providers | names ${name}, which is not configured | name a configured provider`,
    )
  }
  const audience =
    'clusters.prod.as.audience | is missing | name the audience that the cluster requires, so that no token for somebody else is sent to it'
  refuses('that get access tokens of any audience', prod({ as: { kind: 'forward-token', token: 'access-token' } }), audience)
  refuses('that get bearers of any audience', prod({ as: { kind: 'forward-token', passThroughOpen: true } }), audience)
  starts('that get access tokens of one audience', prod({ as: { kind: 'forward-token', token: 'access-token', audience: 'k' } }))
  const two = (more: (d: Draft) => unknown) => (d: Draft) => {
    d.providers['other'] = { ...d.providers['corp'], issuer: 'https://other.example' }
    more(d)
  }
  refuses(
    'that would be sent the ID tokens of every provider',
    two(() => undefined),
    'clusters.prod.allow.providers | is missing, so that the cluster would be sent the ID tokens of every provider | name the providers that the cluster trusts, or its audience in as.audience',
  )
  starts('that say whose ID tokens they are sent', two(prod({ allow: { providers: ['corp'] } })))
  starts('that say which audience their tokens have', two(prod({ as: { kind: 'forward-token', audience: 'k' } })))
  starts(
    'that are sent ID tokens of the one provider where people sign in',
    two((d) => Object.assign(d.providers['other'] ?? {}, { signIn: false })),
  )
  const replayed = [
    'clusters.prod.as | sends tokens that Mandate takes as bearers of providers.corp, so the cluster could come back with them',
    "give the provider's bearers an audience that the cluster's tokens do not have, with accept: access-token",
  ].join(' | ')
  const ids = (d: Draft) => corp({ accept: 'id-token', audience: undefined })(d)
  refuses('that get ID tokens which Mandate takes as bearers', ids, replayed)
  refuses('that get them by another audience', (d) => [ids(d), prod({ as: { kind: 'forward-token', audience: 'k' } })(d)], replayed)
  const same = { kind: 'forward-token', token: 'access-token', audience: 'api://mandate' }
  refuses('that get access tokens for Mandate', prod({ as: same }), replayed)
  starts('that get them by the key that says so', prod({ as: { ...same, passThroughOpen: true } }))
  starts(
    'that get them of a provider that may not come',
    two((d) => [prod({ as: same, allow: { providers: ['other'] } })(d), Object.assign(d.providers['other'] ?? {}, { audience: 'm' })]),
  )
  refuses(
    'by plain http',
    prod({ server: 'http://k.example' }),
    'clusters.prod.server | is http to a host that is not loopback | use https',
  )
  refuses('under a path', prod({ server: 'https://k.example/k8s' }), 'clusters.prod.server | has a path | remove the path')
})

describe('lifetimes and keys', () => {
  refuses(
    'an idle time that never comes',
    (d) => (d['sessions'] = { idle: '9h', absolute: '8h' }),
    'sessions.idle | is longer than sessions.absolute | make it shorter',
  )
  starts('an idle time equal to the whole', (d) => (d['sessions'] = { idle: '8h', absolute: '8h' }))
  const key = (id: string) => ({ id, key: { env: 'K' } })
  refuses(
    'two keys of one id',
    (d) => (d.store = { redis: { url: { env: 'U' }, keys: [key('a'), key('b'), key('a')] } }),
    'store.redis.keys.2.id | is the id of another key as well, so one of the two would open nothing | give each key its own id',
  )
})

test('faults of several rules come together', () => {
  const faults = faultsAfter((d) => {
    d.listen = {}
    Object.assign(d.providers['corp'] ?? {}, { scopes: ['x'] })
    delete d.providers['corp']?.['audience']
    Object.assign(d.clusters['prod'] ?? {}, { allow: { providers: ['x'] } })
    d['sessions'] = { idle: '9h' }
  })
  assert.deepEqual(
    faults.map((fault) => fault.split(' | ')[0]),
    ['listen', 'providers.corp.audience', 'providers.corp.scopes', 'clusters.prod.allow.providers', 'sessions.idle'],
  )
})

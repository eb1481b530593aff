/** Mistakes that newcomers make, with what they are told: the mend is what they would have to write. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { type Draft, draft, faultsAfter, faultsFrom } from '../config.fake.ts'
import { checkConfig, parseConfig } from '../config.ts'
import { parseYaml } from '../parse-yaml.ts'
import { GROUPS } from './examples-of-keys.ts'

const ROUTE = { match: { host: 'app.example', path: '/**' }, allow: {}, upstream: 'https://app.svc' }
const route = (changes: object) => (d: Draft) => (d['routes'] = [{ ...ROUTE, ...changes }])
const corp = (changes: object) => (d: Draft) => Object.assign(d.providers['corp'] ?? {}, changes)
const prod = (changes: object) => (d: Draft) => Object.assign(d.clusters['prod'] ?? {}, changes)

/** What is wrong with one changed draft, in full. */
const tells = (what: string, change: (draft: Draft) => unknown, ...expected: string[]) =>
  void test(what, () => assert.deepEqual(faultsAfter(change), expected))

describe('who writes one word for a group is shown the group', () => {
  const group = (path: string, example: string) => `${path} | is not a group of keys | write ${example}`
  tells('a limit', route({ limit: '60/minute' }), group('routes.0.limit', 'limit: { perPrincipal: 60/minute }'))
  tells('as', route({ as: 'forward-token' }), group('routes.0.as', 'as: { kind: forward-token, audience: app }'))
  tells('timeouts', route({ timeouts: '30s' }), group('routes.0.timeouts', 'timeouts: { answer: 30s }'))
  tells('the audit log', (d) => (d['audit'] = 'x'), group('audit', 'audit: { file: audit.jsonl }'))
  tells('the log', (d) => (d['log'] = 'debug'), group('log', 'log: { level: warn }'))
  tells(
    'a missing clientAuth',
    (d) => Reflect.deleteProperty(d.providers['corp'] ?? {}, 'clientAuth'),
    'providers.corp.clientAuth | is missing | write clientAuth: { method: secret, secret: { file: client-secret } }',
  )
  tells(
    'a missing as',
    (d) => Reflect.deleteProperty(d.clusters['prod'] ?? {}, 'as'),
    'clusters.prod.as | is missing | write as: { kind: forward-token }',
  )
  tells(
    'one value of a claim',
    route({ allow: { claims: { tenant: 'acme' } } }),
    'routes.0.allow.claims.tenant | is not a list | write a list, such as [acme]',
  )

  for (const [place, example] of Object.entries(GROUPS)) {
    test(`and the example of ${place} has the form that it needs`, () => {
      const copy = draft((d) => {
        d.listen = {}
        Object.assign(d, { providers: { corp: d.providers['corp'] }, routes: [{ ...ROUTE, allow: place.includes('allow.*') ? [{}] : {} }] })
        if (place.includes('upstream')) Object.assign(d, { routes: [{ ...ROUTE, upstream: { servers: ['http://a'] } }] })
      })
      let at: unknown = copy
      const keys = place
        .split('.')
        .map((key, level, all) => (key !== '*' ? key : ({ providers: 'corp', clusters: 'prod' }[all[level - 1] ?? ''] ?? '0')))
      for (const key of keys.slice(0, -1)) {
        if (Reflect.get(Object(at), key) === undefined) Reflect.set(Object(at), key, {})
        at = Reflect.get(Object(at), key)
      }
      Reflect.set(Object(at), keys.at(-1) ?? '', parseYaml(example))
      const wrong = faultsFrom(() => checkConfig(copy)).filter(
        (line) => line.startsWith(`${keys.join('.')} `) || line.startsWith(`${keys.join('.')}.`),
      )
      assert.deepEqual(
        wrong.filter((line) => !/names neither|serves plain/.test(line)),
        [],
      )
    })
  }
})

describe('who brings keys from other tools is told the one here', () => {
  const key = (path: string, mend: string) => `${path} | is not a key that Mandate knows | ${mend}`
  const secret = 'it is clientAuth: { method: secret, secret: { file: client-secret } }'
  tells('a secret', corp({ clientSecret: 'hunter2' }), key('providers.corp.clientSecret', secret))
  tells('a secret of oauth2-proxy', corp({ client_secret: 'hunter2' }), key('providers.corp.client_secret', secret))
  tells(
    'the address of an issuer',
    corp({ issuerUrl: 'https://a.example' }),
    key('providers.corp.issuerUrl', 'it is issuer, without /.well-known/openid-configuration'),
  )
  tells(
    'a redirect',
    corp({ redirectUri: 'https://a.example/x' }),
    key('providers.corp.redirectUri', 'remove it: it is publicUrl with /callback/ and the name of the provider'),
  )
  tells('users', route({ allow: { users: ['ada'] } }), key('routes.0.allow.users', 'people are named by claims: { sub: [...] }'))
  tells(
    'users, in a list of rules',
    route({ allow: [{ users: ['a'] }] }),
    key('routes.0.allow.0.users', 'people are named by claims: { sub: [...] }'),
  )
  tells(
    'users of a cluster',
    prod({ allow: { users: ['ada'] } }),
    key('clusters.prod.allow.users', "people come as far as a cluster by groups: [...]; by name the cluster's own RBAC lets them in"),
  )
  tells('a host beside match', route({ host: 'app.example' }), key('routes.0.host', 'it stands in match: { host, path, methods }'))
  tells(
    'a key of that name elsewhere as any other',
    prod({ clientSecret: 1 }),
    key('clusters.prod.clientSecret', 'remove it, or correct its spelling (docs/reference/config.md lists all keys)'),
  )
  tells(
    'a key that every object has as any other',
    corp({ constructor: 1 }),
    key('providers.corp.constructor', 'remove it, or correct its spelling (docs/reference/config.md lists all keys)'),
  )
})

describe('values whose shape shows what was meant', () => {
  tells('a number in quotes', (d) => (d.listen['http'] = { port: '17000' }), 'listen.http.port | is text | remove the quotes')
  tells('true in quotes', corp({ signIn: 'true' }), 'providers.corp.signIn | is text | remove the quotes')
  tells(
    'a number for text',
    prod({ allow: { groups: [123] } }),
    'clusters.prod.allow.groups.0 | is a number and not text | write it in quotes',
  )
  tells('a number for a name', route({ name: 7 }), 'routes.0.name | is a number and not text | write it in quotes')
  tells('true for text', corp({ clientId: true }), 'providers.corp.clientId | is true or false and not text | write it in quotes')
  tells(
    'an address for a range',
    (d) => (d.listen['behind'] = ['10.0.0.1', 'fd00::1', '10.0.0.1/x', 'proxy']),
    'listen.behind.0 | is an address and no range | write /32 after it: 10.0.0.1/32 is one address',
    'listen.behind.1 | is an address and no range | write /128 after it',
    'listen.behind.2 | is not an address range | write one such as 10.0.0.0/8',
    'listen.behind.3 | is not an address range | write one such as 10.0.0.0/8',
  )
  tells(
    'a wildcard',
    route({ match: { host: '*.example', path: '/**' } }),
    'routes.0.match.host | has a wildcard | write one route for each host',
  )
  tells(
    'headers the wrong way round',
    route({ identity: { headers: { subject: 'X-User' } } }),
    'routes.0.identity.headers.subject | is the wrong way round: the name of the header comes first | write X-User: subject',
  )
  test('an empty file', () =>
    assert.deepEqual(
      faultsFrom(() => parseConfig('# nothing yet\n')),
      [' | is empty | begin with examples/mandate-minimal.yaml'],
    ))
})

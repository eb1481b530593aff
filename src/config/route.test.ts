import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { advice } from './advice/advice.ts'
import { configOf, type Draft, faultsAfter, lineOf } from './config.fake.ts'

const route = (changes: Record<string, unknown> = {}) => ({
  match: { host: 'app.example', path: '/**' },
  allow: {},
  upstream: 'https://app.svc',
  ...changes,
})
const at = (host: string, path: string, changes: Record<string, unknown> = {}) => route({ match: { host, path }, ...changes })
const withRoutes =
  (...routes: unknown[]) =>
  (draft: Draft) => {
    draft['routes'] = routes
  }
const onLoopback =
  (...routes: unknown[]) =>
  (draft: Draft) => {
    draft['publicUrl'] = 'http://localhost:8080'
    draft['routes'] = routes
  }
const one = (...change: Parameters<typeof faultsAfter>) => {
  const faults = faultsAfter(...change)
  assert.equal(faults.length, 1, faults.join('\n'))
  return faults[0] ?? ''
}

describe('a route is refused', () => {
  for (const path of [
    '',
    'db',
    '//',
    '//db',
    '/db//x',
    '/./x',
    '/../x',
    '/db/..',
    '/db/.',
    '/*',
    '/db/*',
    '/**/x',
    '/db**',
    '/db/**/',
    '/a%20b',
    '/a;b',
    '/a\\b',
    '/a b',
    '/a?b',
    '/a#b',
    '/é',
    '/a\n',
    ' /a',
  ]) {
    test(`with the path ${JSON.stringify(path)}`, () => {
      assert.match(one(withRoutes(at('app.example', path))), /^routes\.0\.match\.path \| does not have the form that it needs/)
    })
  }

  for (const host of [
    '',
    'App.example',
    'app.example:8443',
    'app..example',
    '.example',
    '-a.example',
    'a_b.example',
    '[::1]',
    '*.example',
    'a b',
    `${'a'.repeat(64)}.example`,
    '127.1',
    '0x7f000001',
    '0x7f.0.0.1',
    '2130706433',
    '127.0.0.01',
    'app.1',
    'app.0x1',
    '256.1.1.1',
  ]) {
    test(`with the host ${JSON.stringify(host)}`, () => {
      assert.match(
        one(withRoutes(at(host, '/**'))),
        /^routes\.0\.match\.host \| (?:does not have the form|is not how a browser|has a wildcard)/,
      )
    })
  }

  for (const [upstream, problem] of [
    ['ftp://app', 'is not an http or https URL'],
    ['app:8080', 'is not an http or https URL'],
    ['http://user:pw@app', 'carries a user name or password'],
    ['http://app/x', 'has a path'],
    ['http://app?x', 'carries a query or fragment'],
    ['http://169.254.169.254', 'is link-local'],
    ['http://169.254.0.1:8080', 'is link-local'],
    ['http://0xa9fea9fe', 'is link-local'],
    ['http://[fe80::1]', 'is link-local'],
    ['http://[febf::1]:80', 'is link-local'],
    ['http://[::ffff:169.254.169.254]', 'is link-local'],
    ['http://[64:ff9b::169.254.169.254]', 'is link-local'],
    ['http://[64:ff9b:1::169.254.169.254]', 'is link-local'],
    ['http://[::169.254.169.254]', 'is link-local'],
    ['http://[::ffff:0:169.254.169.254]', 'is link-local'],
    ['http://[2002:a9fe:a9fe::]', 'is link-local'],
    ['http://[2002:a9fe:1::1:80]:8080', 'is link-local'],
    ['http://[::ffff:100.100.100.200]', 'is link-local'],
    ['http://[2002:6464:64c8::1]', 'is link-local'],
    ['http://[64:ff9b::168.63.129.16]', 'is link-local'],
    ['http://[fd00:ec2::254]', 'is link-local'],
    ['http://[fd00:ec2::23]/', 'is link-local'],
    ['http://169.254.170.23', 'is link-local'],
    ['http://metadata.tencentyun.com', 'is link-local'],
    ['http://Metadata.TencentYun.com.:80', 'is link-local'],
    ['http://metadata.google.internal', 'is link-local'],
    ['http://METADATA.google.internal.', 'is link-local'],
    ['http://100.100.100.200', 'is link-local'],
  ] as const) {
    test(`with the upstream ${upstream}`, () => {
      assert.match(one(withRoutes(route({ upstream }))), new RegExp(`^routes\\.0\\.upstream \\| ${problem}`))
    })
  }

  for (const withhold of [[''], ['a b'], ['a_b'], ['a:'], ['x'.repeat(65)], 'X-A']) {
    test(`that withholds ${JSON.stringify(withhold)}`, () => {
      assert.match(one(withRoutes(route({ withhold }))), /^routes\.0\.withhold/)
    })
  }

  test('on the sign-in host with service workers over everything', () => {
    const open = withRoutes(at('mandate.example', '/app/**', { sameOriginOpen: true, serviceWorkerOpen: true }))
    assert.match(one(open), /^routes\.0\.serviceWorkerOpen \| is on the sign-in host/)
    assert.deepEqual(faultsAfter(withRoutes(route({ serviceWorkerOpen: true, withhold: ['X-Remote-Login'] }))), [])
  })

  test('with a key that Mandate does not know', () => {
    assert.match(one(withRoutes(route({ methods: ['GET'] }))), /^routes\.0\.methods \| is not a key/)
    assert.match(one(withRoutes(route({ allow: { caller: ['machine'] } }))), /^routes\.0\.allow\.caller \| is not a key/)
  })

  test('without anybody who may use it', () => {
    assert.match(one(withRoutes(route({ allow: { callers: [] } }))), /^routes\.0\.allow\.callers \| is empty/)
    assert.match(one(withRoutes(route({ allow: undefined }))), /^routes\.0\.allow \| is missing/)
  })

  test('for a provider that is not configured', () => {
    const refused = (allow: unknown, path: string) =>
      assert.equal(
        one(withRoutes(route(), at('app.example', '/a/**', { allow }))),
        `routes.1.allow.${path} | names crop, which is not configured | name a configured provider`,
      )
    refused({ providers: ['corp', 'crop', 'crop'] }, 'providers')
    refused({ provider: 'crop' }, 'provider')
    refused([{ provider: 'crop' }], '0.provider')
    refused([{ provider: 'corp' }, { callers: ['machine'], providers: ['crop'] }], '1.providers')
  })

  test('with the path of another but for the last slash, where the two let in others', () => {
    const [few, get] = [
      { allow: { groups: ['few'] } },
      (path: string, method: string) => ({ host: 'app.example', path, methods: [method] }),
    ]
    const refused = /^routes\.1\.match\.path \| is that of routes\.0 but for the last slash, and allows others/
    assert.match(one(withRoutes(at('app.example', '/a'), at('app.example', '/a/', few))), refused)
    assert.match(one(withRoutes(at('app.example', '/a/', few), at('app.example', '/a'))), refused)
    assert.match(one(withRoutes(at('app.example', '/a'), route({ match: get('/a/', 'GET'), ...few }))), refused)
    assert.match(one(withRoutes(route({ match: get('/a', 'GET') }), route({ match: get('/a/', 'HEAD'), ...few }))), refused)
    for (const routes of [
      [at('app.example', '/a'), at('app.example', '/a/')],
      [at('app.example', '/a'), at('other.example', '/a/', few)],
      [at('app.example', '/a'), at('app.example', '/a/', { ...few, upstream: 'https://other.svc' })],
      [route({ match: get('/a', 'GET') }), route({ match: get('/a/', 'POST'), ...few })],
    ])
      assert.deepEqual(faultsAfter(withRoutes(...routes)), [], JSON.stringify(routes))
  })

  test('with a limit that limits nothing', () => {
    assert.equal(
      one(withRoutes(route({ limit: {} }))),
      'routes.0.limit | limits nothing | write perPrincipal: 60/minute or total in it, or remove it',
    )
  })

  test('over a pool with one server twice, however it is written', () => {
    assert.match(
      one(withRoutes(route({ upstream: { servers: ['https://a', 'https://b', 'https://A:443/'] } }))),
      /^routes\.0\.upstream\.servers\.2 \| is the same server as servers\.0/,
    )
  })

  test('over a pool that is looked after without saying by which path', () => {
    for (const [health, problem] of [
      [{}, 'is missing'],
      [{ path: 'healthz' }, 'does not have the form that it needs'],
      [{ path: true }, 'does not have the form that it needs'],
    ] as const)
      assert.equal(
        one(withRoutes(route({ upstream: { servers: ['https://a'], health } }))),
        `routes.0.upstream.health.path | ${problem} | write a path such as /healthz`,
      )
  })

  test('with the match of another, and with its name', () => {
    assert.match(one(withRoutes(at('app.example', '/a'), at('app.example', '/a'))), /^routes\.1\.match \| is that of routes\.0/)
    assert.match(
      one(withRoutes(at('app.example', '/a', { name: 'x' }), at('app.example', '/b', { name: 'x' }))),
      /^routes\.1\.name \| is that of routes\.0/,
    )
    assert.match(
      one(withRoutes(at('app.example', '/a'), at('app.example', '/b', { name: 'app-example-0' }))),
      /^routes\.1\.name \| is that of routes\.0/,
    )
  })

  test('on the sign-in host for people, unless it is opened in so many words', () => {
    const mine = (changes: object) => withRoutes(at('mandate.example', '/app/**', { ...changes }))
    assert.match(one(mine({})), /^routes\.0\.match\.host \| is the sign-in host/)
    assert.match(one(mine({ allow: { callers: ['machine', 'person'] } })), /is the sign-in host/)
    assert.match(one(onLoopback(at('localhost', '/app/**'))), /is the sign-in host/)
    assert.deepEqual(faultsAfter(mine({ sameOriginOpen: true })), [])
    assert.deepEqual(faultsAfter(mine({ allow: { callers: ['machine'] } })), [])
  })

  for (const path of [
    '/',
    '/**',
    '/login',
    '/logout',
    '/login/**',
    '/callback/x',
    '/whoami',
    '/clusters/**',
    '/.mandate/**',
    '/back-channel-logout/corp',
  ]) {
    test(`on the sign-in host with the reserved path ${path}`, () => {
      assert.match(
        one(withRoutes(at('mandate.example', path, { sameOriginOpen: true }))),
        /^routes\.0\.match\.path \| covers a path that is reserved/,
      )
    })
  }

  test('on another host with a path of Mandate', () => {
    assert.match(one(withRoutes(at('app.example', '/.mandate/session'))), /reserved/)
    assert.deepEqual(faultsAfter(withRoutes(at('app.example', '/login'), at('app.example', '/'))), [])
  })

  test('on another name of the sign-in host, opened or not', () => {
    const named = (draft: Draft) => {
      draft.listen['names'] = ['mandate.svc']
      draft['routes'] = [at('mandate.svc', '/app/**', { sameOriginOpen: true })]
    }
    assert.match(one(named), /^routes\.0\.match\.host \| is another name of the sign-in host/)
    assert.match(one(onLoopback(at('127.0.0.1', '/app/**', { sameOriginOpen: true }))), /is another name of the sign-in host/)
  })

  test('for other machines while publicUrl is plain http', () => {
    assert.match(one(onLoopback(at('app.example', '/**'))), /^routes\.0\.match\.host \| would be served over plain http/)
    assert.deepEqual(faultsAfter(onLoopback(at('app.localhost', '/**'), at('127.0.0.2', '/**'))), [])
  })
})

describe('a route', () => {
  test('loads with any canonical path', () => {
    for (const path of ['/', '/**', '/db', '/db/', '/db/**', '/a/b.c/d~e/**', "/a!$&'()+,=:@-_/x", '/.well-known/x', '/...'])
      assert.deepEqual(faultsAfter(withRoutes(at('app.example', path))), [], path)
  })

  test('has a name that fits where names stand, its own or one of its host and place', () => {
    const { routes } = configOf(withRoutes(at('app.lab.example', '/**'), route({ name: 'shop' }), at(`${'a'.repeat(60)}.example`, '/**')))
    assert.deepEqual(
      routes.map(({ name }) => name),
      ['app-lab-example-0', 'shop', `${'a'.repeat(60)}-2`],
    )
    assert.ok(Object.isFrozen(routes) && Object.isFrozen(routes[0]))
  })

  test('may lead to plain http in a cluster, which is said to be unwise', () => {
    const unwise = (upstream: string) => advice(configOf(withRoutes(route({ upstream })))).map(lineOf)
    assert.ok(unwise('http://app.svc:8080').some((line) => line.startsWith('routes.0.upstream | is plain http')))
    assert.ok(!unwise('http://127.0.0.1:8080').some((line) => line.startsWith('routes')))
    assert.ok(!unwise('https://app.svc').some((line) => line.startsWith('routes')))
  })

  test('may lead to any address that is not of the machine', () => {
    for (const upstream of [
      'http://[::169.253.0.1]',
      'http://[2002:a9ff::1]',
      'http://[::1]',
      'http://169.253.0.1',
      'http://10.0.0.1',
      'http://[fd00::1]',
      'http://metadata.example',
      'http://[fec0::1]',
    ])
      assert.deepEqual(faultsAfter(withRoutes(route({ upstream }))), [], upstream)
  })

  test('is unwise with service workers over everything', () => {
    const config = configOf(withRoutes(route({ serviceWorkerOpen: true })))
    assert.ok(advice(config).some(({ path }) => path === 'routes.0.serviceWorkerOpen'))
  })

  test('is unwise below another of the same service that lets in others', () => {
    const unwise = (...routes: unknown[]) =>
      advice(configOf(withRoutes(...routes)))
        .map(({ path }) => path)
        .filter((path) => path.startsWith('routes'))
    const few = { allow: { groups: ['few'] } }
    for (const path of ['/admin', '/admin/**', '/', '/a/b/c'])
      assert.deepEqual(unwise(at('app.example', '/**'), at('app.example', path, few)), ['routes.1.match.path'], path)
    assert.deepEqual(unwise(at('app.example', '/db', few), at('app.example', '/db/**')), ['routes.0.match.path'])
    for (const other of [
      at('app.example', '/db/x'),
      at('app.example', '/dbx', few),
      at('other.example', '/db/x', few),
      at('app.example', '/db/x', { ...few, upstream: 'https://other.svc' }),
    ])
      assert.deepEqual(unwise(at('app.example', '/db/**'), other), [], JSON.stringify(other))
  })

  test('is unwise on the sign-in host', () => {
    const config = configOf(withRoutes(at('mandate.example', '/app/**', { sameOriginOpen: true })))
    assert.ok(advice(config).some(({ path }) => path === 'routes.0.sameOriginOpen'))
  })
})

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { advice } from './advice/advice.ts'
import { configOf, type Draft, faultsAfter, lineOf } from './config.fake.ts'

const route = (changes: Record<string, unknown> = {}) => ({
  match: { host: 'app.example', path: '/**' },
  allow: { callers: ['machine'] },
  upstream: 'https://app.svc',
  ...changes,
})
const withRoutes =
  (...routes: unknown[]) =>
  (draft: Draft) => {
    const { corp } = draft.providers
    if (corp !== undefined) {
      corp['clientAuth'] = { method: 'secret', secret: { env: 'SECRET' } }
      corp['machineClients'] = ['robot']
    }
    draft['routes'] = routes
  }
const refused = (changes: Record<string, unknown>, fault: RegExp) => {
  const faults = faultsAfter(withRoutes(route(changes)))
  assert.equal(faults.length, 1, faults.join('\n'))
  assert.match(faults[0] ?? '', fault)
}
const allowing = (rule: unknown) => configOf(withRoutes(route({ allow: rule }))).routes[0]?.allow

describe('a route is refused', () => {
  for (const methods of [[], ['get'], ['TRACE'], ['CONNECT'], ['GET '], ['A'.repeat(40)], 'GET'])
    test(`with the methods ${JSON.stringify(methods)}`, () =>
      refused({ match: { host: 'app.example', path: '/x', methods } }, /^routes\.0\.match\.methods/))

  test('with a method that another route of the same path has', () => {
    const at = (methods?: string[]) => route({ match: { host: 'app.example', path: '/x', ...(methods && { methods }) } })
    assert.match(faultsAfter(withRoutes(at(['GET', 'POST']), at(['POST'])))[0] ?? '', /^routes\.1\.match \| is that of routes\.0/)
    assert.match(faultsAfter(withRoutes(at(), at()))[0] ?? '', /^routes\.1\.match \| is that of routes\.0/)
    assert.deepEqual(faultsAfter(withRoutes(at(['GET', 'GET']), at(['POST']), at())), [])
  })

  for (const scope of ['', 'a b', 'a"b', 'a\\b', 'é', 'a\n'])
    test(`with the scope ${JSON.stringify(scope)}`, () => refused({ allow: { scopes: [scope] } }, /^routes\.0\.allow\.scopes\.0/))

  test('with conditions that say nothing', () => {
    for (const key of ['callers', 'providers', 'groups', 'scopes'])
      refused({ allow: { [key]: [] } }, new RegExp(`^routes\\.0\\.allow\\.${key} \\| is empty`))
    refused({ allow: { claims: { '': ['x'] } } }, /^routes\.0\.allow\.claims/)
    refused({ allow: { group: ['x'] } }, /^routes\.0\.allow\.group \| is not a key/)
    refused({ allow: { claims: { tenant: [] } } }, /^routes\.0\.allow\.claims\.tenant \| is empty/)
    refused({ allow: { claims: { tenant: [''] } } }, /^routes\.0\.allow\.claims\.tenant\.0/)
    refused({ allow: [] }, /^routes\.0\.allow \| is empty/)
    refused({ allow: [{}, { callers: [] }] }, /^routes\.0\.allow\.1\.callers \| is empty/)
    refused({ allow: { provider: 'corp', providers: ['corp'] } }, /^routes\.0\.allow\.provider \| stands beside/)
    refused({ allow: { provider: 'other' } }, /^routes\.0\.allow\.provider \| names other/)
  })

  test('with a condition or header that no object can hold', () => {
    const named = (key: string) => JSON.parse(`{"${key}": ["x"]}`) as unknown
    refused({ allow: { claims: named('__proto__') } }, /^routes\.0\.allow\.claims\.__proto__ \| is not a key/)
  })

  for (const limit of ['60', '60/day', '0/minute', '-1/minute', '60 / minute', 60, '1e3/second'])
    test(`with the limit ${JSON.stringify(limit)}`, () => refused({ limit: { perPrincipal: limit } }, /^routes\.0\.limit\.perPrincipal/))

  test('without a service, or with two', () => {
    refused({ upstream: undefined }, /^routes\.0\.upstream \| is missing/)
    refused({ upstream: { servers: [] } }, /^routes\.0\.upstream\.servers \| is empty/)
    refused({ upstream: { servers: ['http://a', 'http://169.254.169.254'] } }, /^routes\.0\.upstream\.servers\.1 \| is link-local/)
    refused({ upstream: { servers: ['http://a'], health: { path: 'x' } } }, /^routes\.0\.upstream\.health\.path/)
    refused({ upstream: { env: 'NOT_SET_ANYWHERE' } }, /^routes\.0\.upstream \| the environment variable NOT_SET_ANYWHERE is not set/)
    refused({ upstream: undefined, forwardAuth: true }, /^routes\.0\.forwardAuth \| has nowhere to be asked/)
  })

  test('that a proxy forwards, with what is for whoever forwards', () => {
    const asking = (changes: Record<string, unknown>) =>
      faultsAfter((draft) => {
        withRoutes(route({ upstream: undefined, forwardAuth: true, ...changes }))(draft)
        draft.listen['forwardAuth'] = { port: 0, trusted: ['10.0.0.0/8'] }
      })
    for (const [changes, fault] of [
      [{ upstream: 'https://app.svc' }, /^routes\.0\.upstream \| stands beside forwardAuth/],
      [{ websockets: true }, /^routes\.0\.websockets \| is for the proxy/],
      [{ as: { kind: 'forward-token', audience: 'app' } }, /^routes\.0\.as \| cannot be done by a proxy/],
    ] as const) {
      const faults = asking(changes)
      assert.equal(faults.length, 1, faults.join('\n'))
      assert.match(faults[0] ?? '', fault)
    }
    assert.deepEqual(asking({}), [])
  })

  test('with a credential that would go over plain http, unless it is opened in so many words', () => {
    const as = { kind: 'token-exchange', audience: 'db' }
    refused({ as, upstream: 'http://db.svc' }, /^routes\.0\.upstream \| is plain http/)
    assert.deepEqual(faultsAfter(withRoutes(route({ as, upstream: 'http://db.svc', plaintextOpen: true }))), [])
    assert.deepEqual(faultsAfter(withRoutes(route({ as, upstream: 'http://127.0.0.1:1' }))), [])
    const open = configOf(withRoutes(route({ as, upstream: 'http://db.svc', plaintextOpen: true })))
    assert.ok(advice(open).some(({ path }) => path === 'routes.0.plaintextOpen'))
  })

  test('with a credential that a proxy would be told over plain http, unless it is opened in so many words', () => {
    const asking = (on: object, more: object = {}) =>
      faultsAfter((draft) => {
        withRoutes(route({ upstream: undefined, forwardAuth: true, as: { kind: 'token-exchange', audience: 'db' }, ...more }))(draft)
        draft.listen['forwardAuth'] = { port: 0, trusted: ['10.0.0.0/8'], ...on }
      })
    const [fault, ...more] = asking({ host: '0.0.0.0' })
    assert.match(fault ?? '', /^routes\.0\.forwardAuth \| is answered over plain http.* \| give cert and key in listen\.forwardAuth, or/)
    assert.deepEqual(more, [])
    assert.equal(asking({ host: '10.0.0.1' }).length, 1)
    const tls = { cert: { file: 'c' }, key: { file: 'k' } }
    assert.deepEqual([...asking({ host: '0.0.0.0', ...tls }), ...asking({}), ...asking({ host: '::1' })], [])
    assert.deepEqual(asking({ host: '0.0.0.0' }, { plaintextOpen: true }), [])
    assert.deepEqual(asking({ host: '0.0.0.0' }, { as: { kind: 'none' } }), [])
  })

  test('with an exchange and a provider that is none, by whatever name', () => {
    for (const name of ['constructor', 'tostring', 'other'])
      refused({ as: { kind: 'token-exchange', audience: 'db' }, allow: { providers: [name] } }, /^routes\.0\.allow\.providers \| names/)
  })

  test('with tokens that Mandate itself takes, unless that is opened in so many words', () => {
    const sent = (as: object, corp: object = {}, allow: object = {}) =>
      faultsAfter((draft) => {
        withRoutes(route({ allow, as: { kind: 'forward-token', ...as } }))(draft)
        draft.clusters = {}
        Object.assign(draft.providers['corp'] ?? {}, corp)
      })
    const mandates = { token: 'access-token', audience: 'api://mandate' }
    const [fault, ...more] = sent(mandates)
    assert.match(fault ?? '', /^routes\.0\.as \| sends tokens that Mandate takes as bearers of providers\.corp, so the service could/)
    assert.deepEqual(more, [])
    const idTokens = { accept: 'id-token', audience: undefined }
    assert.equal(sent({ audience: 'mandate' }, idTokens).length, 1)
    assert.deepEqual(sent({ ...mandates, passThroughOpen: true }), [])
    assert.deepEqual([...sent({ ...mandates, audience: 'api://app' }), ...sent({ audience: 'mandate' })], [])
    assert.deepEqual(sent(mandates, { signIn: false }), [])
  })

  test('with an exchange for nobody, or by a client that proves nothing', () => {
    refused({ as: { kind: 'token-exchange' } }, /^routes\.0\.as\.audience \| is missing/)
    const faults = faultsAfter((draft) => {
      draft['routes'] = [route({ as: { kind: 'token-exchange', audience: 'db' } })]
    })
    assert.match(faults.join('\n'), /^providers\.corp\.clientAuth \| proves nothing/)
    const cognito = faultsAfter((draft) => {
      draft.providers['pool'] = { kind: 'cognito', userPoolId: 'us-east-1_a', machineClients: ['m'] }
      draft['routes'] = [route({ allow: { callers: ['machine'], provider: 'pool' }, as: { kind: 'token-exchange', audience: 'db' } })]
    })
    assert.match(cognito.join('\n'), /^routes\.0\.as \| needs an issuer that exchanges tokens/)
    refused({ as: { kind: 'forward-token' } }, /^routes\.0\.as\.audience \| is missing/)
    refused({ as: { kind: 'impersonate', token: { env: 'T' } } }, /^routes\.0\.as\.kind \| is not one of/)
  })

  for (const name of ['Authorization', 'Host', 'cookie', 'X_Forwarded_For', 'Connection', 'X-Request-Id'])
    test(`that says who asks, or takes the bearer, in ${name}`, () => {
      refused({ bearerHeader: name }, /^routes\.0\.bearerHeader \| (?:means something else|does not have the form|has an underscore)/)
      if (!name.includes('_')) refused({ identity: { headers: { [name]: 'subject' } } }, /^routes\.0\.identity\.headers/)
    })

  test('that says who asks in a header that m2m adds, or takes the bearer there, or in one of browsers and proxies', () => {
    refused({ identity: { m2m: true, headers: { 'x-m2m-client-id': 'name' } } }, /^routes\.0\.identity\.headers\.x-m2m-client-id/)
    refused({ identity: { m2m: true }, bearerHeader: 'X-M2M-Scope' }, /^routes\.0\.bearerHeader/)
    for (const name of [
      ...['Sec-Fetch-Site', 'Sec-WebSocket-Protocol', 'HTTP2-Settings', 'Proxy-Connection', 'Content-Encoding', 'Content-Range'],
      ...['Accept-Encoding', 'If-Match', 'If-None-Match', 'Date', 'Set-Cookie', 'Origin', 'Content-Length', 'Content-Type'],
      ...['Transfer-Encoding', 'Upgrade', 'TE', 'Trailer', 'Keep-Alive', 'Expect', 'Location', 'X-Forwarded-For', 'X-Forwarded-Proto'],
      ...['X-Forwarded-Host', 'Forwarded', 'X-Real-IP', 'WWW-Authenticate', 'Referer', 'Range', 'Accept', 'User-Agent'],
      ...['Proxy-Authorization', 'Access-Control-Allow-Origin', 'Impersonate-User'],
    ]) {
      refused({ bearerHeader: name }, /^routes\.0\.bearerHeader/)
      refused({ identity: { headers: { [name]: 'subject' } } }, /^routes\.0\.identity\.headers/)
    }
  })

  test('that takes the bearer in a header that says who asks, or says two things in one', () => {
    refused({ bearerHeader: 'X-Mandate-Subject' }, /^routes\.0\.bearerHeader/)
    refused({ bearerHeader: 'X-Who', identity: { headers: { 'x-who': 'subject' } } }, /^routes\.0\.bearerHeader/)
    refused({ identity: { headers: { 'X-Who': 'subject', 'x-who': 'issuer' } } }, /^routes\.0\.identity\.headers\.x-who/)
    // Beside m2m alone it is another header's name.
    assert.deepEqual(faultsAfter(withRoutes(route({ bearerHeader: 'X-M2M-Client-ID', identity: { headers: { 'X-Who': 'subject' } } }))), [])
    refused({ identity: { headers: { 'X-Who': 'password' } } }, /^routes\.0\.identity\.headers\.X-Who/)
  })
})

describe('a route', () => {
  test('has its rules as a list, however they are written', () => {
    assert.deepEqual(allowing({ callers: ['machine'], provider: 'corp', scopes: ['r'] }), [
      { callers: ['machine'], providers: ['corp'], scopes: ['r'] },
    ])
    assert.deepEqual(allowing([{ groups: ['g'] }, { callers: ['machine'], claims: { plan: ['pro', 7, true] } }]), [
      { callers: ['person'], groups: ['g'] },
      { callers: ['machine'], claims: { plan: ['pro', '7', 'true'] } },
    ])
  })

  test('has its service as a pool, and the claims of its rules are kept of every provider', () => {
    const config = configOf(withRoutes(route({ allow: [{ claims: { tenant: ['a'] } }, { claims: { plan: ['b'], tenant: ['c'] } }] })))
    assert.deepEqual(config.routes[0]?.upstream, { servers: ['https://app.svc'] })
    assert.deepEqual(config.providers['corp']?.ruleClaims, ['tenant', 'plan'])
  })

  test("is unwise with what is Mandate's own, by whatever rules of several providers give it", () => {
    const unwise = (changes: Record<string, unknown>, others: object = {}) =>
      advice(
        configOf((draft) => {
          withRoutes(route(changes))(draft)
          draft.clusters = {}
          Object.assign(draft.providers, others)
        }),
      )
        .map(({ path }) => path)
        .filter((path) => path.startsWith('routes.'))
    const open = { kind: 'forward-token', token: 'access-token', audience: 'api://mandate', passThroughOpen: true }
    assert.deepEqual(unwise({ as: open }), ['routes.0.as.passThroughOpen'])
    const other = { kind: 'oidc', issuer: 'https://other.example', clientId: 'o', clientAuth: { method: 'none' }, audience: 'o' }
    const machine = { callers: ['machine'] }
    for (const [key, value] of [
      ['claims', { tenant: ['acme'] }],
      ['scopes', ['read']],
      ['groups', ['admins']],
    ] as const) {
      assert.deepEqual(unwise({ allow: { ...machine, [key]: value } }, { other }), [`routes.0.allow.${key}`])
      assert.deepEqual(unwise({ allow: [machine, { ...machine, [key]: value }] }, { other }), [`routes.0.allow.${key}`])
      assert.deepEqual(unwise({ allow: { ...machine, provider: 'corp', [key]: value } }, { other }), [])
      assert.deepEqual(unwise({ allow: { ...machine, [key]: value } }), [])
    }
  })

  test('is unwise for machines when no provider of it knows any', () => {
    const unwise = (machineClients: string[]) =>
      advice(
        configOf((draft) => {
          if (draft.providers['corp'] !== undefined) draft.providers['corp']['machineClients'] = machineClients
          draft['routes'] = [route({ allow: [{}, { callers: ['machine'], provider: 'corp' }] })]
        }),
      ).map(lineOf)
    assert.ok(unwise([]).some((line) => /^routes\.0\.allow\.1 \| takes machines, and no provider of it lists any/.test(line)))
    assert.ok(!unwise(['robot']).some((line) => line.startsWith('routes.0.allow')))
  })

  test('is unwise with scopes that people who signed in cannot have', () => {
    const unwise = (allow: unknown) => advice(configOf(withRoutes(route({ allow })))).map(lineOf)
    assert.ok(unwise({ callers: ['person', 'machine'], scopes: ['r'] }).some((line) => line.startsWith('routes.0.allow.scopes')))
    assert.ok(!unwise([{ callers: ['machine'], scopes: ['r'] }, {}]).some((line) => line.startsWith('routes.0.allow')))
  })
})

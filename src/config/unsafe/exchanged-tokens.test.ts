import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { advice } from '../advice/advice.ts'
import { configOf, type Draft, faultsAfter } from '../config.fake.ts'
import { namesAnother } from './token-targets.ts'

const proven = (draft: Draft) =>
  Object.assign(draft.providers['corp'] ?? {}, { clientAuth: { method: 'secret', secret: { env: 'CLIENT_SECRET' } } })
const as = (more: object) => ({ kind: 'token-exchange', ...more })
const cluster = (more: object) => (draft: Draft) => {
  proven(draft)
  Object.assign(draft.clusters['prod'] ?? {}, { as: as(more) })
}
const route = (more: object) => (draft: Draft) => {
  proven(draft)
  const match = { host: 'db.example', path: '/**' }
  draft['routes'] = [{ match, allow: { callers: ['machine'] }, upstream: 'https://db.internal', as: as(more) }]
}
const MEND = 'name the target alone, by an audience of its own'
const OWN = `is what Mandate takes as bearers of providers.corp, so the target could come back with the token | ${MEND}`

describe('refuses', () => {
  const cases: ReadonlyArray<readonly [string, (draft: Draft) => void, string]> = [
    ['a cluster that asks for what Mandate takes', cluster({ audience: 'api://mandate' }), `clusters.prod.as.audience | ${OWN}`],
    ['it as a resource too', cluster({ audience: 'k', resource: 'api://mandate' }), `clusters.prod.as.resource | ${OWN}`],
    ['a route that asks for what Mandate takes', route({ audience: 'api://mandate' }), `routes.0.as.audience | ${OWN}`],
    [
      'a cluster that names nobody',
      cluster({}),
      'clusters.prod.as.audience | is missing, as is resource | name for whom the token is to be',
    ],
  ]
  for (const [what, change, expected] of cases) test(what, () => assert.deepEqual(faultsAfter(change), [expected]))

  test('what another provider takes, and the client of one whose bearers are ID tokens', () => {
    const other = (draft: Draft) => {
      cluster({ audience: 'other-client' })(draft)
      draft.providers['other'] = {
        ...draft.providers['corp'],
        issuer: 'https://other.example',
        clientId: 'other-client',
        accept: 'id-token',
      }
      delete draft.providers['other']['audience']
    }
    assert.deepEqual(faultsAfter(other), [`clusters.prod.as.audience | ${OWN.replace('corp', 'other')}`])
  })

  test('a provider by which Mandate proves nothing, unless it may not come', () => {
    const unproven = (draft: Draft) => {
      cluster({ audience: 'k' })(draft)
      draft.providers['loose'] = { ...draft.providers['corp'], issuer: 'https://loose.example', clientAuth: { method: 'none' } }
    }
    const [fault, ...more] = faultsAfter(unproven)
    assert.match(fault ?? '', /^providers\.loose\.clientAuth \| proves nothing/)
    assert.deepEqual(more, [])
    const named = (draft: Draft) => {
      unproven(draft)
      Object.assign(draft.clusters['prod'] ?? {}, { allow: { providers: ['corp'] } })
    }
    assert.deepEqual(faultsAfter(named), [])
  })
})

describe('starts with', () => {
  test('an audience, a resource, and scopes', () => {
    for (const more of [{ audience: 'k' }, { resource: 'https://k.example' }, { audience: 'k', scopes: ['read'], token: 'id-token' }]) {
      assert.deepEqual(faultsAfter(cluster(more)), [])
      assert.deepEqual(faultsAfter(route(more)), [])
    }
  })
})

describe('advises on targets that would take the tokens of each other', () => {
  const exchanged = (audience: string, more: object = {}) => as({ audience, ...more })
  const forwarded = (audience: string) => ({ kind: 'forward-token', token: 'access-token', audience })
  const both = (prod: object, app: object, more: object = {}) => {
    const match = { host: 'app.example', path: '/**' }
    return advice(
      configOf((draft) => {
        proven(draft)
        Object.assign(draft.clusters['prod'] ?? {}, { as: prod })
        const allow = { callers: ['person', 'machine'] }
        draft['routes'] = [{ match, allow, upstream: 'https://app.internal', as: app, ...more }]
      }),
    ).filter(({ problem }) => problem.includes('would take'))
  }
  for (const [what, prod, app] of [
    ['both by exchange', exchanged('k'), exchanged('k')],
    ['both forwarded', forwarded('k'), forwarded('k')],
    ['one of each', exchanged('k'), forwarded('k')],
  ] as const)
    test(`a cluster and a route, ${what}`, () => {
      assert.deepEqual(
        both(prod, app).map(({ path, problem }) => [path, /tokens that (\S+) would take/.exec(problem)?.[1]]),
        [
          ['clusters.prod.as', 'routes.0'],
          ['routes.0.as', 'clusters.prod'],
        ],
      )
      assert.deepEqual(both(prod, { ...app, audience: 'other' }), [])
    })
  test('an audience and a resource of one name', () => {
    assert.equal(both(exchanged('k'), as({ resource: 'k' })).length, 2)
    assert.equal(both(exchanged('x', { resource: 'k' }), exchanged('k')).length, 2)
  })
  test('a cluster that takes the ID tokens by which a route is called', () => {
    const idToken = { kind: 'forward-token', token: 'id-token', audience: 'app' }
    assert.deepEqual(
      both({ kind: 'forward-token' }, idToken).map(({ path }) => path),
      ['routes.0.as'],
    )
    // An access token names nobody but whom it is for.
    assert.deepEqual(both({ kind: 'forward-token' }, forwarded('app')), [])
  })
  test('two routes, and two that a proxy asks about, yet not two paths of one service', () => {
    const two = (one: object, other: object) =>
      advice(
        configOf((draft) => {
          proven(draft)
          draft.listen['forwardAuth'] = { port: 0, trusted: ['10.0.0.0/8'] }
          const allow = { callers: ['machine'] }
          draft['routes'] = [one, other].map((each) => ({ allow, as: exchanged('k'), ...each }))
        }),
      ).filter(({ problem }) => problem.includes('would take')).length
    const at = (host: string, path = '/**') => ({ match: { host, path } })
    assert.equal(two({ ...at('a.example'), upstream: 'https://a' }, { ...at('b.example'), upstream: 'https://b' }), 2)
    assert.equal(
      two({ ...at('a.example'), upstream: { servers: ['https://a', 'https://b'] } }, { ...at('b.example'), upstream: 'https://b' }),
      0,
    )
    assert.equal(two({ ...at('a.example'), forwardAuth: true }, { ...at('b.example'), forwardAuth: true }), 2)
    assert.equal(two({ ...at('a.example', '/x'), forwardAuth: true }, { ...at('a.example', '/y'), forwardAuth: true }), 0)
  })
  test('nothing of a route that lets in other providers than the cluster', () => {
    const advised = (allow: unknown) =>
      advice(
        configOf((draft) => {
          proven(draft)
          draft.providers['other'] = { ...draft.providers['corp'], issuer: 'https://other.example', audience: 'o' }
          Object.assign(draft.clusters['prod'] ?? {}, { as: exchanged('k'), allow: { providers: ['corp'] } })
          const match = { host: 'app.example', path: '/**' }
          draft['routes'] = [{ match, allow, upstream: 'https://app.internal', as: exchanged('k') }]
        }),
      ).filter(({ problem }) => problem.includes('would take')).length
    assert.equal(advised({ provider: 'other' }), 0)
    // One rule that names no provider lets in all.
    assert.equal(advised([{ provider: 'other' }, { groups: ['admins'] }]), 2)
  })
})

test('a token names another target by whatever audience that takes tokens of the provider', () => {
  const config = configOf((draft) => {
    proven(draft)
    draft.providers['other'] = { ...draft.providers['corp'], issuer: 'https://other.example', audience: 'o', clientId: 'other-client' }
    Object.assign(draft.clusters['prod'] ?? {}, { as: { kind: 'forward-token' }, allow: { providers: ['corp'] } })
    const route = (host: string, how: object, allow: object = { callers: ['machine'] }) => {
      return { match: { host, path: '/**' }, allow, upstream: `https://${host}`, as: how }
    }
    draft['routes'] = [
      route('a.example', as({ audience: 'a', resource: 'https://a.example' })),
      route('b.example', as({ audience: 'b' })),
      route('c.example', as({ resource: 'https://a.example' })),
      route('d.example', { kind: 'forward-token', token: 'access-token', audience: 'd' }, { provider: 'other' }),
      route('e.example', { kind: 'none' }),
    ]
  })
  const all = ['mandate', 'a', 'https://a.example', 'b', 'd', 'account', '']
  const others = (own: object, provider: string) => all.filter((audience) => namesAnother(config, own, provider, ['x', audience]))
  assert.deepEqual(others({ audience: 'b' }, 'corp'), ['mandate', 'a', 'https://a.example'])
  assert.deepEqual(others({ audience: 'a', resource: 'https://a.example' }, 'corp'), ['mandate', 'b'])
  assert.deepEqual(others({ audience: 'b' }, 'other'), ['a', 'https://a.example', 'd'])
  assert.deepEqual(others({ audience: 'b' }, 'constructor'), [])
})

describe('where nobody signs in', () => {
  const machines = (own: string, other: object) =>
    configOf((draft) => {
      proven(draft)
      Object.assign(draft.providers['corp'] ?? {}, { signIn: false, machineClients: ['robot'] })
      draft.clusters = {}
      const route = (host: string, how: object) => {
        return { match: { host, path: '/**' }, allow: { callers: ['machine'] }, upstream: `https://${host}`, as: how }
      }
      draft['routes'] = [route('a.example', as({ audience: own })), route('b.example', other)]
    })
  const passed = { kind: 'forward-token', token: 'access-token', audience: 'b', passThroughOpen: true }
  const advised = (own: string, other: object) => advice(machines(own, other)).filter(({ problem }) => problem.includes('would take'))

  test('a token names another target that is sent bearers as they are', () => {
    assert.equal(namesAnother(machines('a', passed), { audience: 'a' }, 'corp', ['a', 'b']), true)
    assert.equal(namesAnother(machines('a', { ...passed, passThroughOpen: false }), { audience: 'a' }, 'corp', ['a', 'b']), false)
  })
  test('advises on a target that asks for the tokens of one that is sent bearers as they are', () => {
    assert.deepEqual(
      advised('b', passed).map(({ path }) => path),
      ['routes.0.as', 'routes.1.as'],
    )
    assert.deepEqual(advised('a', passed), [])
    assert.deepEqual(advised('b', { ...passed, passThroughOpen: false }), [])
  })
})

test('advises on clusters that would take the tokens of each other', () => {
  const twin = (audience: string) => (draft: Draft) => {
    cluster({ audience: 'k' })(draft)
    draft.clusters['twin'] = { ...draft.clusters['prod'], server: 'https://twin.example', as: as({ audience }) }
  }
  const paths = (audience: string) => advice(configOf(twin(audience))).map(({ path }) => path)
  assert.deepEqual(
    paths('k').filter((path) => path.startsWith('clusters.')),
    ['clusters.prod.as', 'clusters.twin.as'],
  )
  assert.deepEqual(
    paths('other').filter((path) => path.startsWith('clusters.')),
    [],
  )
})

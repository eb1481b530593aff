import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { broker, operation, problemsOf } from '../broker.fake.ts'
import type { Draft } from '../config.fake.ts'

interface At {
  readonly path: string
  readonly method?: string
  readonly host?: string
}

const served = (...all: readonly At[]) =>
  broker({ operations: all.map((match, place) => operation({ name: `op${place}`, match: { method: 'POST', ...match } })) })
const also =
  (change: (draft: Draft) => unknown, ...changes: ((draft: Draft) => unknown)[]) =>
  (draft: Draft) =>
    [change, ...changes].map((each) => each(draft))
const routed = (host: string, path: string) => (draft: Draft) => {
  draft['routes'] = [
    ...((draft['routes'] as object[] | undefined) ?? []),
    { match: { host, path }, allow: { callers: ['machine'] }, upstream: 'https://app.svc' },
  ]
}
const named =
  (...names: string[]) =>
  (draft: Draft) => {
    draft.listen['names'] = names
  }
const onLoopback = (draft: Draft) => {
  draft.publicUrl = 'http://localhost:8080'
}

const one = (change: (draft: Draft) => unknown) => {
  const faults = problemsOf(change)
  assert.equal(faults.length, 1, faults.join('\n'))
  return faults[0]
}

test('refuses a parameter that stands there twice', () => {
  assert.equal(one(served({ path: '/a/{x}/b/{x}' })), 'operations.0.match.path | has the parameter x twice')
})

describe('refuses what Mandate keeps for itself', () => {
  const reserved = 'operations.0.match.path | covers a path that is reserved for Mandate itself'
  for (const path of ['/login', '/clusters/{name}', '/.mandate/x', '/whoami', '/callback/{x}/y', '/{any}', '/{any}/things'])
    test(`on the sign-in host: ${path}`, () => {
      assert.equal(one(served({ path })), reserved)
      assert.equal(one(served({ path, host: 'mandate.example' })), reserved)
    })
  test('on another host', () => {
    const app = routed('app.example', '/page')
    assert.equal(one(also(served({ path: '/.mandate/session', host: 'app.example' }), app)), reserved)
    assert.deepEqual(problemsOf(also(served({ path: '/login', host: 'app.example' }, { path: '/{any}/x', host: 'app.example' }), app)), [])
  })
})

describe('refuses a host', () => {
  test('that is another name of the sign-in host', () => {
    const alias = 'operations.0.match.host | is another name of the sign-in host'
    assert.equal(one(also(served({ path: '/x', host: 'mandate.svc' }), named('mandate.svc'))), alias)
    assert.equal(one(also(served({ path: '/x', host: '127.0.0.1' }), onLoopback)), alias)
  })
  test('of other machines while publicUrl is plain http', () => {
    const plain = 'operations.0.match.host | would be served over plain http, as publicUrl is, to other machines'
    assert.equal(one(also(served({ path: '/x', host: 'app.example' }), onLoopback)), plain)
    const app = routed('app.localhost', '/page')
    assert.deepEqual(problemsOf(also(served({ path: '/x', host: 'app.localhost' }, { path: '/x' }), onLoopback, app)), [])
  })
  test('that no route has, since it would have no cookies and no origin', () => {
    const stray = 'operations.0.match.host | is neither the host of publicUrl nor that of a route'
    assert.equal(one(served({ path: '/x', host: 'app.example' })), stray)
    assert.equal(one(also(served({ path: '/x', host: 'app.example' }), routed('other.example', '/x'))), stray)
  })
})

describe('refuses two operations that could take one request', () => {
  const cases: readonly (readonly [At, At])[] = [
    [{ path: '/a/b' }, { path: '/a/b' }],
    [{ path: '/a/{x}' }, { path: '/a/{y}' }],
    [{ path: '/a/{x}' }, { path: '/a/b' }],
    [{ path: '/a/b' }, { path: '/a/{x}' }],
    [{ path: '/a/{x}/c' }, { path: '/a/b/{y}' }],
    [{ path: '/a/b', host: 'mandate.example' }, { path: '/a/b' }],
  ]
  for (const [first, second] of cases) {
    test(`${first.path} and ${second.path}`, () => {
      assert.equal(one(served(first, second)), 'operations.1.match | takes requests that brokered.app.operations.0 takes as well')
    })
  }
  test('also of two brokers', () => {
    const twice = (draft: Draft) => {
      served({ path: '/a/{x}' })(draft)
      const { app } = draft['brokered'] as Record<string, unknown>
      draft['brokered'] = { app, other: app }
    }
    assert.equal(one(twice), 'brokered.other.operations.0.match | takes requests that brokered.app.operations.0 takes as well')
  })
  test('and takes those that differ by method, host, length or a segment', () => {
    const all: readonly At[] = [
      { path: '/a/{x}' },
      { path: '/a/{x}', method: 'PUT' },
      { path: '/a/{x}', host: 'app.example' },
      { path: '/a/{x}/c' },
      { path: '/b/{x}' },
      { path: '/a' },
    ]
    assert.deepEqual(problemsOf(also(served(...all), routed('app.example', '/page'))), [])
  })
})

describe('refuses an operation that hides what a route names', () => {
  const hides = 'operations.0.match.path | takes requests that routes.0 names'
  for (const [route, path] of [
    ['/a/b', '/a/b'],
    ['/a/b/', '/a/b'],
    ['/a/b', '/a/{x}'],
    ['/a/**', '/a'],
    ['/a/**', '/{x}/b'],
    ['/a/b/**', '/a/{x}/c'],
    ['/a/b/**', '/a/{x}'],
  ] as const) {
    test(`${path} before ${route}`, () => {
      assert.equal(one(also(served({ path, host: 'app.example' }), routed('app.example', route))), hides)
    })
  }
  for (const [route, path] of [
    ['/**', '/a'],
    ['/**', '/{x}/a'],
    ['/a/**', '/a/b'],
    ['/a/**', '/a/{x}'],
    ['/a/b', '/a/c'],
    ['/a/b/**', '/a'],
    ['/', '/a'],
  ] as const) {
    test(`and takes ${path} beside ${route}`, () => {
      assert.deepEqual(problemsOf(also(served({ path, host: 'app.example' }), routed('app.example', route))), [])
    })
  }
  test('and takes the path of a route on another host', () => {
    assert.deepEqual(
      problemsOf(also(served({ path: '/a/b', host: 'api.example' }), routed('app.example', '/a/b'), routed('api.example', '/page'))),
      [],
    )
  })
})

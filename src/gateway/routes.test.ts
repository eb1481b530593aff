import assert from 'node:assert/strict'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { describe, test } from 'node:test'
import { createNone } from '../assume/none.ts'
import { Refusal } from '../errors.ts'
import { readTarget } from './request-target.ts'
import { createRouteHosts, type Route, routeAttempt } from './routes.ts'
import type { Visit } from './visit.ts'

const PUBLIC = 'https://mandate.example:8443'

const route = (host: string, path: string, persons = true): Route => ({
  name: path,
  host,
  path,
  upstream: {} as never,
  source: createNone(),
  sourceName: 'none',
  target: { id: `route/${path}`, audience: '', scopes: [] },
  persons,
})

const hostsOf = (...routes: Route[]) =>
  createRouteHosts(routes, PUBLIC, (self) => ({ request }, writes) => {
    const nothing = { cookie: undefined, authorization: undefined, origin: undefined, fetchSite: undefined }
    return { method: request.method ?? '', writes, self, ...nothing }
  })

const found = (paths: readonly string[], target: string) =>
  hostsOf(...paths.map((path) => route('app.example', path)))
    .get('app.example')
    ?.find(readTarget(target).segments)?.path

describe('a path finds no route', () => {
  for (const [path, target] of [
    ['/db', '/'],
    ['/db', '/db/'],
    ['/db', '/db/x'],
    ['/db', '/dbx'],
    ['/db', '/DB'],
    ['/db/', '/db'],
    ['/db/**', '/dbx'],
    ['/db/**', '/x/db/y'],
    ['/', '/x'],
    ['/a/b/**', '/a'],
    ['/a/b/**', '/a/c/b'],
    ['/a(b)', '/a'],
    ['/a.b', '/aXb'],
  ] as const) {
    test(`${target} by ${path}`, () => assert.equal(found([path], target), undefined))
  }
})

describe('a path finds', () => {
  for (const [paths, target, which] of [
    [['/**'], '/', '/**'],
    [['/**'], '/a/b/c/', '/**'],
    [['/'], '/?x=/db', '/'],
    [['/db/**'], '/db', '/db/**'],
    [['/db/**'], '/db/', '/db/**'],
    [['/db/**'], '/db/x?y', '/db/**'],
    [['/**', '/db/**', '/db/x'], '/db/x', '/db/x'],
    [['/**', '/db/**', '/db/x'], '/db/x/y', '/db/**'],
    [['/db/x', '/db/**', '/**'], '/other', '/**'],
    [['/db/**', '/db'], '/db', '/db'],
    [['/db/**', '/db/'], '/db/', '/db/'],
    [['/a/b/**', '/a/**'], '/a/b', '/a/b/**'],
  ] as const) {
    test(`for ${target} the longest of ${paths.join(' ')}`, () => assert.equal(found(paths, target), which))
  }
})

describe('hosts of routes', () => {
  test('each have an origin that differs from publicUrl in the host alone, and only their own routes', () => {
    const hosts = hostsOf(
      route('app.example', '/a'),
      route('app.example', '/b', false),
      route('machines.example', '/**', false),
      route('mandate.example', '/c'),
    )
    assert.deepEqual(
      [...hosts.values()].map(({ hostname, origin, host, protocol, isSignInHost, persons }) => [
        hostname,
        origin,
        host,
        protocol,
        isSignInHost,
        persons,
      ]),
      [
        ['app.example', 'https://app.example:8443', 'app.example:8443', 'https', false, true],
        ['machines.example', 'https://machines.example:8443', 'machines.example:8443', 'https', false, false],
        ['mandate.example', PUBLIC, 'mandate.example:8443', 'https', true, true],
      ],
    )
    assert.equal(hosts.get('app.example')?.find(['c']), undefined)
    for (const name of ['constructor', '__proto__', 'evil.app.example', 'APP.example', '']) assert.equal(hosts.get(name), undefined)
  })
})

describe('an attempt', () => {
  const attemptOf = (method: string, url = '/x?secret=1', accept?: string) => {
    const host = hostsOf(route('app.example', '/**')).get('app.example')
    const chosen = host?.find([])
    assert.ok(host !== undefined && chosen !== undefined)
    const headers = new Map(accept === undefined ? [] : [['accept', accept]])
    const allowed: string[] = []
    const response = { setHeader: (_name: string, value: string) => void allowed.push(value) } as unknown as ServerResponse
    const request = { method, url, headers: {} } as IncomingMessage
    const visit: Visit = {
      request,
      response,
      upgrade: undefined,
      requestId: 'r',
      address: '192.0.2.1',
      head: { values: headers },
      target: readTarget(url),
    }
    return routeAttempt(host, chosen, visit, 1_000)
  }

  test('by TRACE or CONNECT is refused', () => {
    for (const method of ['TRACE', 'CONNECT'])
      assert.throws(
        () => attemptOf(method),
        (error) => error instanceof Refusal && error.code === 'method_unsupported',
      )
  })

  test('writes unless it is GET or HEAD, whatever its method is called', () => {
    for (const method of ['POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'PROPFIND', 'REPORT']) {
      const { action, presented } = attemptOf(method).attempt
      assert.deepEqual([action, presented.writes], [{ name: method.toLowerCase(), writes: true }, true])
    }
    for (const method of ['GET', 'HEAD']) assert.equal(attemptOf(method).attempt.presented.writes, false)
  })

  test('says which route and path, without the query and cut to what a log takes', () => {
    assert.deepEqual(attemptOf('GET').attempt.resource, { type: 'route', id: '/**', properties: { path: '/x' } })
    assert.equal(attemptOf('GET', `/${'a'.repeat(5_000)}`).attempt.resource.properties['path']?.length, 256)
    assert.equal(attemptOf('GET').attempt.presented.self, 'https://app.example:8443')
  })

  test('goes on when it asks for events', () => {
    assert.equal(attemptOf('GET', '/x', 'text/event-stream').stream, true)
    assert.equal(attemptOf('GET', '/x', 'text/html').stream, false)
    assert.equal(attemptOf('POST', '/x', 'text/event-stream').stream, false)
  })
})

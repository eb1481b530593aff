import assert from 'node:assert/strict'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { describe, test } from 'node:test'
import { createNone } from '../assume/none.ts'
import { Refusal } from '../errors.ts'
import { Secret } from '../secret.ts'
import { readTarget } from './request-target.ts'
import { createRouteHosts, type Route, requireRoute, routeAttempt } from './routes.ts'
import type { Visit } from './visit.ts'

const PUBLIC = 'https://mandate.example:8443'

const route = (host: string, path: string, persons = true, serviceWorkerOpen = false): Route => ({
  name: path,
  host,
  path,
  upstream: {} as never,
  source: createNone(),
  sourceName: 'none',
  target: { id: `route/${path}`, audience: '', scopes: [] },
  persons,
  serviceWorkerOpen,
  withheld: undefined,
  methods: undefined,
  bearerHeader: undefined,
  bodyLimit: 1_000,
})

const hostsOf = (...routes: Route[]) =>
  createRouteHosts(routes, PUBLIC, (self) => ({ request, head }, writes) => {
    const cookie = head.values.has('cookie') ? new Secret('c') : undefined
    const fetchSite = head.values.get('sec-fetch-site')
    return { method: request.method ?? '', writes, self, cookie, authorization: undefined, origin: undefined, fetchSite }
  })

const found = (paths: readonly string[], target: string) =>
  hostsOf(...paths.map((path) => route('app.example', path)))
    .get('app.example')
    ?.find(readTarget(target).segments, 'GET')?.route?.path

describe('a path finds no route', () => {
  for (const [path, target] of [
    ['/db', '/'],
    ['/db', '/db/x'],
    ['/db', '/db/x/'],
    ['/', '/x/'],
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
    [['/db'], '/db/', '/db'],
    [['/**', '/db'], '/db/', '/db'],
    [['/db', '/db/'], '/db/', '/db/'],
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

describe('a method', () => {
  const by = (...routes: ReadonlyArray<readonly [path: string, methods?: readonly string[]]>) =>
    hostsOf(...routes.map(([path, methods]) => ({ ...route('app.example', path), name: `${path} ${methods ?? '*'}`, methods }))).get(
      'app.example',
    )
  const asked = (host: ReturnType<typeof by>, method: string, target: string) => {
    const found = host?.find(readTarget(target).segments, method)
    return found && (found.route?.name ?? [...found.methods])
  }

  test('that the path does not have is refused with those it has, and never falls to a wider path', () => {
    const host = by(['/**'], ['/db/**', ['GET', 'POST']], ['/db/**', ['DELETE']])
    assert.deepEqual(asked(host, 'PUT', '/db/x'), ['GET', 'POST', 'DELETE', 'HEAD'])
    assert.deepEqual(asked(host, 'get', '/db/x'), ['GET', 'POST', 'DELETE', 'HEAD'])
    assert.equal(asked(host, 'PUT', '/other'), '/** *')
    // Where nothing takes GET there is no HEAD.
    assert.deepEqual(asked(by(['/db', ['POST']]), 'HEAD', '/db'), ['POST'])
    assert.equal(asked(by(['/db', ['POST']], ['/db']), 'HEAD', '/db'), '/db *')
  })

  test('chooses among the routes of one path; GET takes HEAD, unless another one does', () => {
    const host = by(['/db', ['GET']], ['/db', ['POST', 'PUT']], ['/db'])
    for (const [method, name] of [
      ['GET', '/db GET'],
      ['HEAD', '/db GET'],
      ['PUT', '/db POST,PUT'],
      ['PATCH', '/db *'],
      ['PROPFIND', '/db *'],
    ] as const)
      assert.equal(asked(host, method, '/db'), name)
    assert.equal(asked(by(['/db', ['GET']], ['/db', ['HEAD']]), 'HEAD', '/db'), '/db HEAD')
    for (const method of ['constructor', '__proto__', '']) assert.equal(asked(host, method, '/db'), '/db *')
  })

  test('is looked for at the longest path of a thousand, whatever order they stand in', () => {
    const paths = Array.from({ length: 1_000 }, (_, at) => `/s${at % 10}/t${at}/**`)
    const forwards = by(...paths.map((path) => [path] as const))
    const backwards = by(...paths.toReversed().map((path) => [path] as const))
    for (const path of paths)
      for (const host of [forwards, backwards]) assert.equal(asked(host, 'GET', path.replace('**', 'x/y')), `${path} *`)
  })
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
    assert.equal(hosts.get('app.example')?.find(['c'], 'GET'), undefined)
    for (const name of ['constructor', '__proto__', 'evil.app.example', 'APP.example', '']) assert.equal(hosts.get(name), undefined)
  })
})

describe('an attempt', () => {
  const attemptOf = (method: string, url = '/x?secret=1', sent: Readonly<Record<string, string>> = {}, serviceWorkerOpen = false) => {
    const host = hostsOf(route('app.example', '/**', true, serviceWorkerOpen)).get('app.example')
    const chosen = host?.find([], method)
    assert.ok(host !== undefined && chosen !== undefined)
    const headers = new Map(Object.entries(sent))
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
    return routeAttempt(host, requireRoute(chosen), visit)
  }

  test('by TRACE or CONNECT is refused', () => {
    for (const method of ['TRACE', 'CONNECT'])
      assert.throws(
        () => attemptOf(method),
        (error) => error instanceof Refusal && error.code === 'method_unsupported',
      )
  })

  test('by TRACE is refused with the methods of its path, once it is known who asks', () => {
    const [host] = hostsOf({ ...route('app.example', '/**'), methods: ['GET', 'POST'] }).values()
    assert.ok(host !== undefined)
    const visit: Visit = {
      request: { method: 'TRACE' } as IncomingMessage,
      response: {} as ServerResponse,
      upgrade: undefined,
      requestId: 'r-1',
      address: '192.0.2.1',
      head: { values: new Map() },
      target: readTarget('/x'),
    }
    const { attempt } = routeAttempt(host, requireRoute(host.find(['x'], 'TRACE')), visit)
    assert.deepEqual([attempt.refusal?.code, attempt.refusal?.methods], ['method_unsupported', ['GET', 'POST', 'HEAD']])
  })

  test('for the script of a service worker that would stand over the whole host is refused, unless the route is open to it', () => {
    for (const sent of [{ 'service-worker': 'script' }, { 'service-worker': '' }, { 'sec-fetch-dest': 'serviceworker' }]) {
      for (const url of ['/', '/sw.js', '/sw.js?x=/a/b', '/%C3%A9.js']) {
        assert.throws(() => attemptOf('GET', url, sent), { code: 'service_worker_refused' }, url)
        attemptOf('GET', url, sent, true)
      }
      for (const url of ['/app/', '/app/sw.js', '/app/sw.js?x']) attemptOf('GET', url, sent)
    }
    for (const dest of ['script', 'worker', 'sharedworker', 'document']) attemptOf('GET', '/sw.js', { 'sec-fetch-dest': dest })
  })

  test('to read with a cookie from a page of another site is refused, unless it opens a page of its own', () => {
    const asked = (method: string, site: string, mode?: string, dest?: string, cookie = true) =>
      attemptOf(method, '/x', {
        'sec-fetch-site': site,
        ...(mode === undefined ? {} : { 'sec-fetch-mode': mode }),
        ...(dest === undefined ? {} : { 'sec-fetch-dest': dest }),
        ...(cookie ? { cookie: 'c' } : {}),
      })
    for (const site of ['same-site', 'cross-site', 'none, cross-site', '']) {
      for (const [mode, dest] of [
        ['no-cors', 'script'],
        ['no-cors', 'image'],
        ['cors', 'empty'],
        ['navigate', 'iframe'],
        ['navigate', 'object'],
        ['no-cors', 'document'],
        ['navigate', undefined],
        [undefined, 'document'],
        [undefined, undefined],
      ] as const)
        for (const method of ['GET', 'HEAD']) {
          assert.throws(() => asked(method, site, mode, dest), { code: 'origin_refused' }, `${site} ${mode} ${dest}`)
          asked(method, site, mode, dest, false)
        }
      asked('GET', site, 'navigate', 'document')
    }
    for (const site of ['same-origin', 'none']) asked('GET', site, 'cors', 'empty')
    attemptOf('GET', '/x', { cookie: 'c' })
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

  test('may go on when it asks for events, and is no stream for having asked', () => {
    const { stream, mayGoOn } = attemptOf('GET', '/x', { accept: 'text/event-stream' })
    assert.deepEqual([stream, mayGoOn], [false, true])
    assert.equal(attemptOf('GET', '/x', { accept: 'text/html' }).mayGoOn, false)
    assert.equal(attemptOf('POST', '/x', { accept: 'text/event-stream' }).mayGoOn, false)
  })
})

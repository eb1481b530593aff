import assert from 'node:assert/strict'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { describe, test } from 'node:test'
import { compileBroker } from '../broker/compile.ts'
import { broker } from '../config/broker.ts'
import { Refusal } from '../errors.ts'
import type { Grant } from '../grant.ts'
import { bearerCaller } from '../principal.fake.ts'
import { Secret } from '../secret.ts'
import { type Brokered, brokeredAttempt, createOperations } from './brokered.ts'
import { readTarget } from './request-target.ts'
import type { Visit } from './visit.ts'

const HOST = 'mandate.example'
const KIND = { kind: 'session', namespace: { cel: 'path.project' } }
const OPERATIONS = [
  { name: 'list', match: { method: 'GET', path: '/p/{project}/s' }, asUser: { do: 'list', ...KIND } },
  { name: 'follow', match: { method: 'GET', path: '/p/{project}/f' }, asUser: { do: 'list', watch: true, ...KIND } },
  { name: 'get', match: { method: 'GET', path: '/p/{project}/s/{name}' }, asUser: { do: 'get', ...KIND, name: { cel: 'path.name' } } },
  {
    name: 'remove',
    match: { method: 'DELETE', path: '/p/{project}/s/{name}' },
    asUser: { do: 'delete', ...KIND, name: { cel: 'path.name' } },
  },
  { name: 'create', match: { method: 'POST', path: '/p/{project}/s' }, writes: [{ do: 'create', ...KIND, name: 'a', object: {} }] },
  { name: 'elsewhere', match: { host: 'app.example', method: 'GET', path: '/x' }, asUser: { do: 'list', ...KIND, namespace: 'team-a' } },
]

function brokered(): Brokered {
  const kinds = { session: { group: 'example', version: 'v1', resource: 'sessions', kind: 'Session' } }
  const account = { token: { env: 'NEVER_READ' } }
  const config = broker.parse({ cluster: 'prod', account, namespaces: ['team-a'], kinds, operations: OPERATIONS })
  const cluster = { target: { id: 'cluster/prod', audience: '', scopes: [] }, sourceName: 'forward-token' }
  return { target: { broker: compileBroker({ ...config, name: 'sessions' }, HOST) }, cluster } as unknown as Brokered
}

function visit(method: string, url: string, headers: Record<string, string> = {}) {
  const set = new Map<string, string>()
  const response = { setHeader: (name: string, value: string) => void set.set(name, value) } as unknown as ServerResponse
  const request = { method } as IncomingMessage
  const head = { values: new Map(Object.entries(headers)) }
  return {
    set,
    visit: { request, response, head, target: readTarget(url), requestId: 'r', address: 'a', upgrade: undefined } as unknown as Visit,
  }
}

const find = (method: string, url: string, host = HOST) => createOperations([brokered()]).get(host)?.find(visit(method, url).visit, false)

const presentedOf = ({ request, head }: Visit, writes: boolean) => ({
  method: request.method ?? '',
  writes,
  self: '',
  cookie: head.values.has('cookie') ? new Secret('c') : undefined,
  authorization: undefined,
  origin: undefined,
  fetchSite: head.values.get('sec-fetch-site'),
})

function prepared(method: string, url: string, headers: Record<string, string> = {}) {
  const found = find(method, url)
  assert.ok(found)
  return brokeredAttempt(found, visit(method, url, headers).visit, presentedOf, 1_000)
}

const refused = (code: string) => (error: unknown) => error instanceof Refusal && error.code === code

describe('finds no operation', () => {
  for (const [url, host] of [
    ['/p/a', HOST],
    ['/p/a/s/', HOST],
    ['/p/a/s/b/c', HOST],
    ['/P/a/s', HOST],
    ['/x', HOST],
    ['/p/a/s', 'app.example'],
  ] as const) {
    test(`${url} at ${host}`, () => assert.equal(find('GET', url, host), undefined))
  }
})

test('refuses another method, and says which there are', () => {
  const { visit: asked } = visit('PUT', '/p/a/s')
  const { refusal } = createOperations([brokered()]).get(HOST)?.find(asked, false) ?? {}
  assert.deepEqual([refusal?.code, refusal?.methods], ['method_unsupported', ['GET', 'POST']])
})

describe('refuses', () => {
  test('what another site led a browser to', () =>
    assert.throws(() => prepared('GET', '/p/a/s', { cookie: 'c', 'sec-fetch-site': 'cross-site' }), refused('origin_refused')))
  test('a field twice that says whether it goes on', () =>
    assert.throws(() => prepared('GET', '/p/a/f?watch=0&watch=1'), refused('path_ambiguous')))
})

describe('refuses, once it is known who asks,', () => {
  for (const [what, method, url, code] of [
    ['a query on a write', 'POST', '/p/a/s?dryRun=All', 'parameter_invalid'],
    ['a query on a get', 'GET', '/p/a/s/b?resourceVersion=0', 'parameter_invalid'],
    ['a field that a list does not take', 'GET', '/p/a/s?pretty=1', 'parameter_invalid'],
    ['a watch of a list that is not watched', 'GET', '/p/a/s?watch=1', 'parameter_invalid'],
    ['a field twice', 'GET', '/p/a/f?limit=1&limit=2', 'path_ambiguous'],
  ] as const) {
    test(what, () => assert.rejects(prepared(method, url).act({ caller: bearerCaller('a.b.c') } as unknown as Grant), refused(code)))
  }
})

test('another method is left to a route that takes the path as well', () => {
  const { visit: asked } = visit('PUT', '/p/a/s')
  assert.equal(createOperations([brokered()]).get(HOST)?.find(asked, true), undefined)
})

test('an operation is found by host, method and path, with its parameters', () => {
  const found = find('GET', '/p/team-a/s/one')
  assert.deepEqual([found?.operation.name, found?.path], ['get', { project: 'team-a', name: 'one' }])
  assert.equal(find('GET', '/x', 'app.example')?.operation.name, 'elsewhere')
})

test('a watch goes on, a list does not; only what changes something writes', () => {
  assert.equal(prepared('GET', '/p/a/f?watch=true').stream, true)
  assert.equal(prepared('GET', '/p/a/f?limit=5').stream, false)
  const writes = [prepared('GET', '/p/a/s'), prepared('POST', '/p/a/s'), prepared('DELETE', '/p/a/s/b')].map(
    ({ attempt }) => attempt.action,
  )
  assert.deepEqual(writes, [
    { name: 'list', writes: false },
    { name: 'create', writes: true },
    { name: 'remove', writes: true },
  ])
})

test('the record names the broker, the operation and what the path said', () => {
  const { attempt } = prepared('POST', '/p/team-a/s')
  assert.deepEqual(attempt.resource, { type: 'brokered', id: 'sessions', properties: { operation: 'create', 'path.project': 'team-a' } })
})

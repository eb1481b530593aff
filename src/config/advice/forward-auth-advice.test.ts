import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { configOf, type Draft } from '../config.fake.ts'
import { advice } from './advice.ts'

const asked = (keys: object = {}) => ({ port: 0, trusted: ['10.0.0.0/8'], ...keys })
const route = (host: string, keys: object = { forwardAuth: true }, path = '/**') => ({ match: { host, path }, allow: {}, ...keys })
const on =
  (keys: object, routes: readonly object[] = [route('app.example')]) =>
  (d: Draft) => {
    d.listen['forwardAuth'] = keys
    d['routes'] = routes
  }
const advisedAt = (change: (draft: Draft) => unknown = () => undefined) =>
  advice(configOf(change))
    .filter(({ path }) => path.startsWith('listen.forwardAuth'))
    .map(({ path, problem }) => `${path} ${problem}`)

describe('of proxies that ask it is advised', () => {
  const PLAIN = "listen.forwardAuth is plain http beyond loopback: whoever is on that network reads callers' cookies and bearers"
  const TWO_HOSTS =
    'listen.forwardAuth.headers is x-original, by which ingress-nginx says the host of Host, while nginx forwards by that of the request line: who may use one of these hosts may use all'
  const NO_ROUTE = 'listen.forwardAuth has no route to decide on'

  test('to use TLS beyond loopback', () => {
    assert.deepEqual(advisedAt(on(asked({ host: '0.0.0.0' }))), [PLAIN])
    assert.deepEqual(advisedAt(on(asked({ host: '0.0.0.0', cert: { file: 'c' }, key: { file: 'k' } }))), [])
    assert.deepEqual(advisedAt(on(asked())), [])
  })

  test('to have a route that is asked about', () => {
    const served = [route('app.example', { upstream: 'http://127.0.0.1:1' })]
    assert.deepEqual(advisedAt(on(asked(), served)), [NO_ROUTE])
    assert.deepEqual(advisedAt(on(asked({ headers: 'x-original' }), served)), [NO_ROUTE])
    assert.deepEqual(advisedAt(), [])
  })

  test('to look whether requests may name two hosts where X-Original-URL says which, and there is more than one', () => {
    const original = asked({ headers: 'x-original' })
    const [app, other] = [route('app.example'), route('secret.example')]
    assert.deepEqual(advisedAt(on(original, [app, other])), [TWO_HOSTS])
    assert.deepEqual(advisedAt(on(asked(), [app, other])), [])
    assert.deepEqual(advisedAt(on(original, [app, route('app.example', { forwardAuth: true }, '/admin/**')])), [])
    assert.deepEqual(advisedAt(on(original, [app, route('secret.example', { upstream: 'http://127.0.0.1:1' })])), [])
  })
})

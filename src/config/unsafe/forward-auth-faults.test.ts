import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { type Draft, faultsAfter } from '../config.fake.ts'

const asked = (keys: object = {}) => ({ port: 0, trusted: ['10.0.0.0/8'], ...keys })
const route = (host: string, keys: object = { forwardAuth: true }) => ({ match: { host, path: '/**' }, allow: {}, ...keys })
const on =
  (keys: object, routes: readonly object[] = [route('app.example')]) =>
  (d: Draft) => {
    d.listen['forwardAuth'] = keys
    d['routes'] = routes
  }
const refuses = (what: string, change: (draft: Draft) => unknown, ...expected: string[]) =>
  void test(what, () => assert.deepEqual(faultsAfter(change), expected))

describe('no proxy may ask', () => {
  for (const [what, keys] of [
    ['when none is listed', { port: 0 }],
    ['when the list is empty', asked({ trusted: [] })],
  ] as const)
    refuses(what, on(keys), 'listen.forwardAuth.trusted | is empty, so nobody may ask | list the addresses of the proxies')
  for (const [range, problem] of [
    ['0.0.0.0/0', 'every address there is, so'],
    ['::/0', 'every address there is, so'],
    ['128.0.0.0/1', 'so wide'],
    ['2000::/3', 'so wide'],
  ] as const)
    refuses(
      `when anybody is: ${range}`,
      on(asked({ trusted: ['10.0.0.0/8', range] })),
      `listen.forwardAuth.trusted.1 | is ${problem} that anybody could say where they come from | list the addresses of the proxies`,
    )
  for (const [there, missing] of [
    ['cert', 'key'],
    ['key', 'cert'],
  ] as const)
    refuses(
      `over TLS with ${there} alone`,
      on(asked({ [there]: { file: 'x' } })),
      `listen.forwardAuth.${missing} | is missing beside ${there} | give both, or neither for plain http`,
    )
  for (const [other, listener] of [
    ['http', { port: 4181 }],
    ['https', { port: 4181, cert: { file: 'c' }, key: { file: 'k' } }],
  ] as const)
    refuses(
      `on the port of ${other}`,
      (d) => {
        on(asked({ port: 4181 }))(d)
        d.listen[other] = listener
      },
      `listen.forwardAuth.port | is the port of listen.${other} as well | give each its own port`,
    )
  refuses(
    'on the port of operations',
    (d) => {
      on(asked({ port: 9090 }))(d)
      d.listen['operations'] = { port: 9090 }
    },
    'listen.operations.port | is the port of listen.forwardAuth as well | give each its own port',
  )
  refuses(
    'about the sign-in host, whose cookie is the login',
    on(asked(), [{ ...route('mandate.example'), match: { host: 'mandate.example', path: '/app/**' }, allow: { callers: ['machine'] } }]),
    'routes.0.forwardAuth | is on the sign-in host, whose login cookie the proxy would send to the service | give it a host of its own, or name an upstream instead',
  )
})

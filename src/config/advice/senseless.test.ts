import assert from 'node:assert/strict'
import { test } from 'node:test'
import { configOf } from '../config.fake.ts'
import { senseless } from './senseless.ts'

const pathsOf = (changes: Record<string, unknown>) =>
  senseless(
    configOf((draft) => {
      draft.listen['forwardAuth'] = { port: 0, trusted: ['10.0.0.1/32'] }
      const route = { match: { host: 'app.example', path: '/**' }, allow: {} }
      draft['routes'] = [{ ...route, upstream: 'https://app.svc', ...changes }]
    }),
  ).map(({ path }) => path)

test('a check of health that may take longer than until the next one is unwise', () => {
  const pool = (health: object) => ({ upstream: { servers: ['https://a'], health: { path: '/healthz', ...health } } })
  assert.deepEqual(pathsOf(pool({ every: '1s' })), ['routes.0.upstream.health.within'])
  for (const health of [{}, { every: '2s' }, { every: '1s', within: '500ms' }]) assert.deepEqual(pathsOf(pool(health)), [])
})

test('what is for forwarding is unwise where a proxy forwards', () => {
  const asked = { upstream: undefined, forwardAuth: true }
  const idle = { withhold: ['X-A'], retries: 2, ca: { file: 'ca.pem' } }
  assert.deepEqual(pathsOf({ ...asked, ...idle }), ['routes.0.withhold', 'routes.0.retries', 'routes.0.ca'])
  assert.deepEqual(pathsOf(asked), [])
  assert.deepEqual(pathsOf(idle), [])
})

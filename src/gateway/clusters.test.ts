import assert from 'node:assert/strict'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { suite, test } from 'node:test'
import type { Presented } from '../authenticate/authenticator.ts'
import { Secret } from '../secret.ts'
import { type Cluster, clusterAttempt } from './clusters.ts'
import { readTarget } from './request-target.ts'

const PROD = { name: 'prod', target: { id: 'cluster/prod', audience: '', scopes: [] }, sourceName: 'forward-token' } as unknown as Cluster

/** What a request becomes, made with a cookie unless told otherwise. */
function attemptOf(
  url: string,
  { method = 'GET', fetchSite, cookie = true }: { method?: string; fetchSite?: string; cookie?: boolean } = {},
) {
  const visit = {
    request: { method, url, headers: {} } as IncomingMessage,
    response: {} as ServerResponse,
    upgrade: undefined,
    requestId: 'r',
    address: '192.0.2.1',
    head: { values: new Map() } as never,
    target: readTarget(url),
  }
  const presented = (writes: boolean): Presented => ({
    method,
    writes,
    cookie: cookie ? new Secret('c') : undefined,
    authorization: cookie ? undefined : new Secret('Bearer t'),
    self: 'https://mandate.example',
    origin: undefined,
    fetchSite,
  })
  return clusterAttempt(new Map([['prod', PROD]]), visit, (_visit, writes) => presented(writes), 1_000)
}

suite('a request under /clusters', () => {
  for (const method of ['POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']) {
    test(`${method} is a write, whatever its path says`, () => {
      for (const path of ['/api/v1/watch/pods', '/api/v1/pods', '/version', '/apis/apps/v1/watch/namespaces/a/deployments'])
        assert.equal(attemptOf(`/clusters/prod${path}`, { method }).attempt.action.writes, true, path)
    })
  }

  test('GET and HEAD read, except where they open a channel', () => {
    for (const method of ['GET', 'HEAD']) {
      for (const path of ['/api/v1/watch/pods', '/api/v1/pods', '/version'])
        assert.equal(attemptOf(`/clusters/prod${path}`, { method }).attempt.action.writes, false)
      for (const path of ['/api/v1/namespaces/a/pods/b/exec', '/api/v1/namespaces/a/pods/b/portforward'])
        assert.equal(attemptOf(`/clusters/prod${path}`, { method }).attempt.action.writes, true)
    }
  })

  test('with a cookie is refused when another site led the browser to it', () => {
    for (const fetchSite of ['cross-site', 'same-site', 'Same-Origin', 'none, cross-site', ''])
      assert.throws(() => attemptOf('/clusters/prod/api', { fetchSite }), { code: 'origin_refused' }, fetchSite)
    for (const fetchSite of ['none', 'same-origin', undefined])
      attemptOf('/clusters/prod/api', fetchSite === undefined ? {} : { fetchSite })
  })

  test('with a bearer may come from anywhere: no browser adds one by itself', () => {
    attemptOf('/clusters/prod/api', { fetchSite: 'cross-site', cookie: false })
  })

  test('that is proxied to a service goes on by design, so it has an age and ends with the replica', () => {
    for (const path of ['/api/v1/namespaces/a/services/b/proxy/x', '/api/v1/nodes/n/proxy', '/api/v1/proxy/namespaces/a/services/b'])
      assert.equal(attemptOf(`/clusters/prod${path}`, { cookie: false }).stream, true, path)
    assert.equal(attemptOf('/clusters/prod/api/v1/pods').stream, false)
  })

  test('leaves no more of each name in the audit log than a name may have', () => {
    const long = 'x'.repeat(1_500)
    for (const path of [`/apis/${long}/v1/namespaces/${long}/${long}/${long}/${long}`, `/${long}`]) {
      const { properties } = attemptOf(`/clusters/prod${path}`).attempt.resource
      for (const [key, value] of Object.entries(properties)) assert.equal(value.length, 256, key)
    }
  })
})

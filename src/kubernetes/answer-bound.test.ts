import assert from 'node:assert/strict'
import { test } from 'node:test'
import { mostBytesOf } from './answer-bound.ts'

test('what Mandate asks by itself may have a few kB, an object some MB, and a page more', () => {
  for (const [method, path, most] of [
    ['POST', '/apis/authorization.k8s.io/v1/selfsubjectaccessreviews', 256 * 1024],
    ['POST', '/apis/authentication.k8s.io/v1/tokenreviews', 256 * 1024],
    ['PUT', '/apis/coordination.k8s.io/v1/namespaces/mandate/leases/gateway', 256 * 1024],
    ['POST', '/api/v1/namespaces/team-a/serviceaccounts/mandate/token', 256 * 1024],
    ['GET', '/api/v1/namespaces/team-a/pods/web', 4 << 20],
    ['GET', '/api/v1/namespaces/team-a/configmaps/token', 4 << 20],
    ['GET', '/api/v1/namespaces/team-a', 4 << 20],
    ['GET', '/apis/apps/v1/namespaces/team-a/deployments/web?resourceVersion=1', 4 << 20],
    ['POST', '/api/v1/namespaces/team-a/pods', 4 << 20],
    ['GET', '/api/v1/namespaces/team-a/pods?limit=500', 16 << 20],
    ['GET', '/apis/apps/v1/deployments', 16 << 20],
    ['GET', '/api/v1/namespaces', 16 << 20],
  ] as const)
    assert.equal(mostBytesOf({ method, path }), most, `${method} ${path}`)
})

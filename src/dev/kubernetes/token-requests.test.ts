/** What an API server with a clock of its own cannot be asked: tokens that are over, and those of another key. */
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { commitCreate, prepareCreate } from './create-object.ts'
import { asText, at, type JsonObject, type KubernetesObject } from './object.ts'
import { ObjectStore } from './object-store.ts'
import { findKind } from './resource-table.ts'
import { AccountTokens, apiAudience } from './token-requests.ts'

function setUp(t: TestContext) {
  t.mock.timers.enable({ apis: ['Date'], now: 1_700_000_000_000 })
  const store = new ObjectStore()
  const plant = (kind: string, name: string, spec: JsonObject = {}): KubernetesObject => {
    const type = findKind('v1', kind)
    assert.ok(type)
    const metadata = kind === 'Namespace' ? { name } : { name, namespace: 'team-a' }
    const object = { apiVersion: 'v1', kind, metadata, ...(kind === 'Pod' ? { spec } : {}) }
    return commitCreate(store, type, prepareCreate(store, type, kind === 'Namespace' ? '' : 'team-a', object), false)
  }
  plant('Namespace', 'team-a')
  plant('ServiceAccount', 'runner')
  const tokens = new AccountTokens(store)
  const issue = (spec: JsonObject): string => {
    const sent = { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', metadata: {}, spec }
    return asText(at(tokens.issue('team-a', 'runner', sent), 'status', 'token'))
  }
  return { t, store, plant, tokens, issue }
}

test('a token is nobody once its time is over, to the second', (t) => {
  const { tokens, issue } = setUp(t)
  const token = issue({ expirationSeconds: 600 })
  t.mock.timers.tick(599_000)
  assert.equal(tokens.userOf(token)?.username, 'system:serviceaccount:team-a:runner')
  t.mock.timers.tick(1_000)
  assert.equal(tokens.userOf(token), undefined)
})

test('a token of another server is nobody here, and so is what is no token', (t) => {
  const { store, tokens, issue } = setUp(t)
  const token = issue({ audiences: ['elsewhere', apiAudience] })
  assert.ok(tokens.userOf(token))
  assert.equal(new AccountTokens(store).userOf(token), undefined)
  const [header = ''] = token.split('.')
  for (const bearer of ['', 'a.b.c', '..', `${header}..`, `${token}.`, ` ${token}`]) assert.equal(tokens.userOf(bearer), undefined, bearer)
})

test('a token that is bound to a pod is for that pod of that account, and names it', (t) => {
  const { plant, issue, tokens } = setUp(t)
  const pod = plant('Pod', 'web', { serviceAccountName: 'runner', containers: [{ name: 'main', image: 'example' }] })
  plant('Pod', 'other', { serviceAccountName: 'default', containers: [{ name: 'main', image: 'example' }] })
  const bound = (name: string) => ({ boundObjectRef: { apiVersion: 'v1', kind: 'Pod', name } })
  assert.throws(() => issue(bound('other')), /cannot bind token for serviceaccount "runner" to pod running with different/)
  const { extra = {} } = tokens.userOf(issue(bound('web'))) ?? {}
  assert.deepEqual(extra['authentication.kubernetes.io/pod-name'], ['web'])
  assert.deepEqual(extra['authentication.kubernetes.io/pod-uid'], [pod.metadata.uid])
})

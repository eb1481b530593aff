import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { broker, creates, mints, operated, operation, problemsOf, reading, writing } from '../broker.fake.ts'
import { configOf, type Draft, faultsAfter } from '../config.fake.ts'

const refuses = (what: string, change: (draft: Draft) => unknown, ...expected: string[]) =>
  void test(`refuses ${what}`, () => assert.deepEqual(problemsOf(change), expected))
const takes = (what: string, change: (draft: Draft) => unknown) => void test(what, () => assert.deepEqual(faultsAfter(change), []))

const cleaning = (lease: object) => writing([creates({ ownedBy: 'owner' })], { cleanup: { lease } })

takes('a broker that writes loads', broker())

describe('a broker', () => {
  refuses('in a cluster that is not configured', broker({ cluster: 'other' }), 'cluster | is not one of clusters')
  refuses('in a cluster by a name of objects', broker({ cluster: 'constructor' }), 'cluster | is not one of clusters')
  refuses(
    'for a provider that is not configured',
    broker({ allow: { providers: ['corp', 'other'] } }),
    'allow.providers | names other, which is not configured',
  )
  refuses('that writes without an account', broker({ account: undefined }), 'account | is missing, and an operation writes')
  refuses(
    'that cleans up without an account',
    broker({ account: undefined, operations: [reading({ do: 'list' })], cleanup: { lease: { namespace: 'mandate' } } }),
    'account | is missing, and it cleans up',
    'cleanup | finds nothing: no step writes with ownedBy',
  )
  takes('needs no account to read', broker({ account: undefined, operations: [reading({ do: 'list' })] }))
  refuses(
    'with two operations of one name',
    broker({ operations: [operation(), operation({ match: { method: 'POST', path: '/other' } })] }),
    'operations.1.name | is that of operations.0 as well',
  )
  const system = "is a namespace of the cluster's own parts, which is on the deny-list"
  refuses('for system namespaces', broker({ namespaces: ['one', 'kube-system'] }), `namespaces.1 | ${system}`)
  refuses('whose lease is in a system namespace', cleaning({ namespace: 'openshift-config' }), `cleanup.lease.namespace | ${system}`)
  test('refuses a lease in what is no namespace', () => {
    for (const namespace of ['Mandate', 'a/b', '..', 'a.b', { env: 'PATH' }])
      assert.match(problemsOf(cleaning({ namespace })).join(), /^cleanup\.lease\.namespace \| [^,]*$/)
  })
  refuses(
    'that cleans up where nothing has an owner',
    broker({ cleanup: { lease: { namespace: 'mandate' } } }),
    'cleanup | finds nothing: no step writes with ownedBy',
  )
  const secretsAlone = 'cleanup | finds nothing: only Secrets are written with ownedBy, and it does not look at them'
  const cleanup = { lease: { namespace: 'mandate' } }
  refuses('that cleans up after Secrets alone', writing([mints()], { cleanup }), secretsAlone)
  refuses(
    'that cleans up after Secrets alone, written as such',
    writing([creates({ kind: 'secret', ownedBy: 'owner' })], { cleanup, rightsOpen: ['secrets'] }),
    secretsAlone,
  )
  takes('cleans up after Secrets that are lifted', writing([mints()], { cleanup, deniedOpen: ['secrets'] }))
  test('refuses more namespaces than its account can be asked about', () => {
    const many = (count: number) => broker({ namespaces: ['one', ...Array.from({ length: count - 1 }, (_, place) => `n${place}`)] })
    assert.deepEqual(faultsAfter(many(101)), ['brokered.app.namespaces | expected at most 100 namespaces | split the broker'])
    assert.deepEqual(problemsOf(many(100)), [])
  })
  test('refuses an account that is the one by which a cluster impersonates', () => {
    const by = (mine: object, theirs: object) => (draft: Draft) => {
      draft.clusters['other'] = { ...draft.clusters['prod'], as: { kind: 'impersonate', token: theirs } }
      broker({ account: { token: mine } })(draft)
    }
    const fault = ['account.token | is the token by which clusters.other impersonates']
    assert.deepEqual(problemsOf(by({ file: '/a/t' }, { file: '/a/t' })), fault)
    assert.deepEqual(problemsOf(by({ file: '/a/t' }, { file: '/a/b/../t' })), fault)
    assert.deepEqual(problemsOf(by({ env: 'T' }, { env: 'T' })), fault)
    for (const theirs of [{ file: '/a/u' }, { env: '/a/t' }]) assert.deepEqual(problemsOf(by({ file: '/a/t' }, theirs)), [])
  })
  test('refuses that two clean up by one Lease, by whatever name they call its cluster', () => {
    const two =
      (lease: object, cluster = 'prod') =>
      (draft: Draft) => {
        draft.clusters['twin'] = { ...draft.clusters['prod'], as: { kind: 'forward-token', audience: 'twin' } }
        draft.clusters['far'] = { ...draft.clusters['twin'], server: 'https://far.example' }
        const brokers = ['app', 'other'].map((name) => {
          const match = { method: 'POST', path: `/${name}` }
          const writes = [creates({ as: 'owner' }), creates({ name: 'b', ownedBy: 'owner' })]
          broker({ operations: [operation({ match, writes })], cleanup: { lease }, ...(name === 'app' ? {} : { cluster }) })(draft)
          return [name, Object(draft['brokered']).app]
        })
        draft['brokered'] = Object.fromEntries(brokers)
      }
    assert.deepEqual(problemsOf(two({ namespace: 'mandate', name: 'sweep' })), [
      'brokered.other.cleanup.lease | is the Lease of brokered.app as well',
    ])
    assert.deepEqual(problemsOf(two({ namespace: 'mandate', name: 'sweep' }, 'twin')), [
      'brokered.other.cleanup.lease | is the Lease of brokered.app as well',
    ])
    assert.deepEqual(problemsOf(two({ namespace: 'mandate', name: 'sweep' }, 'far')), [])
    assert.deepEqual(problemsOf(two({ namespace: 'mandate' })), [])
  })
  takes('works in system namespaces that are lifted', broker({ namespaces: ['one', 'kube-system'], deniedOpen: ['system-namespaces'] }))
})

describe('an operation', () => {
  const both = { asUser: { do: 'list', kind: 'thing', namespace: 'one' }, match: { method: 'POST', path: '/x' } }
  refuses(
    'that the user and the service do',
    operated(both),
    'operations.0 | has both asUser and writes',
    'operations.0.match.method | is not that of list',
  )
  refuses('that does nothing', operated({ writes: undefined, body: undefined }), 'operations.0 | has neither asUser nor writes')
  refuses(
    'that writes on a GET',
    operated({ match: { method: 'GET', path: '/x' } }),
    'operations.0.match.method | is GET, which a link or a page may follow',
  )
  for (const method of ['POST', 'PUT', 'PATCH', 'DELETE']) takes(`writes on ${method}`, operated({ match: { method, path: '/x' } }))
  refuses(
    'that lists by POST',
    broker({ operations: [reading({ do: 'list' }, 'POST')] }),
    'operations.0.match.method | is not that of list',
  )
  refuses(
    'that gets by DELETE',
    broker({ operations: [reading({ do: 'get', name: 'it' }, 'DELETE')] }),
    'operations.0.match.method | is not that of get',
  )
  refuses(
    'that deletes by GET',
    broker({ operations: [reading({ do: 'delete', name: 'it' })] }),
    'operations.0.match.method | is not that of delete',
  )
  takes('deletes as the user by DELETE', broker({ operations: [reading({ do: 'delete', name: 'it' }, 'DELETE')] }))
  refuses(
    'that reads and takes a body',
    broker({ operations: [{ ...reading({ do: 'list' }), body: {} }] }),
    'operations.0.body | is taken by an operation that writes nothing',
  )
  refuses(
    'that reads and names an answer',
    broker({ operations: [{ ...reading({ do: 'list' }), answer: 'made' }] }),
    'operations.0.answer | stands by an operation that writes nothing',
    'operations.0.answer | names no step',
  )
  refuses('whose answer is no step', operated({ answer: 'made' }), 'operations.0.answer | names no step')
  takes('answers with a step that it names', operated({ answer: 'made', writes: [creates({ name: 'other' }), creates({ as: 'made' })] }))
  refuses(
    'that lists one object',
    broker({ operations: [reading({ do: 'list', name: 'it' })] }),
    'operations.0.asUser.name | stands by a list',
  )
  for (const [verb, method] of [
    ['get', 'GET'],
    ['delete', 'DELETE'],
  ] as const)
    refuses(
      `that does not say what to ${verb}`,
      broker({ operations: [reading({ do: verb }, method)] }),
      'operations.0.asUser.name | is missing',
    )
  refuses(
    'that watches one object',
    broker({ operations: [reading({ do: 'get', name: 'it', watch: true })] }),
    'operations.0.asUser.watch | is for a list alone',
  )
  takes('lists and watches', broker({ operations: [reading({ do: 'list', watch: true })] }))
  test('refuses a schema of the body that is none', () => {
    const [line = '', ...more] = problemsOf(operated({ body: { type: 'objekt' } }))
    assert.match(line, /^operations\.0\.body \| is no schema that can be used: /)
    assert.deepEqual(more, [])
  })
})

describe('a kind', () => {
  const saying = (group: string, resource: string, namespaced = false) =>
    broker({ kinds: { it: { group, version: 'v1', resource, kind: 'It', namespaced } } })
  for (const [group, resource] of [
    ['', 'pods'],
    ['', 'secrets'],
    ['apps', 'deployments'],
    ['batch', 'jobs'],
    ['networking.k8s.io', 'ingresses'],
    ['rbac.authorization.k8s.io', 'roles'],
    ['coordination.k8s.io', 'leases'],
    ['policy', 'poddisruptionbudgets'],
    ['autoscaling', 'horizontalpodautoscalers'],
  ] as const) {
    refuses(
      `${resource} that is said to be in no namespace`,
      saying(group, resource),
      'kinds.it.namespaced | is false, and the kind is in namespaces',
    )
    takes(`${resource} is in namespaces`, saying(group, resource, true))
  }
  for (const [group, resource] of [
    ['', 'nodes'],
    ['rbac.authorization.k8s.io', 'clusterroles'],
    ['networking.k8s.io', 'ingressclasses'],
    ['example.com', 'pods'],
    ['constructor', 'pods'],
  ] as const)
    takes(`${resource} of ${group || 'the core'} may be in no namespace`, saying(group, resource))
})

describe('rights that are opened', () => {
  const configmap = { cm: { version: 'v1', resource: 'configmaps', kind: 'ConfigMap' } }
  refuses(
    'without an operation that writes them',
    writing([creates({ kind: 'cm' })], { kinds: configmap, rightsOpen: ['configmaps', 'secrets', 'things.example.com/status'] }),
    'rightsOpen.1 | is written by no operation',
    'rightsOpen.2 | is written by no operation',
  )
})

test('faults of several rules come together, each with the way to mend it', () => {
  const faults = faultsAfter(
    broker({
      cluster: 'other',
      account: undefined,
      namespaces: ['kube-system'],
      operations: [
        operation({ writes: [creates({ kind: 'no', name: { cel: 'path.other' } })], match: { method: 'GET', path: '/login/{a}' } }),
      ],
    }),
  )
  assert.deepEqual(
    faults.map((line) => line.split(' | ')[0]?.replace('brokered.app.', '')),
    [
      'cluster',
      'account',
      'namespaces.0',
      'operations.0.match.method',
      'operations.0.writes.0.kind',
      'operations.0.writes.0.namespace',
      'operations.0.writes.0.name',
      'operations.0.match.path',
    ],
  )
  for (const line of faults) assert.match(line, /^brokered\.app\.[^|]+ \| [a-z][^|]*[^.| ] \| [a-z][^|]*[^.|]$/)
})

test('an operator with nothing brokered is told nothing of it', () => {
  assert.deepEqual(configOf().brokered, {})
})

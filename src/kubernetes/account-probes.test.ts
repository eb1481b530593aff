import assert from 'node:assert/strict'
import { test } from 'node:test'
import { DENIED } from '../config/deny-list.ts'
import {
  type DeclaredRight,
  deniedProbes,
  EXCESS_NAMESPACES,
  excessProbes,
  MOST_BESIDES,
  MOST_NAMESPACES,
  neededProbes,
} from './account-probes.ts'

const right = (resource: string, verbs: readonly string[], changes: Partial<DeclaredRight> = {}): DeclaredRight => ({
  namespace: 'team-a',
  group: '',
  resource,
  verbs,
  resourceNames: [],
  ...changes,
})
const reads = (probes: ReadonlyArray<{ reads: string }>) => probes.map((probe) => probe.reads)
const many = (count: number) => Array.from({ length: count }, (_, n) => `team-${n}`)

test('refuses more namespaces than it says, and asks no more than it says', () => {
  const besides = ['mandate', 'accounts']
  assert.throws(() => deniedProbes({ namespaces: many(MOST_NAMESPACES + 1), lifted: [], besides }), RangeError)
  assert.throws(() => deniedProbes({ namespaces: [], lifted: [], besides: [...besides, 'more'] }), RangeError)
  const most = deniedProbes({ namespaces: many(MOST_NAMESPACES), lifted: [], besides })
  assert.equal(most.length, (MOST_NAMESPACES + MOST_BESIDES) * 17 + 91)
  assert.equal(excessProbes(many(MOST_NAMESPACES), []).length, EXCESS_NAMESPACES * 12 + 8)
})

test('asks about every item of the deny-list, each right once, and about all rights even when everything is lifted', () => {
  const all = reads(deniedProbes({ namespaces: ['team-a'], lifted: [], besides: ['mandate'] }))
  assert.equal(new Set(all).size, all.length)
  for (const denied of DENIED) {
    assert.ok(deniedProbes({ namespaces: ['team-a'], lifted: [denied], besides: ['mandate'] }).length < all.length, denied)
  }
  assert.deepEqual(reads(deniedProbes({ namespaces: ['team-a'], lifted: DENIED, besides: ['mandate'] })), ['do everything'])
  for (const wanted of [
    'get nodes/proxy',
    'list secrets',
    'watch secrets in team-a',
    'impersonate groups',
    'impersonate serviceaccounts in team-a',
    'escalate clusterroles.rbac.authorization.k8s.io',
    'bind roles.rbac.authorization.k8s.io in team-a',
    'patch rolebindings.rbac.authorization.k8s.io in team-a',
    'create pods in kube-system',
    'impersonate uids.authentication.k8s.io',
    'impersonate userextras/scopes.authentication.k8s.io',
    'deletecollection secrets',
    'delete clusterrolebindings.rbac.authorization.k8s.io',
    'deletecollection rolebindings.rbac.authorization.k8s.io in team-a',
  ]) {
    assert.ok(all.includes(wanted), wanted)
  }
})

for (const namespaces of [['team-a'], '*'] as const) {
  test(`does not overlook a denied right in kube-system, or where Mandate lives, with namespaces ${namespaces}`, () => {
    const all = reads(deniedProbes({ namespaces, lifted: [], besides: ['mandate', 'mandate'] }))
    assert.equal(new Set(all).size, all.length)
    for (const namespace of ['kube-system', 'mandate']) {
      for (const what of ['get secrets', 'impersonate serviceaccounts', 'bind roles.rbac.authorization.k8s.io'])
        assert.ok(all.includes(`${what} in ${namespace}`), `${what} in ${namespace}`)
    }
    const lifted = reads(deniedProbes({ namespaces, lifted: ['system-namespaces'], besides: ['mandate'] }))
    assert.deepEqual(
      lifted.filter((each) => /kube-/.test(each)),
      [],
    )
    assert.ok(lifted.includes('get secrets in mandate'))
  })
}

test('does not hold against an account what is declared: in the system namespaces only what is declared for all', () => {
  const jobs = { group: 'batch' }
  const everywhere = [right('jobs', ['create'], { ...jobs, namespace: '*' })]
  const system = (declared: readonly DeclaredRight[]) =>
    reads(deniedProbes({ namespaces: '*', lifted: [], besides: [], declared })).includes('create jobs.batch in kube-system')
  assert.deepEqual([system([]), system(everywhere), system([right('jobs', ['create'], jobs)])], [true, false, true])
  const excess = (declared: readonly DeclaredRight[]) =>
    reads(excessProbes(['team-a', 'team-b'], declared)).filter((word) => /^create jobs/.test(word))
  assert.deepEqual(excess([right('jobs', ['create'], jobs)]), ['create jobs.batch in team-b'])
  assert.deepEqual(excess(everywhere), [])
  assert.equal(excess([right('jobs', ['create'], { ...jobs, resourceNames: ['one'] })]).length, 2)
  const declared = [right('pods/exec', ['create'])]
  assert.ok(!reads(excessProbes(['team-a'], declared)).includes('create pods/exec in team-a'))
})

test('asks for what is needed as it is declared: with its names, and where it is in no namespace', () => {
  const declared = [
    right('serviceaccounts/token', ['create'], { resourceNames: ['runner', 'other'] }),
    right('widgets', ['create', 'delete'], { namespace: '', group: 'example.com' }),
    right('jobs', ['create'], { namespace: '*', group: 'batch' }),
  ]
  assert.deepEqual(
    neededProbes(declared).map(({ attributes }) => attributes),
    [
      { verb: 'create', group: '', resource: 'serviceaccounts', subresource: 'token', namespace: 'team-a', name: 'runner' },
      { verb: 'create', group: '', resource: 'serviceaccounts', subresource: 'token', namespace: 'team-a', name: 'other' },
      { verb: 'create', group: 'example.com', resource: 'widgets' },
      { verb: 'delete', group: 'example.com', resource: 'widgets' },
      { verb: 'create', group: 'batch', resource: 'jobs' },
    ],
  )
})

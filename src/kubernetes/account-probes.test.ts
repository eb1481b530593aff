import assert from 'node:assert/strict'
import { test } from 'node:test'
import { DENIED } from '../config/deny-list.ts'
import { type DeclaredRight, deniedProbes, EXCESS_NAMESPACES, excessProbes, MOST_NAMESPACES, neededProbes } from './account-probes.ts'

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
  assert.throws(() => deniedProbes({ namespaces: many(MOST_NAMESPACES + 1), lifted: [] }), RangeError)
  assert.equal(deniedProbes({ namespaces: many(MOST_NAMESPACES), lifted: [] }).length, MOST_NAMESPACES * 12 + 63)
  assert.equal(excessProbes(many(MOST_NAMESPACES), []).length, EXCESS_NAMESPACES * 12 + 8)
})

test('asks about every item of the deny-list, each right once, and about all rights even when everything is lifted', () => {
  const all = reads(deniedProbes({ namespaces: ['team-a'], lifted: [] }))
  assert.equal(new Set(all).size, all.length)
  for (const denied of DENIED) {
    assert.ok(deniedProbes({ namespaces: ['team-a'], lifted: [denied] }).length < all.length, denied)
  }
  assert.deepEqual(reads(deniedProbes({ namespaces: ['team-a'], lifted: DENIED })), ['do everything'])
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
  ]) {
    assert.ok(all.includes(wanted), wanted)
  }
})

test('does not hold against an account what is declared: in the system namespaces only what is declared for all', () => {
  const jobs = { group: 'batch' }
  const everywhere = [right('jobs', ['create'], { ...jobs, namespace: '*' })]
  const system = (declared: readonly DeclaredRight[]) =>
    reads(deniedProbes({ namespaces: '*', lifted: [], declared })).includes('create jobs.batch in kube-system')
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

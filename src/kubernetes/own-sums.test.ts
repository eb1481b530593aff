import assert from 'node:assert/strict'
import { test } from 'node:test'
import { memorySink } from '../audit/audit-sink.fake.ts'
import { Refusal } from '../errors.ts'
import { type OwnSums, ownSums } from './own-sums.ts'

const LEASES = { group: 'coordination.k8s.io', resource: 'leases' }
const act = (name: string, changes: Partial<Parameters<OwnSums>[0]> = {}): Parameters<OwnSums>[0] => ({
  event: 'own-work',
  task: 'lease-upkeep',
  action: 'update',
  resource: 'cluster/here',
  properties: { ...LEASES, namespace: 'mandate', name },
  ...changes,
})

function setUp() {
  const time = { ms: 0 }
  const audit = memorySink()
  return { audit, time, sum: ownSums(audit, () => time.ms) }
}

const unavailable = (error: unknown) => error instanceof Refusal && error.code === 'audit_unavailable'

test('refuses the first act when it cannot be recorded, and those that came meanwhile', async () => {
  const { audit, sum } = setUp()
  audit.failing = 'all'
  const ends = await Promise.allSettled([sum(act('sweep')), sum(act('sweep')), sum(act('sweep'))])
  assert.ok(ends.every((end) => end.status === 'rejected' && unavailable(end.reason)))
  audit.failing = new Set()
  await sum(act('sweep'))
  assert.equal(audit.recorded.length, 1)
})

test('refuses to go on under a record that is ten minutes old, and forgets nothing that was counted', async () => {
  const { audit, sum, time } = setUp()
  for (let n = 0; n < 5; n += 1) await sum(act('sweep'))
  audit.failing = 'all'
  time.ms = 599_999
  await sum(act('sweep'))
  time.ms = 600_000
  await assert.rejects(() => sum(act('sweep')), unavailable)
  audit.failing = new Set()
  await sum(act('sweep'))
  assert.deepEqual(
    audit.recorded.map((event) => (event.event === 'own-work' ? event.properties : {})),
    [
      { ...LEASES, namespace: 'mandate', name: 'sweep' },
      { ...LEASES, namespace: 'mandate', name: 'sweep', count: '6' },
    ],
  )
})

test('tells tasks, verbs and kinds apart, and says "several" where names differ', async () => {
  const { audit, sum, time } = setUp()
  await sum(act('a'))
  await sum(act('a', { task: 'sweep' }))
  await sum(act('a', { action: 'get' }))
  await sum(act('a', { properties: { group: '', resource: 'configmaps', namespace: 'x', name: 'a' } }))
  assert.equal(audit.recorded.length, 4)
  await Promise.all([sum(act('b')), sum(act('c')), sum(act('b'))])
  assert.equal(audit.recorded.length, 4)
  time.ms = 600_000
  await Promise.all([sum(act('b')), sum(act('b'))])
  const [last] = audit.recorded.slice(4)
  assert.equal(audit.recorded.length, 5)
  assert.deepEqual(last?.event === 'own-work' && last.properties, { ...LEASES, namespace: 'mandate', name: 'several', count: '4' })
})

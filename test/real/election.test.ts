/** The election on a real API server: several candidates, of which one after the other goes away. */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { memorySink } from '../../src/audit/audit-sink.fake.ts'
import { systemClock } from '../../src/clock.ts'
import { type ApiServer, createApiServer } from '../../src/kubernetes/api-server.ts'
import { OWN_TASKS } from '../../src/kubernetes/own-tasks.ts'
import { createOwnWork } from '../../src/kubernetes/own-work.ts'
import { type Election, elect } from '../../src/kubernetes/runtime/election.ts'
import { createLog } from '../../src/log.ts'
import { Secret } from '../../src/secret.ts'
import { eventually } from './eventually.ts'
import { type Kubernetes, startKubernetes } from './parts/kube-apiserver.ts'
import { apply, tokenOf } from './seeding.ts'

const LEASE = '/apis/coordination.k8s.io/v1/namespaces/mandate/leases/sweep'
const TIMES = { leaseMs: 3_000, renewWithinMs: 2_000, retryMs: 300 }
const ACCOUNT = { namespace: 'mandate', name: 'sweeper' }

interface Candidate {
  readonly election: Election
  readonly server: ApiServer
  readonly audit: ReturnType<typeof memorySink>
  /** From now on it sends nothing. */
  cut(): void
}

describe('the election, on a real kube-apiserver', () => {
  let kubernetes: Kubernetes
  let token = ''
  const all: Candidate[] = []
  /** Those whose signal has not fired; never more than one. */
  const leading = new Set<string>()
  const twice: string[] = []

  const stand = (identity: string): Candidate => {
    const server = createApiServer({ origin: kubernetes.url, ca: () => kubernetes.caPem })
    const audit = memorySink()
    let isCut = false
    const read = () => {
      if (isCut) throw new Error('cut off')
      return new Secret(token)
    }
    const own = createOwnWork(server, { token: { read }, audit, resource: 'cluster/real', tasks: OWN_TASKS })
    const lead = async (signal: AbortSignal): Promise<void> => {
      leading.add(identity)
      if (leading.size > 1) twice.push([...leading].join())
      await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }))
      leading.delete(identity)
    }
    const log = createLog(() => undefined)
    const work = { lease: own('lease'), upkeep: own('lease-upkeep') }
    const election = elect({ own: work, namespace: 'mandate', name: 'sweep', identity, clock: systemClock, log, lead, ...TIMES })
    const cut = () => {
      isCut = true
    }
    const candidate = { election, server, audit, cut }
    all.push(candidate)
    return candidate
  }
  const spec = async (): Promise<Record<string, unknown>> => {
    const { body } = await kubernetes.ask(LEASE)
    return (JSON.parse(body) as { spec: Record<string, unknown> }).spec
  }
  const leader = () => all.find(({ election }) => election.leading)

  before(async () => {
    kubernetes = await startKubernetes()
    const role = { apiGroups: ['coordination.k8s.io'], resources: ['leases'] }
    await apply(kubernetes.ask, [
      { apiVersion: 'v1', kind: 'Namespace', metadata: { name: ACCOUNT.namespace } },
      { apiVersion: 'v1', kind: 'ServiceAccount', metadata: ACCOUNT },
      {
        apiVersion: 'rbac.authorization.k8s.io/v1',
        kind: 'Role',
        metadata: ACCOUNT,
        rules: [
          { ...role, verbs: ['create'] },
          { ...role, verbs: ['get', 'update'], resourceNames: ['sweep'] },
        ],
      },
      {
        apiVersion: 'rbac.authorization.k8s.io/v1',
        kind: 'RoleBinding',
        metadata: ACCOUNT,
        roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name: ACCOUNT.name },
        subjects: [{ kind: 'ServiceAccount', ...ACCOUNT }],
      },
    ])
    token = await tokenOf(kubernetes.ask, ACCOUNT)
  })
  after(async () => {
    await Promise.all(all.map(({ election }) => election.stop()))
    await Promise.all(all.map(({ server }) => server.close()))
    await kubernetes?.stop()
  })

  test('of five one leads, and writes a lease that the API server takes', async () => {
    for (const identity of ['a', 'b', 'c', 'd', 'e']) stand(identity)
    await eventually('one leads', () => leading.size === 1)
    const { holderIdentity, leaseDurationSeconds, leaseTransitions, renewTime } = await spec()
    assert.match(String(holderIdentity), new RegExp(`^${[...leading].join()}_`))
    assert.deepEqual([leaseDurationSeconds, leaseTransitions], [3, 1])
    await eventually('it is renewed', async () => (await spec())['renewTime'] !== renewTime)
    assert.deepEqual([leader() !== undefined, twice], [true, []])
  })

  test('when the leader is cut off it gives up, and another takes over when its lease has run out', async () => {
    const [gone, first] = [leader(), [...leading].join()]
    assert.ok(gone)
    const { holderIdentity } = await spec()
    gone.cut()
    await eventually('it has given up', () => leading.size === 0)
    assert.equal((await spec())['holderIdentity'], holderIdentity)
    await eventually('another leads', () => leading.size === 1 && !leading.has(first))
    assert.deepEqual(twice, [])
  })

  test('a leader that stops gives the lease back, and the next one takes it at once', async () => {
    const [stopping, first] = [leader(), [...leading].join()]
    assert.ok(stopping)
    await stopping.election.stop()
    const actions = stopping.audit.recorded.flatMap((event) => (event.event === 'own-work' ? [`${event.task} ${event.action}`] : []))
    assert.equal(actions.at(-1), 'lease update')
    assert.ok(actions.filter((action) => action.startsWith('lease-upkeep')).length <= 2, 'renewals are summed')
    await eventually('another leads', () => leading.size === 1 && !leading.has(first), TIMES.leaseMs)
    assert.deepEqual(twice, [])
  })

  test('while the API server is away nobody leads, and when it is back one does', async () => {
    await kubernetes.stopApiServer()
    await eventually('the leader has given up', () => leading.size === 0)
    await kubernetes.startApiServer()
    await eventually('one leads', () => leading.size === 1)
    assert.deepEqual(twice, [])
  })

  test('a lease that somebody deletes makes no second leader', async () => {
    await kubernetes.ask(LEASE, { method: 'DELETE' })
    stand('f')
    await eventually('the leader has given up', () => leading.size === 0)
    await eventually('one leads', () => leading.size === 1)
    assert.deepEqual(twice, [])
  })
})

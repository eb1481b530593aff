/** The orphan sweep and the account review on a real API server, whose word for "not there" they live by. */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { memorySink } from '../../src/audit/audit-sink.fake.ts'
import { createFakeClock } from '../../src/clock.fake.ts'
import { systemClock } from '../../src/clock.ts'
import { reviewAccount } from '../../src/kubernetes/account-excess.ts'
import { type DeclaredRight, deniedProbes, excessProbes, neededProbes } from '../../src/kubernetes/account-probes.ts'
import { type ApiServer, createApiServer } from '../../src/kubernetes/api-server.ts'
import { orphanSweep } from '../../src/kubernetes/orphan-sweep.ts'
import { sweepRights } from '../../src/kubernetes/orphans.ts'
import { OWN_TASKS } from '../../src/kubernetes/own-tasks.ts'
import { createOwnWork } from '../../src/kubernetes/own-work.ts'
import { createLog } from '../../src/log.ts'
import { createMetrics } from '../../src/metrics.ts'
import { Secret } from '../../src/secret.ts'
import { eventually } from './eventually.ts'
import { type Kubernetes, startKubernetes } from './parts/kube-apiserver.ts'
import { apply, tokenOf } from './seeding.ts'

const MAPS = { group: '', version: 'v1', resource: 'configmaps', namespaced: true }
const WIDGETS = { group: 'example.com', version: 'v1', resource: 'widgets', namespaced: true }
const GADGETS = { ...WIDGETS, resource: 'gadgets' }
const SWEEPER = { namespace: 'mandate', name: 'sweeper' }
const STRONG = { namespace: 'mandate', name: 'strong' }
const RBAC = 'rbac.authorization.k8s.io'

interface Stored {
  readonly metadata: { readonly name: string; readonly uid: string; readonly resourceVersion: string }
}

const definition = (plural: string, kind: string) => ({
  apiVersion: 'apiextensions.k8s.io/v1',
  kind: 'CustomResourceDefinition',
  metadata: { name: `${plural}.example.com` },
  spec: {
    group: 'example.com',
    scope: 'Namespaced',
    names: { plural, singular: kind.toLowerCase(), kind },
    versions: [{ name: 'v1', served: true, storage: true, schema: { openAPIV3Schema: { type: 'object' } } }],
  },
})

describe('on a real kube-apiserver', () => {
  let kubernetes: Kubernetes
  let server: ApiServer
  const tokens = new Map<string, string>()

  const token = (name: string) => ({ read: () => new Secret(tokens.get(name) ?? '') })
  const post = async (path: string, body: object): Promise<Stored> => {
    const answer = await kubernetes.ask(path, { body })
    assert.equal(answer.status, 201, answer.body)
    return JSON.parse(answer.body) as Stored
  }
  const remove = async (path: string) => assert.equal((await kubernetes.ask(path, { method: 'DELETE' })).status, 200, path)
  const widgets = (namespace: string) => `/apis/example.com/v1/namespaces/${namespace}/widgets`
  const gadgets = '/apis/example.com/v1/namespaces/team-a/gadgets'
  const maps = '/api/v1/namespaces/team-a/configmaps'

  before(async () => {
    kubernetes = await startKubernetes()
    server = createApiServer({ origin: kubernetes.url, ca: () => kubernetes.caPem })
    const namespaces = ['mandate', 'team-a', 'team-b', 'team-c'].map((name) => ({
      apiVersion: 'v1',
      kind: 'Namespace',
      metadata: { name },
    }))
    const accounts = [SWEEPER, STRONG].map((metadata) => ({ apiVersion: 'v1', kind: 'ServiceAccount', metadata }))
    const sweeping = [
      { apiGroups: [''], resources: ['configmaps'], verbs: ['list', 'delete'] },
      { apiGroups: ['example.com'], resources: ['widgets', 'gadgets'], verbs: ['get'] },
    ]
    const roleRef = { apiGroup: RBAC, kind: 'Role', name: 'sweeper' }
    const roles = ['team-a', 'team-b'].flatMap((namespace) => [
      { apiVersion: `${RBAC}/v1`, kind: 'Role', metadata: { name: 'sweeper', namespace }, rules: sweeping },
      {
        apiVersion: `${RBAC}/v1`,
        kind: 'RoleBinding',
        metadata: { name: 'sweeper', namespace },
        roleRef,
        subjects: [{ kind: 'ServiceAccount', ...SWEEPER }],
      },
    ])
    const everything = {
      apiVersion: `${RBAC}/v1`,
      kind: 'ClusterRoleBinding',
      metadata: { name: 'strong' },
      roleRef: { apiGroup: RBAC, kind: 'ClusterRole', name: 'cluster-admin' },
      subjects: [{ kind: 'ServiceAccount', ...STRONG }],
    }
    await apply(kubernetes.ask, [...namespaces, ...accounts, ...roles, everything])
    for (const account of [SWEEPER, STRONG]) tokens.set(account.name, await tokenOf(kubernetes.ask, account))
    const crds = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions'
    await post(crds, definition('widgets', 'Widget'))
    await post(crds, definition('gadgets', 'Gadget'))
    for (const path of [widgets('team-a'), gadgets]) {
      await eventually(`${path} is served`, async () => (await kubernetes.ask(path)).status === 200)
    }
  })
  after(async () => {
    await server?.close()
    await kubernetes?.stop()
  })

  test('deletes what is orphaned and nothing else: owners that are there, unreadable, unserved or misnamed keep theirs', async (t) => {
    const owner = async (path: string, kind: string, name: string) =>
      (await post(path, { apiVersion: 'example.com/v1', kind, metadata: { name } })).metadata.uid
    const written = async (name: string, uid: string, marked: object, broker = 'runs') => {
      const mark = { group: 'example.com', version: 'v1', resource: 'widgets', namespace: 'team-a', name, uid, ...marked }
      const labels = { 'mandate/broker': broker, 'mandate/owner': uid }
      return post(maps, { metadata: { name: `of-${name}`, labels, annotations: { 'mandate/owner': JSON.stringify(mark) } } })
    }
    for (const name of ['gone', 'there', 'again', 'stranger', 'changing']) {
      await written(name, await owner(widgets('team-a'), 'Widget', name), {}, name === 'stranger' ? 'others' : 'runs')
    }
    await written('far', await owner(widgets('team-b'), 'Widget', 'far'), { namespace: 'team-b' })
    await written('hidden', await owner(widgets('team-c'), 'Widget', 'hidden'), { namespace: 'team-c' })
    await written('unserved', await owner(gadgets, 'Gadget', 'unserved'), { resource: 'gadgets' })
    await written('misnamed', await owner(widgets('team-a'), 'Widget', 'misnamed'), { resource: 'jobs', group: 'batch' })
    for (const name of ['gone', 'again', 'stranger', 'changing', 'misnamed']) await remove(`${widgets('team-a')}/${name}`)
    await remove(`${widgets('team-b')}/far`)
    await remove(`${widgets('team-c')}/hidden`)
    await owner(widgets('team-a'), 'Widget', 'again')
    await remove('/apis/apiextensions.k8s.io/v1/customresourcedefinitions/gadgets.example.com')
    await eventually('gadgets are served no more', async () => (await kubernetes.ask(gadgets)).status === 404)

    const lines: Array<Record<string, unknown>> = []
    let next = Promise.withResolvers<void>()
    const log = createLog((line) => {
      lines.push(JSON.parse(line) as Record<string, unknown>)
      next.resolve()
    })
    const [clock, metrics, audit] = [createFakeClock(), createMetrics(), memorySink()]
    const namespaces = ['team-a', 'team-b', 'team-c']
    const tended = {
      broker: 'runs',
      kinds: [{ ...MAPS, namespaces: ['team-a', 'team-b'] }],
      ownerKinds: [WIDGETS, GADGETS],
      namespaces,
      mode: 'delete' as const,
    }
    const tasks = { sweep: sweepRights(tended) }
    const own = createOwnWork(server, { token: token('sweeper'), audit, resource: 'cluster/real', tasks })('sweep')
    const leading = new AbortController()
    const run = orphanSweep({ ...tended, own, everyMs: 600_000, most: 20, mayAct: () => true, clock, log, metrics })
    const running = run(leading.signal)
    t.after(async () => {
      leading.abort()
      await running
    })
    await next.promise
    const { found, unknown, deleted, whole } = lines[0] ?? {}
    assert.deepEqual({ found, unknown, deleted, whole }, { found: 4, unknown: 3, deleted: 0, whole: true }, JSON.stringify(lines))
    next = Promise.withResolvers()
    await clock.advance(600_000)
    await next.promise
    assert.equal(lines[1]?.['deleted'], 4)
    const { items } = JSON.parse((await kubernetes.ask(maps)).body) as { items: readonly Stored[] }
    const left = items.map(({ metadata }) => metadata.name).filter((name) => name.startsWith('of-'))
    assert.deepEqual(left.sort(), ['of-hidden', 'of-misnamed', 'of-stranger', 'of-there', 'of-unserved'])
    const deletions = audit.recorded.filter((event) => event.event === 'own-work' && event.action === 'delete')
    assert.equal(deletions.length, 4)
  })

  test('refuses to delete an object that was changed after it was seen', async () => {
    const made = await post(maps, { metadata: { name: 'changed' } })
    const { uid, resourceVersion } = made.metadata
    const patched = await kubernetes.ask(`${maps}/changed`, {
      method: 'PATCH',
      headers: { 'content-type': 'application/merge-patch+json' },
      body: { data: { k: 'v' } },
    })
    assert.equal(patched.status, 200)
    const tasks = { sweep: sweepRights({ kinds: [MAPS], ownerKinds: [], mode: 'delete' }) }
    const own = createOwnWork(server, { token: token('sweeper'), audit: memorySink(), resource: 'cluster/real', tasks })('sweep')
    const body = { apiVersion: 'v1', kind: 'DeleteOptions', preconditions: { uid, resourceVersion }, propagationPolicy: 'Background' }
    await assert.rejects(
      () => own.act('delete', 'configmaps', { namespace: 'team-a', name: 'changed', body }),
      (error) => error instanceof Error && 'status' in error && error.status === 409,
    )
    assert.equal((await kubernetes.ask(`${maps}/changed`)).status, 200)
  })

  const declared: readonly DeclaredRight[] = ['team-a', 'team-b'].flatMap((namespace) => [
    { namespace, group: '', resource: 'configmaps', verbs: ['delete', 'list'], resourceNames: [] },
    { namespace, group: 'example.com', resource: 'widgets', verbs: ['get'], resourceNames: [] },
  ])
  const namespaces = ['team-a', 'team-b']
  const probes = {
    denied: deniedProbes({ namespaces, lifted: [], besides: ['mandate'], declared }),
    excess: excessProbes(namespaces, declared),
    needed: neededProbes(declared),
  }
  const review = (account: string) => {
    const own = createOwnWork(server, { token: token(account), audit: memorySink(), resource: 'cluster/real', tasks: OWN_TASKS })
    return reviewAccount({ own: own('account-review'), ...probes, clock: systemClock })
  }

  test('finds nothing at an account that has exactly what is declared', async () => {
    assert.deepEqual(await review('sweeper'), { denied: [], excess: [], missing: [] })
  })

  test('finds everything at an account that may do everything', async () => {
    const { denied, excess, missing } = await review('strong')
    assert.deepEqual([denied.length, excess.length, missing], [probes.denied.length, probes.excess.length, []])
  })

  test('finds a right that is given in one declared namespace alone', async () => {
    const metadata = { name: 'extra', namespace: 'team-b' }
    const rules = [
      { apiGroups: [''], resources: ['secrets'], verbs: ['list'] },
      { apiGroups: [''], resources: ['pods/exec'], verbs: ['create'] },
    ]
    await apply(kubernetes.ask, [
      { apiVersion: `${RBAC}/v1`, kind: 'Role', metadata, rules },
      {
        apiVersion: `${RBAC}/v1`,
        kind: 'RoleBinding',
        metadata,
        roleRef: { apiGroup: RBAC, kind: 'Role', name: 'extra' },
        subjects: [{ kind: 'ServiceAccount', ...SWEEPER }],
      },
    ])
    await eventually('it is found', async () => (await review('sweeper')).denied.length > 0)
    assert.deepEqual(await review('sweeper'), { denied: ['list secrets in team-b'], excess: ['create pods/exec in team-b'], missing: [] })
  })

  test('tells nothing of an account whose token the API server does not take', async () => {
    tokens.set('nobody', 'bm90LWlzc3VlZA')
    await assert.rejects(
      () => review('nobody'),
      (error) => error instanceof Error && 'code' in error && error.code === 'account_refused',
    )
  })
})

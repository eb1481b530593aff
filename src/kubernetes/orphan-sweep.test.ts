import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { memorySink } from '../audit/audit-sink.fake.ts'
import { createFakeClock } from '../clock.fake.ts'
import { createLog } from '../log.ts'
import { createMetrics } from '../metrics.ts'
import { Secret } from '../secret.ts'
import { type OrphanSweepOptions, orphanSweep } from './orphan-sweep.ts'
import { sweepRights } from './orphans.ts'
import { createOwnWork } from './own-work.ts'
import { type Answering, type Asked, startScriptedApi } from './scripted-api.fake.ts'

const MAPS = { group: '', version: 'v1', resource: 'configmaps', namespaced: true }
const SESSIONS = { group: 'example.com', version: 'v1', resource: 'sessions', namespaced: true }
const EVERY_MS = 600_000
const OWNER = '/apis/example.com/v1/namespaces/team-a/sessions/s1'

type Meta = Record<string, unknown>
interface World {
  readonly maps: Map<string, Meta>
  /** What is answered about the owner; by default that it is not there. */
  owner: (asked: Asked) => ReturnType<Answering>
  /** Answers before anything else does. */
  first: Answering
}

const NOTHING = { status: 418 }
const gone = (name = 's1', details: object = { name, group: 'example.com', kind: 'sessions' }) => ({
  status: 404,
  body: { kind: 'Status', apiVersion: 'v1', status: 'Failure', reason: 'NotFound', details, code: 404 },
})
const alive = (uid: string) => ({ status: 200, body: { apiVersion: 'example.com/v1', kind: 'Session', metadata: { name: 's1', uid } } })
const mark = (changes: object = {}) => ({
  group: 'example.com',
  version: 'v1',
  resource: 'sessions',
  namespace: 'team-a',
  name: 's1',
  uid: 'owner-1',
  ...changes,
})

/** A config map that a broker wrote for the session s1. */
function written(name: string, changes: Meta = {}, marked: unknown = mark()): [string, Meta] {
  const labels = { 'mandate/broker': 'runs', 'mandate/owner': 'owner-1' }
  const annotations = marked === null ? {} : { 'mandate/owner': typeof marked === 'string' ? marked : JSON.stringify(marked) }
  return [name, { name, namespace: 'team-a', uid: `uid-${name}`, resourceVersion: '7', labels, annotations, ...changes }]
}

async function setUp(t: TestContext, maps: Array<[string, Meta]>, changes: Partial<OrphanSweepOptions> = {}) {
  const world: World = { maps: new Map(maps), owner: () => gone(), first: () => NOTHING }
  const deletes: Asked[] = []
  const api = await startScriptedApi((asked, response) => {
    const { method, path, body } = asked
    const first = world.first(asked, response)
    if (first !== NOTHING) return first
    if (path.startsWith('/apis/example.com/v1/')) return world.owner(asked)
    if (method === 'GET') {
      const { searchParams, pathname } = new URL(path, 'http://api')
      assert.deepEqual([searchParams.get('labelSelector'), searchParams.get('limit')], ['mandate/broker=runs,mandate/owner', '500'])
      const from = Number(searchParams.get('continue') ?? 0)
      const all = [...world.maps.values()].filter(
        ({ namespace }) => pathname === '/api/v1/configmaps' || pathname === `/api/v1/namespaces/${namespace}/configmaps`,
      )
      const next = from + 2 < all.length ? { continue: String(from + 2) } : {}
      const items = all.slice(from, from + 2).map((metadata) => ({ metadata }))
      return { status: 200, body: { apiVersion: 'v1', kind: 'ConfigMapList', metadata: { resourceVersion: '9', ...next }, items } }
    }
    deletes.push(asked)
    const name = path.split('/').at(-1) ?? ''
    const { uid, resourceVersion } = (body as { preconditions: { uid: string; resourceVersion: string } }).preconditions
    const there = world.maps.get(name)
    if (there === undefined) return gone(name, { name, kind: 'configmaps' })
    if (there['uid'] !== uid || there['resourceVersion'] !== resourceVersion) return { status: 409, body: { reason: 'Conflict' } }
    world.maps.delete(name)
    return { status: 200, body: { kind: 'Status', status: 'Success' } }
  })
  t.after(() => api.close())
  const [audit, clock, metrics] = [memorySink(), createFakeClock(), createMetrics()]
  let next = Promise.withResolvers<Record<string, unknown>>()
  const log = createLog((line) => next.resolve(JSON.parse(line) as Record<string, unknown>))
  const tended = { broker: 'runs', kinds: [MAPS], ownerKinds: [SESSIONS], namespaces: ['team-a'], mode: 'delete', ...changes } as const
  const token = { read: () => new Secret('YWNjb3VudA') }
  const tasks = { sweep: sweepRights(tended) }
  const own = createOwnWork(api.server, { token, audit, resource: 'cluster/here', tasks })('sweep')
  const leading = new AbortController()
  const run = orphanSweep({ ...tended, own, everyMs: EVERY_MS, most: 20, mayAct: () => true, clock, log, metrics, ...changes })
  let running: Promise<void> | undefined
  const end = async () => {
    leading.abort()
    await running
  }
  t.after(end)
  return {
    ...api,
    world,
    audit,
    clock,
    deletes,
    leading,
    end,
    /** One sweep from its beginning to its line in the log. */
    async sweep() {
      next = Promise.withResolvers()
      if (running === undefined) running = run(leading.signal)
      else await clock.advance(EVERY_MS)
      return next.promise
    },
    gauge: async (name: string) => new RegExp(`^${name}\\{broker="runs"\\} (\\d+)$`, 'm').exec((await metrics.expose()).body)?.[1],
  }
}

const names = (deletes: readonly Asked[]) => deletes.map(({ path }) => path.split('/').at(-1))

const LIES: Readonly<Record<string, [string, Meta]>> = {
  'a label without an annotation': written('lie', {}, null),
  'an annotation that is no JSON': written('lie', {}, '{"uid":"owner-1"'),
  'an annotation that lacks a part': written('lie', {}, { ...mark(), namespace: undefined }),
  'an annotation that says more': written('lie', {}, { ...mark(), also: 'x' }),
  'an annotation whose parts are no text': written('lie', {}, mark({ name: 5 })),
  'an annotation of another uid than the label': written('lie', {}, mark({ uid: 'owner-2' })),
  'an owner of a kind that is not configured': written('lie', {}, mark({ resource: 'jobs', group: 'batch' })),
  'an owner of that resource in another group': written('lie', {}, mark({ group: 'evil.example' })),
  'an owner in a namespace where the broker does not work': written('lie', {}, mark({ namespace: 'team-b' })),
  'an owner in no namespace': written('lie', {}, mark({ namespace: '' })),
  'an owner that is the object itself': written('lie', { uid: 'owner-1' }),
  'an object of another broker': written('lie', { labels: { 'mandate/broker': 'others', 'mandate/owner': 'owner-1' } }),
  'an owner reference to something else': written('lie', { ownerReferences: [{ uid: 'owner-9', name: 's1' }] }),
  'an owner reference of another name': written('lie', { ownerReferences: [{ uid: 'owner-1', name: 's2' }] }),
  'an object without a version': written('lie', { resourceVersion: undefined }),
}

for (const [what, lie] of Object.entries(LIES)) {
  test(`refuses to believe ${what}`, async (t) => {
    const { sweep, deletes, asked } = await setUp(t, [lie])
    for (let round = 0; round < 3; round += 1) {
      const { found, unknown, deleted } = await sweep()
      assert.deepEqual([found, unknown, deleted], [0, 1, 0])
    }
    assert.deepEqual(deletes, [])
    assert.ok(!asked.some(({ path }) => path.startsWith('/apis/')), 'an owner was asked for')
  })
}

const UNTOLD: Readonly<Record<string, ReturnType<Answering>>> = {
  'may not be read': { status: 403, body: { kind: 'Status', reason: 'Forbidden' } },
  'is answered with 401': { status: 401 },
  'is answered with 500': { status: 500 },
  'is answered with 429': { status: 429 },
  'is of a kind that the API server does not know': { status: 404, body: '404 page not found\n' },
  'is of a resource that is not served': gone('s1', {}),
  'is answered for by somebody else': gone('s2'),
  'is answered for as of another kind': gone('s1', { name: 's1', group: 'example.com', kind: 'jobs' }),
  'is answered with a 404 for another reason': { status: 404, body: { ...gone().body, reason: 'Unknown' } },
  'is answered with an object without a uid': { status: 200, body: { metadata: { name: 's1' } } },
  'is answered with something else': { status: 200, body: '<html>' },
}

for (const [what, answer] of Object.entries(UNTOLD)) {
  test(`refuses to take an owner for gone that ${what}`, async (t) => {
    const { sweep, deletes, world } = await setUp(t, [written('a')])
    world.owner = () => answer
    for (let round = 0; round < 3; round += 1) assert.deepEqual((await sweep())['found'], 0)
    assert.deepEqual(deletes, [])
  })
}

test('refuses to delete what one sweep alone has found, or two that do not follow each other', async (t) => {
  const { sweep, deletes, world } = await setUp(t, [written('a')])
  await sweep()
  world.owner = () => ({ status: 500 })
  await sweep()
  world.owner = () => gone()
  const { found, deleted } = await sweep()
  assert.deepEqual([found, deleted, deletes.length], [1, 0, 0])
  assert.equal((await sweep())['deleted'], 1)
})

test('refuses to delete what took the name of an orphan, or was changed meanwhile', async (t) => {
  const { sweep, deletes, world } = await setUp(t, [written('a'), written('b')])
  await sweep()
  world.maps.set(...written('a', { uid: 'uid-new' }))
  world.first = ({ method }) => (method === 'DELETE' ? { status: 409, body: { kind: 'Status', reason: 'Conflict' } } : NOTHING)
  const { deleted, failed } = await sweep()
  assert.deepEqual([deleted, failed, names(deletes)], [0, 1, []])
  world.first = () => NOTHING
  assert.equal((await sweep())['deleted'], 2)
  const { body } = deletes[0] as Asked
  assert.deepEqual(body, {
    apiVersion: 'v1',
    kind: 'DeleteOptions',
    preconditions: { uid: 'uid-new', resourceVersion: '7' },
    propagationPolicy: 'Background',
  })
})

test('refuses to delete more than its bound in one sweep', async (t) => {
  const { sweep, world, gauge } = await setUp(
    t,
    Array.from({ length: 7 }, (_, n) => written(`m${n}`)),
    { most: 3 },
  )
  for (const left of [7, 4, 1, 0, 0]) {
    await sweep()
    assert.equal(world.maps.size, left)
    assert.equal(await gauge('mandate_orphans'), String(left))
  }
  assert.equal(await gauge('mandate_orphans_deleted_total'), '7')
})

test('refuses to sweep with an account that may not be used, and begins anew with a dry run when it may', async (t) => {
  let may = true
  const { sweep, deletes, clock, asked, gauge } = await setUp(t, [written('a')], { mayAct: () => may })
  await sweep()
  assert.equal(await gauge('mandate_orphans'), '1')
  may = false
  assert.match(String((await sweep())['message']), /^no sweep for orphans while/)
  const before = asked.length
  await clock.advance(EVERY_MS)
  assert.deepEqual([asked.length, await gauge('mandate_orphans')], [before, undefined])
  may = true
  await sweep()
  assert.equal(deletes.length, 0)
  await sweep()
  assert.equal(deletes.length, 1)
})

test('refuses to go on deleting once the account may not be used', async (t) => {
  let may = true
  const { sweep, deletes, world } = await setUp(
    t,
    ['a', 'b', 'c'].map((name) => written(name)),
    { mayAct: () => may },
  )
  await sweep()
  world.first = ({ method }) => {
    if (method === 'DELETE') may = false
    return NOTHING
  }
  const { deleted } = await sweep()
  assert.deepEqual([deleted, deletes.length, world.maps.size], [1, 1, 2])
})

test('refuses to delete anything in mode report, and has no right to', async (t) => {
  const { sweep, asked, gauge } = await setUp(t, [written('a')], { mode: 'report' })
  for (let round = 0; round < 4; round += 1) {
    const { found, deleted, such } = await sweep()
    assert.deepEqual([found, deleted, such], [1, 0, 'configmaps team-a/a'])
  }
  assert.ok(asked.every(({ method }) => method === 'GET'))
  assert.equal(await gauge('mandate_orphans'), '1')
  assert.ok(sweepRights({ kinds: [MAPS], ownerKinds: [], mode: 'report' }).every(({ verbs }) => !verbs.includes('delete')))
})

test('refuses to delete what is not recorded', async (t) => {
  const { sweep, deletes, audit } = await setUp(t, [written('a')])
  await sweep()
  audit.failing = 'all'
  assert.equal((await sweep())['deleted'], 0)
  assert.equal(deletes.length, 0)
})

test('an API server that goes away in the middle keeps everything, and is not asked about each object', async (t) => {
  const { sweep, deletes, world, asked, gauge } = await setUp(
    t,
    Array.from({ length: 40 }, (_, n) => written(`m${n}`, {}, mark({ name: `s${n}` }))),
  )
  world.owner = ({ path }) => gone(path.split('/').at(-1))
  await sweep()
  const before = asked.length
  world.first = ({ path }, response) => {
    if (!path.includes('/sessions/')) return NOTHING
    response.destroy()
    return undefined
  }
  const { whole, found, deleted } = await sweep()
  assert.deepEqual([whole, found, deleted, deletes.length], [false, 0, 0, 0])
  assert.equal(asked.slice(before).filter(({ path }) => path.includes('/sessions/')).length, 3)
  assert.equal(await gauge('mandate_orphans'), undefined)
})

test('skips what is being deleted already, and namespaces that are out of bounds', async (t) => {
  const leaving = written('a', { deletionTimestamp: '2026-01-01T00:00:00Z' })
  const system = written('b', { namespace: 'kube-system' })
  const { sweep, deletes } = await setUp(t, [leaving, system], { namespaces: '*', exceptNamespace: (name) => name.startsWith('kube-') })
  await sweep()
  const { seen, found, unknown } = await sweep()
  assert.deepEqual([seen, found, unknown, deletes.length], [0, 0, 0, 0])
})

test('asks once for each owner, page after page, and keeps what belongs to one that is there', async (t) => {
  const other = mark({ name: 's2', uid: 'owner-2' })
  const labels = { 'mandate/broker': 'runs', 'mandate/owner': 'owner-2' }
  const { sweep, deletes, world, at, audit } = await setUp(t, [
    ...Array.from({ length: 5 }, (_, n) => written(`m${n}`)),
    written('kept', { labels }, other),
  ])
  world.owner = ({ path }) => (path === OWNER ? gone() : alive('owner-2'))
  await sweep()
  assert.deepEqual([at(OWNER).length, at(OWNER.replace('s1', 's2')).length], [1, 1])
  assert.equal((await sweep())['deleted'], 5)
  assert.deepEqual(names(deletes), ['m0', 'm1', 'm2', 'm3', 'm4'])
  assert.deepEqual([...world.maps.keys()], ['kept'])
  const records = audit.recorded.flatMap((event) => (event.event === 'own-work' ? [`${event.action} ${event.properties['name']}`] : []))
  assert.deepEqual(
    records.filter((record) => record.startsWith('delete')),
    ['m0', 'm1', 'm2', 'm3', 'm4'].map((name) => `delete ${name}`),
  )
  assert.ok(records.length <= 5 + 4, 'reads are summed')
})

test('takes an owner for gone when another object has its name', async (t) => {
  const { sweep, world } = await setUp(t, [written('a')])
  world.owner = () => alive('owner-new')
  await sweep()
  assert.equal((await sweep())['deleted'], 1)
})

test('stops in the middle of a sweep when it no longer leads, and leaves no gauge behind', async (t) => {
  const { sweep, deletes, world, leading, end, gauge, clock } = await setUp(
    t,
    Array.from({ length: 5 }, (_, n) => written(`m${n}`)),
  )
  await sweep()
  assert.equal(await gauge('mandate_orphans'), '5')
  world.first = ({ method }) => {
    if (method !== 'DELETE') return NOTHING
    leading.abort()
    return undefined
  }
  void sweep()
  await clock.advance(0)
  await new Promise((resolve) => leading.signal.addEventListener('abort', resolve, { once: true }))
  await end()
  assert.equal(deletes.length, 0)
  assert.equal(world.maps.size, 5)
  assert.equal(await gauge('mandate_orphans'), undefined)
  assert.equal(clock.pending, 0)
})

test('begins anew with a dry run when it leads again', async (t) => {
  const { world, sweep, end } = await setUp(t, [written('a')])
  await sweep()
  await end()
  assert.equal(world.maps.size, 1)
})

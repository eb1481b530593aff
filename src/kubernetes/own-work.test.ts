import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { memorySink } from '../audit/audit-sink.fake.ts'
import { Refusal } from '../errors.ts'
import { Secret } from '../secret.ts'
import { ApiStatus } from './api-status.ts'
import type { TaskTable } from './own-tasks.ts'
import { createOwnWork } from './own-work.ts'
import { type Answering, startScriptedApi } from './scripted-api.fake.ts'

const tasks = {
  sweep: [
    { group: 'a.example', version: 'v1', resource: 'widgets', verbs: ['list', 'delete'] },
    { group: 'b.example', version: 'v1beta1', resource: 'widgets', verbs: ['list', 'get'] },
    { group: 'c.example', version: 'v1', resource: 'widgets', verbs: ['get'], summed: true },
  ],
} as const satisfies TaskTable

async function setUp(t: TestContext, answering: Answering) {
  const time = { ms: 0 }
  const api = await startScriptedApi(answering, { monotonic: () => time.ms })
  t.after(() => api.close())
  const audit = memorySink()
  const own = createOwnWork(api.server, { token: { read: () => new Secret('YWNjb3VudA') }, audit, resource: 'cluster/test', tasks })
  return { ...api, time, audit, work: own('sweep') }
}

const EMPTY = { status: 200, body: { metadata: {}, items: [] } }
const refuses = (error: unknown) => error instanceof Refusal && error.code === 'own_work_refused'
const absent = (details: object, changes: object = {}) => ({
  status: 404,
  body: { kind: 'Status', reason: 'NotFound', details, ...changes },
})

test('refuses to guess which of two kinds of one name is meant, and one that the task has no right on', async (t) => {
  const { work, asked } = await setUp(t, () => EMPTY)
  await assert.rejects(() => work.act('list', 'widgets'), refuses)
  await assert.rejects(() => work.look('widgets', { name: 'w' }), refuses)
  await assert.rejects(() => work.act('list', 'widgets', { group: 'c.example' }), refuses)
  await assert.rejects(() => work.act('list', 'widgets', { group: 'a.example', version: 'v2' }), refuses)
  assert.equal(asked.length, 0)
  await work.act('list', 'widgets', { group: 'b.example', limit: 5 })
  await work.act('delete', 'widgets', { name: 'w' })
  assert.deepEqual(
    asked.map(({ path }) => path),
    ['/apis/b.example/v1beta1/widgets?limit=5', '/apis/a.example/v1/widgets/w'],
  )
})

test('refuses to call an object absent on any other word than that of the API server about this very object', async (t) => {
  const details = { name: 'w', group: 'b.example', kind: 'widgets' }
  const world = { answer: absent(details) as ReturnType<Answering> }
  const { work } = await setUp(t, () => world.answer)
  const look = () => work.look('widgets', { group: 'b.example', namespace: 'team-a', name: 'w' })
  assert.equal(await look(), undefined)
  for (const other of [
    absent({}),
    absent({ ...details, name: 'v' }),
    absent({ ...details, group: 'a.example' }),
    absent({ ...details, group: undefined }),
    absent({ ...details, kind: 'gadgets' }),
    absent(details, { kind: 'Widget' }),
    absent(details, { reason: 'Gone' }),
    absent(details, { details: [details] }),
    { ...absent(details), status: 410 },
    { status: 404, body: 'page not found' },
  ]) {
    world.answer = other
    await assert.rejects(look, ApiStatus)
  }
  for (const status of [401, 403, 500, 503]) {
    world.answer = { ...absent(details), status }
    await assert.rejects(look, Refusal)
  }
  world.answer = { status: 200, body: { metadata: { name: 'w' } } }
  assert.deepEqual(await look(), { metadata: { name: 'w' } })
})

test('sums what its table says, and nothing else', async (t) => {
  const { work, audit, time } = await setUp(t, () => EMPTY)
  for (let n = 0; n < 3; n += 1) {
    await work.look('widgets', { group: 'c.example', name: `w${n}` })
    await work.look('widgets', { group: 'b.example', name: 'w' })
  }
  time.ms = 600_000
  await work.look('widgets', { group: 'c.example', name: 'w3' })
  assert.deepEqual(
    audit.recorded.map(
      (event) => event.event === 'own-work' && [event.properties['group'], event.properties['name'], event.properties['count']],
    ),
    [
      ['c.example', 'w0', undefined],
      ['b.example', 'w', undefined],
      ['b.example', 'w', undefined],
      ['b.example', 'w', undefined],
      ['c.example', 'several', '3'],
    ],
  )
})

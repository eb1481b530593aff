import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { memorySink } from '../audit/audit-sink.fake.ts'
import { createFakeClock } from '../clock.fake.ts'
import { createLog } from '../log.ts'
import { createMetrics } from '../metrics.ts'
import { Secret } from '../secret.ts'
import { watchBrokerRights } from './broker-rights.ts'
import { OWN_TASKS } from './own-tasks.ts'
import { createOwnWork } from './own-work.ts'
import { type Answering, REVIEWS, reviewed, startScriptedApi } from './scripted-api.fake.ts'

interface Attributes {
  readonly verb: string
  readonly resource: string
}
type Decide = (attributes: Attributes) => ReturnType<Answering>

async function setUp(t: TestContext, decide: Decide) {
  const world = { decide }
  const api = await startScriptedApi(({ body }) =>
    world.decide((body as { spec: { resourceAttributes: Attributes } }).spec.resourceAttributes),
  )
  t.after(() => api.close())
  const [audit, clock, metrics, lines] = [memorySink(), createFakeClock(), createMetrics(), [] as string[]]
  const written = Promise.withResolvers<void>()
  const next = { written }
  const log = createLog((line) => {
    lines.push(line)
    next.written.resolve()
  })
  const own = createOwnWork(api.server, {
    token: { read: () => new Secret('YnJva2Vy') },
    audit,
    resource: 'cluster/here',
    tasks: OWN_TASKS,
  })
  const watching = watchBrokerRights({ cluster: 'here', own, clock, log, metrics })
  t.after(() => watching.stop())
  const gauge = async () => /^mandate_broker_excess\{cluster="here"\} (\d+)$/m.exec((await metrics.expose()).body)?.[1]
  /** Lets time pass and waits for the line that follows. */
  const line = async (ms: number) => {
    next.written = Promise.withResolvers<void>()
    await clock.advance(ms)
    await next.written.promise
    return JSON.parse(lines.at(-1) ?? '') as Record<string, unknown>
  }
  return { ...api, world, audit, clock, watching, gauge, line, lines }
}

test('warns of each right beyond impersonating in one line, and counts them', async (t) => {
  const { line, gauge, at, audit } = await setUp(t, ({ resource }) =>
    reviewed({ allowed: resource === 'secrets' || resource === 'groups' }),
  )
  const { level, cluster, may } = await line(60_000)
  assert.deepEqual([level, cluster, may], ['warn', 'here', 'impersonate the group system:masters, read secrets'])
  assert.equal(await gauge(), '2')
  assert.equal(at(REVIEWS).length, audit.recorded.length)
  assert.ok(audit.recorded.every((event) => event.event === 'own-work' && event.task === 'broker-rights' && event.action === 'create'))
})

test('says nothing before a minute is over, and looks again every hour', async (t) => {
  const { line, gauge, world, clock, asked } = await setUp(t, () => ({ status: 500 }))
  await clock.advance(59_999)
  assert.equal(asked.length, 0)
  const { level, code } = await line(1)
  assert.deepEqual([level, code], ['info', 'upstream_unavailable'])
  assert.equal(await gauge(), undefined)
  world.decide = () => reviewed({ allowed: true })
  assert.equal((await line(3_600_000))['level'], 'warn')
  assert.equal(await gauge(), '8')
})

test('an API server that is not there, and a log that cannot be written, are no fault of the gateway', async (t) => {
  const { line, close, audit } = await setUp(t, () => reviewed({ allowed: false }))
  audit.failing = 'all'
  assert.equal((await line(60_000))['code'], 'audit_unavailable')
  audit.failing = new Set()
  await close()
  assert.equal((await line(3_600_000))['code'], 'upstream_unavailable')
})

test('stops in the middle of a question, and asks no more', async (t) => {
  const begun = Promise.withResolvers<void>()
  const { clock, watching, lines, asked } = await setUp(t, () => void begun.resolve())
  await clock.advance(60_000)
  await begun.promise
  await watching.stop()
  assert.deepEqual([asked.length, lines.length, clock.pending], [1, 0, 0])
})

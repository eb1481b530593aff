import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { memorySink } from '../audit/audit-sink.fake.ts'
import { createFakeClock } from '../clock.fake.ts'
import { systemClock } from '../clock.ts'
import { Refusal } from '../errors.ts'
import { createLog } from '../log.ts'
import { Secret } from '../secret.ts'
import { type AccountReview, reviewAccount, watchAccount } from './account-excess.ts'
import { deniedProbes, excessProbes, neededProbes } from './account-probes.ts'
import { OWN_TASKS } from './own-tasks.ts'
import { createOwnWork } from './own-work.ts'
import { type Answering, REVIEWS, reviewed, startScriptedApi } from './scripted-api.fake.ts'

interface Attributes {
  readonly verb: string
  readonly resource: string
  readonly namespace?: string
}

const probes = {
  denied: deniedProbes({ namespaces: ['team-a'], lifted: [], besides: ['mandate'] }),
  excess: excessProbes(['team-a'], []),
  needed: neededProbes([{ namespace: 'team-a', group: 'batch', resource: 'jobs', verbs: ['create'], resourceNames: [] }]),
}
const COUNT = probes.denied.length + probes.excess.length + probes.needed.length
const unavailable = (error: unknown) => error instanceof Refusal && error.code === 'review_unavailable'

async function setUp(t: TestContext, decide: (attributes: Attributes) => ReturnType<Answering>) {
  const world = { decide, open: 0, most: 0 }
  const api = await startScriptedApi(({ body }, response) => {
    world.open += 1
    world.most = Math.max(world.most, world.open)
    response.once('close', () => {
      world.open -= 1
    })
    return world.decide((body as { spec: { resourceAttributes: Attributes } }).spec.resourceAttributes)
  })
  t.after(() => api.close())
  const audit = memorySink()
  const token = { read: () => new Secret('YWNjb3VudA') }
  const own = createOwnWork(api.server, { token, audit, resource: 'cluster/here', tasks: OWN_TASKS })('account-review')
  return { ...api, world, audit, own }
}

const NO = reviewed({ allowed: false })

for (const [what, answer] of Object.entries({
  'an answer without a decision': reviewed({}),
  'a decision that is no truth value': reviewed({ allowed: 'false' }),
  'an authorizer that failed': reviewed({ allowed: false, evaluationError: 'no role' }),
  'a 500': { status: 500 },
  'a 403': { status: 403 },
  'something that is no review': { status: 200, body: '<html>' },
})) {
  test(`refuses to tell anything after ${what} to one of the questions`, async (t) => {
    const { own } = await setUp(t, ({ verb, resource }) => (verb === 'watch' && resource === 'secrets' ? answer : NO))
    await assert.rejects(() => reviewAccount({ own, ...probes, clock: systemClock }), Refusal)
  })
}

test('what is advice may stay untold: neither in excess nor missing, and what is denied is told all the same', async (t) => {
  const failing = { status: 500 }
  const { own } = await setUp(t, ({ verb, resource, namespace }) => {
    if (verb === 'create' && resource === 'jobs' && namespace === 'team-a') return failing
    return reviewed({ allowed: resource === 'secrets' && verb === 'get' })
  })
  const { denied, missing } = await reviewAccount({ own, ...probes, clock: systemClock })
  assert.ok(denied.some((reads) => reads.startsWith('get secrets')))
  assert.deepEqual(missing, [])
})

test('an API server that asks for patience gets it', async (t) => {
  let busy = 2
  const { own } = await setUp(t, ({ resource }) => {
    if (resource !== 'secrets' || busy === 0) return NO
    busy -= 1
    return { status: 429, headers: { 'retry-after': '1' } }
  })
  assert.deepEqual((await reviewAccount({ own, ...probes, clock: systemClock })).denied, [])
})

test('refuses to wait longer than its time for all questions together', async (t) => {
  const asked = Promise.withResolvers<void>()
  const { own } = await setUp(t, () => void asked.resolve())
  const clock = createFakeClock()
  const reviewing = reviewAccount({ own, ...probes, clock, withinMs: 20_000 })
  const refused = assert.rejects(reviewing, unavailable)
  await asked.promise
  await clock.advance(20_000)
  await refused
  assert.equal(clock.pending, 0)
})

test('refuses to ask at all once it is called off, or when the questions cannot be recorded', async (t) => {
  const { own, asked, audit } = await setUp(t, () => NO)
  await assert.rejects(() => reviewAccount({ own, ...probes, clock: systemClock, signal: AbortSignal.abort() }), unavailable)
  audit.failing = 'all'
  await assert.rejects(() => reviewAccount({ own, ...probes, clock: systemClock }), Refusal)
  assert.equal(asked.length, 0)
})

test('tells what is denied, what is more than needed and what is missing, five questions at a time, under few records', async (t) => {
  const { own, at, world, audit } = await setUp(t, ({ verb, resource, namespace }) =>
    reviewed({
      allowed: (verb === 'list' && resource === 'secrets' && namespace === 'team-a') || (verb === 'delete' && resource === 'deployments'),
    }),
  )
  const found = await reviewAccount({ own, ...probes, clock: systemClock })
  assert.deepEqual(found, {
    denied: ['list secrets in team-a', 'delete deployments.apps in kube-system'],
    excess: ['delete deployments.apps in team-a'],
    missing: ['create jobs.batch in team-a'],
  })
  assert.equal(at(REVIEWS).length, COUNT)
  assert.ok(world.most <= 5, `${world.most} at once`)
  assert.equal(audit.recorded.length, 1)
})

test('tells again every ten seconds until there is an answer, every half minute while there is too much, then every hour', async (t) => {
  const { own, world, asked } = await setUp(t, () => ({ status: 500 }))
  const clock = createFakeClock()
  const lines: Array<Record<string, unknown>> = []
  let happened = Promise.withResolvers<void>()
  const log = createLog((line) => {
    lines.push(JSON.parse(line) as Record<string, unknown>)
    happened.resolve()
  })
  const results: AccountReview[] = []
  const seen = (result: AccountReview) => {
    results.push(result)
    happened.resolve()
  }
  /** Lets time pass, and waits for what comes of it. */
  const after = async (ms: number) => {
    happened = Promise.withResolvers()
    await clock.advance(ms)
    await happened.promise
    await clock.advance(0)
  }
  let failures = 0
  const failed = () => {
    failures += 1
  }
  const watching = watchAccount({ account: 'runs', own, ...probes, clock, log, seen, failed })
  t.after(() => watching.stop())
  await happened.promise
  await clock.advance(0)
  assert.deepEqual([results.length, failures, lines.length, lines[0]?.['code']], [0, 1, 1, 'upstream_unavailable'])
  world.decide = () => reviewed({ allowed: true })
  await after(10_000)
  assert.equal(results[0]?.denied.length, probes.denied.length)
  assert.match(String(lines[1]?.['may']), /^do everything, get nodes\/proxy.* more$/)
  world.decide = ({ verb, resource, namespace }) =>
    reviewed({ allowed: verb === 'create' && resource === 'jobs' && namespace === 'team-a' })
  await after(30_000)
  assert.deepEqual(results[1]?.denied, [])
  const before = asked.length
  await clock.advance(3_599_000)
  assert.equal(asked.length, before)
  world.decide = () => ({ status: 500 })
  await after(1_000)
  assert.deepEqual([results.length, failures], [2, 2])
  await watching.stop()
  assert.equal(clock.pending, 0)
})

test('asks again only after five minutes for rights that are missing, and nothing else', async (t) => {
  const { own, world, asked } = await setUp(t, () => NO)
  const clock = createFakeClock()
  let told = Promise.withResolvers<AccountReview>()
  const watching = watchAccount({
    account: 'runs',
    own,
    ...probes,
    clock,
    log: createLog(() => undefined),
    seen: (review) => told.resolve(review),
  })
  t.after(() => watching.stop())
  assert.equal((await told.promise).missing.length, 1)
  const before = asked.length
  await clock.advance(299_000)
  assert.equal(asked.length, before)
  world.decide = ({ verb, resource, namespace }) =>
    reviewed({ allowed: verb === 'create' && resource === 'jobs' && namespace === 'team-a' })
  told = Promise.withResolvers()
  await clock.advance(1_000)
  assert.deepEqual((await told.promise).missing, [])
})

test('stops in the middle of a question, and tells nothing more', async (t) => {
  const begun = Promise.withResolvers<void>()
  const { own } = await setUp(t, () => void begun.resolve())
  const clock = createFakeClock()
  const lines: string[] = []
  const watching = watchAccount({
    account: 'runs',
    own,
    ...probes,
    clock,
    log: createLog((line) => void lines.push(line)),
    seen: () => assert.fail('told'),
  })
  await begun.promise
  await watching.stop()
  assert.deepEqual([lines, clock.pending], [[], 0])
})

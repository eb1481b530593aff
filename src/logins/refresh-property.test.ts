/** Promise 1 under random steps, crashes, outages, slow networks and moods of the issuer. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { Fate } from '../store/faults.fake.ts'
import { ABSOLUTE_MS, type Mood, type RefreshReplica, type RefreshStage, setRefreshStage } from './refresh.fake.ts'
import { answerOf, ask, assertOnce, ENDED_MS } from './refresh-asking.fake.ts'

const REPLICAS = 3
/** The store's longest way. */
const SLOWEST_MS = 200

type Step =
  | { readonly do: 'ask'; readonly replica: number; readonly times: number }
  | { readonly do: 'wait'; readonly ms: number }
  | { readonly do: 'mood'; readonly mood: Mood; readonly slowness: number }
  | { readonly do: 'outage'; readonly replica: number; readonly ms: number }
  /** The fate of one call of many, and of those after it for a while. */
  | { readonly do: 'fate'; readonly replica: number; readonly fate: Fate; readonly at: number; readonly ms: number }
  | { readonly do: 'kill'; readonly replica: number }

const replica = fc.nat(REPLICAS - 1)
const mood: fc.Arbitrary<Mood> = fc.constantFrom('renews', 'renews', 'renews', 'unreachable', 'lost', 'busy', 'hangs', 'refuses')
const fate: fc.Arbitrary<Fate> = fc.constantFrom('unanswered', 'refused', 'dies-before', 'dies-after')
const outage = fc.constantFrom(1, 50, 700, 20_000)
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ do: fc.constant('ask'), replica, times: fc.integer({ min: 1, max: 5 }) }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('wait'), ms: fc.constantFrom(1, 10, 100, 1_000, 5_000, 16_000) }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('wait'), ms: fc.constantFrom(ENDED_MS * 0.85, ENDED_MS) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('mood'), mood, slowness: fc.constantFrom(0, 20, 500, 3_000, 20_000) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('outage'), replica, ms: outage }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('fate'), replica, fate, at: fc.nat(8), ms: outage }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('kill'), replica }) },
)

interface Run {
  readonly stage: RefreshStage
  readonly loginId: string
  readonly replicas: RefreshReplica[]
  /** Reads the store without faults. */
  readonly witness: RefreshReplica
  /** Whether a documented reason to lose the login has come to pass. */
  mayBeLost: boolean
}

/** Whoever dies while the record says that somebody presents, and no new tokens are there, may have been that presenter. */
async function replaceDead(run: Run, fresh: () => RefreshReplica): Promise<void> {
  for (const [at, { dead }] of run.replicas.entries()) {
    if (!dead) continue
    // What it had sent is still on its way.
    await run.stage.clock.advance(SLOWEST_MS)
    const [record, tokens] = [await run.witness.records.record(run.loginId), await run.witness.records.tokens(run.loginId)]
    const pending = record?.value.refresh.state === 'presenting' || record?.value.refresh.state === 'unknown'
    if (pending && tokens?.version === record?.value.generation) run.mayBeLost = true
    run.replicas[at] = fresh()
  }
}

async function perform(run: Run, step: Step): Promise<void> {
  const { stage, loginId, replicas } = run
  const { clock, issuer } = stage
  switch (step.do) {
    case 'ask': {
      const asked = replicas[step.replica]
      for (let at = 0; at < step.times && asked !== undefined; at++) ask(asked.tokens, loginId)
      return clock.advance(0)
    }
    case 'wait':
      return clock.advance(step.ms)
    case 'mood':
      issuer.mood = step.mood
      issuer.slowness = step.slowness
      return
    case 'outage': {
      const cut = replicas[step.replica]
      cut?.down()
      clock.after(step.ms, () => cut?.up())
      return
    }
    case 'fate': {
      let calls = 0
      let until = Number.POSITIVE_INFINITY
      replicas[step.replica]?.decide(({ on }) => {
        if (clock.now() > until) return 'done'
        if (calls > step.at) return 'refused'
        if (on.includes(loginId)) calls += 1
        if (calls <= step.at) return 'done'
        until = clock.now() + step.ms
        return step.fate
      })
      return
    }
    case 'kill':
      replicas[step.replica]?.die()
  }
}

/** Whether an issuer of this mood leaves the outcome open, or ends the login. */
const HARMFUL: ReadonlySet<Mood> = new Set(['lost', 'busy', 'hangs', 'refuses'])

async function play(kind: 'rotating' | 'reusable', steps: readonly Step[], delays: readonly number[]): Promise<Run> {
  const stage = setRefreshStage(kind)
  const { clock, issuer } = stage
  let asked = 0
  const fresh = () => {
    const made = stage.replica()
    made.pace(() => delays[asked++ % delays.length] ?? 0)
    return made
  }
  const run: Run = {
    stage,
    loginId: await stage.signIn(),
    replicas: Array.from({ length: REPLICAS }, fresh),
    witness: stage.replica(),
    mayBeLost: false,
  }
  issuer.onPresented = () => {
    if (HARMFUL.has(issuer.mood)) run.mayBeLost = true
  }
  for (const step of steps) {
    await perform(run, step)
    await clock.advance(0)
    await replaceDead(run, fresh)
    await run.witness.records.touch(run.loginId, clock.now() + ABSOLUTE_MS)
  }
  // Good days again: everything that is under way comes to its end.
  issuer.mood = 'renews'
  issuer.slowness = 0
  for (const one of run.replicas) one.decide(() => 'done')
  await clock.advance(60_000)
  await replaceDead(run, fresh)
  return run
}

async function assertAlive({ stage, loginId, replicas, witness, mayBeLost }: Run): Promise<void> {
  for (const one of [...replicas, stage.replica()]) {
    await stage.clock.advance(ENDED_MS)
    await witness.records.touch(loginId, stage.clock.now() + ABSOLUTE_MS)
    const end = await answerOf(stage, one, loginId, 60_000)
    if (mayBeLost && (end === 'refresh_outcome_unknown' || end === 'login_expired')) continue
    assert.match(end ?? 'no answer', /^access-/)
  }
}

const story = fc.array(step, { minLength: 5, maxLength: 40 })
const network = fc.array(fc.constantFrom(0, 0, 0, 1, 2, 5, 30, SLOWEST_MS), { minLength: 1, maxLength: 12 })
const RUNS = Number(process.env['FAST_CHECK_RUNS'] ?? 300)

test('a rotating token is presented at most once, and a login is lost only where promise 1 says so', async () => {
  await fc.assert(
    fc.asyncProperty(story, network, async (steps, delays) => {
      const run = await play('rotating', steps, delays)
      assertOnce(run.stage)
      await assertAlive(run)
      assertOnce(run.stage)
    }),
    { numRuns: RUNS },
  )
})

test('where a used token is taken again, a login is lost only when the issuer refuses', async () => {
  await fc.assert(
    fc.asyncProperty(story, network, async (steps, delays) => {
      const run = await play('reusable', steps, delays)
      await assertAlive({ ...run, mayBeLost: steps.some((step) => step.do === 'mood' && step.mood === 'refuses') })
    }),
    { numRuns: Math.ceil(RUNS / 3) },
  )
})

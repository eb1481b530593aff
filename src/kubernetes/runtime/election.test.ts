import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import fc from 'fast-check'
import { createFakeClock, type FakeClock } from '../../clock.fake.ts'
import { createLog } from '../../log.ts'
import { isRecord } from '../kubernetes-object.ts'
import { type Election, type ElectionOptions, elect } from './election.ts'
import { FAULTS, type Fault, type LeaseServer, leaseServer } from './lease-work.fake.ts'

const LEASE_MS = 15_000

/** One candidate: what its leading sees, and what is done to it. */
interface Candidate {
  fault: Fault
  readonly signals: AbortSignal[]
  readonly lines: string[]
  election: Election
  /** Whether it believes that it leads. */
  readonly leads: boolean
}

function stand(server: LeaseServer, clock: FakeClock, identity: string, options: Partial<ElectionOptions> = {}): Candidate {
  const signals: AbortSignal[] = []
  const lines: string[] = []
  const world = { fault: 'none' as Fault }
  const candidate = {
    signals,
    lines,
    get fault() {
      return world.fault
    },
    set fault(fault: Fault) {
      world.fault = fault
    },
    get leads() {
      return signals.some((signal) => !signal.aborted)
    },
  }
  const election = elect({
    own: server.workOf(() => world.fault),
    namespace: 'mandate',
    name: 'sweep',
    identity,
    clock,
    log: createLog((line) => void lines.push(line)),
    lead: (signal) => {
      signals.push(signal)
      return new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }))
    },
    ...options,
  })
  return Object.assign(candidate, { election }) as Candidate
}

function setUp(t: TestContext) {
  const clock = createFakeClock()
  const server = leaseServer(clock)
  const all: Candidate[] = []
  const candidate = (identity: string, options: Partial<ElectionOptions> = {}) => {
    const one = stand(server, clock, identity, options)
    all.push(one)
    return one
  }
  t.after(async () => {
    const stopped = Promise.all(all.map(({ election }) => election.stop()))
    await clock.advance(120_000)
    await stopped
    assert.equal(clock.pending, 0, 'timers are left')
  })
  return { clock, server, candidate }
}

const spec = (server: LeaseServer): Record<string, unknown> => {
  const said = server.lease?.['spec']
  return isRecord(said) ? said : {}
}
const foreign = { holderIdentity: 'other', leaseDurationSeconds: 15, leaseTransitions: 4, renewTime: '2026-01-01T00:00:00.000000Z' }

test('refuses times that cannot be kept', () => {
  const clock = createFakeClock()
  const server = leaseServer(clock)
  for (const times of [{ leaseMs: 10_000 }, { renewWithinMs: 5_000 }, { retryMs: 0 }, { retryMs: Number.NaN }]) {
    assert.throws(() => stand(server, clock, 'a', times), TypeError)
  }
  assert.equal(clock.pending, 0)
})

test('refuses to lead while somebody else holds the lease, whatever the times in the record say', async (t) => {
  const { clock, server, candidate } = setUp(t)
  // By its own words it ran out an age ago.
  server.put({ ...foreign, renewTime: '2001-01-01T00:00:00.000000Z' })
  const one = candidate('a')
  for (let round = 0; round < 10; round += 1) {
    await clock.advance(14_000)
    server.put({ ...foreign, renewTime: `2001-01-01T00:00:01.00000${round}Z` })
    clock.jump(round % 2 === 0 ? 86_400_000 : -86_400_000)
  }
  assert.equal(one.signals.length, 0)
  await clock.advance(14_000)
  assert.equal(one.signals.length, 0)
  await clock.advance(6_000)
  assert.equal(one.election.leading, true)
  assert.equal(spec(server)['leaseTransitions'], 5)
})

test('refuses to take over sooner than the holder counts on its lease, when that is longer than its own', async (t) => {
  const { clock, server, candidate } = setUp(t)
  server.put({ ...foreign, leaseDurationSeconds: 60 })
  const one = candidate('a')
  await clock.advance(59_000)
  assert.equal(one.election.leading, false)
  await clock.advance(6_000)
  assert.equal(one.election.leading, true)
})

test('a lease that is gone makes no second leader: the first gives up, and nobody takes over before the time is over', async (t) => {
  const { clock, server, candidate } = setUp(t)
  const one = candidate('a')
  await clock.advance(20_000)
  assert.equal(one.election.leading, true)
  const two = candidate('b')
  await clock.advance(5_000)
  one.fault = 'hang before'
  server.remove()
  await clock.advance(9_000)
  assert.equal(two.election.leading, false)
  await clock.advance(3_000)
  assert.deepEqual([one.election.leading, two.election.leading], [false, false])
  await clock.advance(10_000)
  assert.deepEqual([one.election.leading, two.election.leading], [false, true])
})

test('gives up at once when it sees another holder', async (t) => {
  const { clock, server, candidate } = setUp(t)
  const one = candidate('a')
  await clock.advance(20_000)
  server.put(foreign)
  await clock.advance(3_000)
  assert.deepEqual([one.election.leading, one.signals[0]?.aborted], [false, true])
  assert.equal(server.holder, 'other')
})

for (const fault of FAULTS.filter((each) => !['none', 'slow'].includes(each))) {
  test(`gives up before anybody can take over when renewing ends in "${fault}"`, async (t) => {
    const { clock, server, candidate } = setUp(t)
    const [one, two] = [candidate('a'), candidate('b')]
    await clock.advance(20_000)
    const [leader, other] = one.election.leading ? [one, two] : [two, one]
    assert.ok(leader.election.leading && !other.election.leading)
    leader.fault = fault
    let ended = 0
    leader.signals[0]?.addEventListener('abort', () => {
      ended = clock.now()
    })
    let taken = 0
    for (let s = 0; s < 60 && taken === 0; s += 1) {
      await clock.advance(1_000)
      if (other.election.leading) taken = clock.now()
    }
    // What was written without an answer is seen by the next look: then nobody needs to give up.
    if (fault === 'conflict' || fault === 'error' || fault.endsWith('before')) assert.ok(taken > 0, 'nobody took over')
    if (taken > 0) assert.ok(ended > 0 && ended <= taken - 4_000, `${taken - ended}`)
    assert.ok(server.writes.length > 1)
  })
}

test('two processes of one name are two candidates', async (t) => {
  const { clock, candidate } = setUp(t)
  const [one, two] = [candidate('a'), candidate('a')]
  await clock.advance(60_000)
  assert.equal([one, two].filter(({ election }) => election.leading).length, 1)
})

test('renews while what it leads comes to an end, and gives the lease back after that', async (t) => {
  const { clock, server, candidate } = setUp(t)
  const finished = Promise.withResolvers<void>()
  const one = candidate('a', { lead: () => finished.promise })
  await clock.advance(20_000)
  const two = candidate('b')
  let stopped = false
  const stopping = one.election.stop().then(() => {
    stopped = true
  })
  await clock.advance(40_000)
  assert.deepEqual([one.election.leading, two.election.leading, stopped], [false, false, false])
  assert.match(server.holder, /^a_/)
  finished.resolve()
  await clock.advance(4_000)
  await stopping
  assert.equal(server.writes.filter(({ holder }) => holder === '').length, 1)
  assert.equal(two.election.leading, true)
})

test('writes what client-go reads, and no two records alike while the clock stands still', async (t) => {
  const { clock, server, candidate } = setUp(t)
  const still = { now: () => Date.UTC(2026, 0, 1), after: clock.after }
  candidate('pod-1', { clock: still })
  await clock.advance(20_000)
  const first = spec(server)
  assert.match(String(first['holderIdentity']), /^pod-1_[0-9a-f-]{36}$/)
  assert.match(String(first['renewTime']), /^2026-01-01T00:00:00\.\d{6}Z$/)
  assert.deepEqual([first['leaseDurationSeconds'], first['leaseTransitions']], [15, 1])
  await clock.advance(3_000)
  const second = spec(server)
  assert.notEqual(second['renewTime'], first['renewTime'])
  assert.equal(second['acquireTime'], first['acquireTime'])
})

test('what ends by itself, or fails, gives the lease back and stands again after its time', async (t) => {
  const { clock, server, candidate } = setUp(t)
  let begun = 0
  const one = candidate('a', {
    lead: () => {
      begun += 1
      throw new Error('at once')
    },
  })
  await clock.advance(20_000)
  assert.deepEqual([begun, server.holder, one.election.leading], [1, '', false])
  await clock.advance(LEASE_MS - 5_000)
  assert.equal(begun, 1)
  await clock.advance(5_000)
  assert.equal(begun, 2)
  assert.match(one.lines.join(''), /what the leader does has failed/)
})

test('stops at once while an answer hangs, and while nobody has answered', async (t) => {
  const { clock, candidate } = setUp(t)
  const one = candidate('a')
  one.fault = 'hang before'
  await clock.advance(1_000)
  await one.election.stop()
  assert.equal(clock.pending, 0)
})

test('of five candidates never two lead, whatever goes wrong; and when all is well again, one does', async () => {
  const step = fc.oneof(
    { weight: 6, arbitrary: fc.record({ who: fc.nat(4), fault: fc.constantFrom(...FAULTS) }) },
    { weight: 1, arbitrary: fc.record({ who: fc.nat(4), restart: fc.constant(true) }) },
    { weight: 1, arbitrary: fc.record({ who: fc.nat(4), jump: fc.integer({ min: -100_000, max: 100_000 }) }) },
    { weight: 1, arbitrary: fc.record({ all: fc.constantFrom(...FAULTS) }) },
    { weight: 1, arbitrary: fc.constant({ removed: true }) },
  )
  const scenario = fc.array(fc.tuple(fc.integer({ min: 100, max: 12_000 }), step), { minLength: 5, maxLength: 25 })
  await fc.assert(
    fc.asyncProperty(scenario, async (steps) => {
      const clock = createFakeClock()
      const everybody: Array<{ holder: string; candidate: Candidate }> = []
      const twice: string[] = []
      const server = leaseServer(clock, (holder) => {
        if (holder === '' || holder.startsWith('unknown_')) return
        const others = everybody.filter((one) => one.candidate.leads && !holder.startsWith(`${one.holder}_`))
        if (others.length > 0) twice.push(`${holder} beside ${others.map((one) => one.holder).join()}`)
      })
      let made = 0
      const begin = () => {
        const skew = { ms: 0 }
        const holder = `c${made++}`
        const own = { now: () => clock.now() + skew.ms, after: clock.after }
        const candidate = stand(server, clock, holder, { clock: own })
        everybody.push({ holder, candidate })
        return { candidate, skew }
      }
      const five = Array.from({ length: 5 }, begin)
      const ends: Promise<void>[] = []
      for (const [ms, what] of steps) {
        await clock.advance(ms)
        const one = 'who' in what ? five[what.who] : undefined
        if (one !== undefined && 'fault' in what) one.candidate.fault = what.fault
        else if (one !== undefined && 'jump' in what) one.skew.ms += what.jump
        else if (one !== undefined && 'restart' in what) {
          ends.push(one.candidate.election.stop())
          five.splice(what.who, 1, begin())
        } else if ('all' in what) for (const { candidate } of five) candidate.fault = what.all
        else if ('removed' in what) server.remove()
        const leaders = everybody.filter(({ candidate }) => candidate.leads)
        if (leaders.length > 1) twice.push(leaders.map(({ holder }) => holder).join())
      }
      for (const { candidate } of everybody) candidate.fault = 'none'
      await clock.advance(60_000)
      assert.deepEqual(twice, [])
      assert.equal(five.filter(({ candidate }) => candidate.election.leading).length, 1)
      const stopped = Promise.all([...ends, ...five.map(({ candidate }) => candidate.election.stop())])
      await clock.advance(60_000)
      await stopped
      assert.deepEqual([clock.pending, server.holder], [0, ''])
    }),
    { numRuns: 60 },
  )
})

/** Two replicas of Mandate as far as revocations go, in one process and in time that stands still. */
import type { TestContext } from 'node:test'
import { createFakeClock } from '../clock.fake.ts'
import { createMemoryStore } from './memory.ts'
import { withOutage } from './outage.fake.ts'
import type { Revocation } from './revocation.ts'
import { silent, somebody, testRing } from './revocations.conformance.ts'
import { createRevocations, type RevocationsOptions } from './revocations.ts'
import type { Store } from './store.ts'

/** Two replicas on one store, each with an outage of its own; `make` starts no further one, it only makes it. */
export async function twoReplicas(t: TestContext, options: Partial<RevocationsOptions> = {}) {
  const clock = createFakeClock()
  const ring = testRing()
  const memory = createMemoryStore(clock)
  const make = (store: Store, more: Partial<RevocationsOptions> = {}) => {
    const replica = createRevocations({ store, ring, clock, log: silent, ...options, ...more })
    t.after(() => replica.stop())
    return replica
  }
  const [lineA, lineB] = [withOutage(memory), withOutage(memory.another())]
  const [a, b] = [make(lineA.store), make(lineB.store)]
  await Promise.all([a.start(), b.start()])
  const alice = somebody({ issuedAt: clock.now() - 1000 })
  const logout: Revocation = { kind: 'login', loginId: alice.loginId ?? '' }
  return { clock, ring, memory, make, lineA, lineB, a, b, alice, logout }
}

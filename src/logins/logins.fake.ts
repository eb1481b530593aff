/** Replicas of Mandate, as far as logins and revocations go, on one store and in time that stands still. */
import type { TestContext } from 'node:test'
import { createFakeClock, type FakeClock } from '../clock.fake.ts'
import { principalOf } from '../principal.fake.ts'
import type { SignedIn } from '../providers/tokens.ts'
import { Secret } from '../secret.ts'
import { createMemoryStore } from '../store/memory.ts'
import { type Outage, withOutage } from '../store/outage.fake.ts'
import { silent, testRing } from '../store/revocations.conformance.ts'
import { createRevocations, type Revocations } from '../store/revocations.ts'
import { sealedStore } from '../store/sealed.ts'
import { createLogins, type Logins, type LoginsOptions } from './logins.ts'
import { createLoginRecords, type LoginRecords } from './records.ts'
import { ABSOLUTE_MS, IDLE_MS, TOKEN_LIFE_MS } from './refresh.fake.ts'

export interface LoginReplica extends Outage {
  readonly revocations: Revocations
  readonly records: LoginRecords
  readonly logins: Logins
}

export interface LoginStage {
  readonly clock: FakeClock
  replica(options?: Partial<LoginsOptions>): Promise<LoginReplica>
  /** What the provider gives after a sign-in of that person. */
  signedIn(subject?: string, sid?: string): SignedIn
}

export const STREAMS_MS = 3_600_000
const CALM = { pollMs: 600_000, blindAfterMs: 3_600_000, blindForMs: 7_200_000 }

/** With `calm` the revocation log is read every ten minutes only, for tests in which hours go by. */
export function setLoginStage(t: TestContext, { calm = false } = {}): LoginStage {
  const clock = createFakeClock()
  const memory = createMemoryStore(clock)
  const ring = testRing()
  return {
    clock,
    async replica(options) {
      const outage = withOutage(memory.another())
      const { store } = outage
      const revocations = createRevocations({ store, ring, clock, log: silent, ...(calm ? CALM : {}) })
      const records = createLoginRecords({ store, sealed: sealedStore(store, ring), idleMs: IDLE_MS, now: () => clock.now(), log: silent })
      const logins = createLogins({
        records,
        revocations,
        issuerOf: (provider) => (provider === 'corp' ? 'https://issuer.example' : undefined),
        clock,
        idleMs: IDLE_MS,
        absoluteMs: ABSOLUTE_MS,
        streamsMs: STREAMS_MS,
        ...options,
      })
      await revocations.start()
      t.after(() => revocations.stop())
      return { ...outage, revocations, records, logins }
    },
    signedIn(subject = 'alice', sid) {
      const obtainedAt = clock.now()
      const expiresAt = obtainedAt + TOKEN_LIFE_MS
      return {
        principal: principalOf({ subject }),
        shown: { sub: subject, groups: ['dev', 'ops'] },
        sid,
        tokens: {
          accessToken: new Secret('access-1'),
          accessExpiresAt: expiresAt,
          idToken: new Secret('id-1'),
          idExpiresAt: expiresAt,
          refreshToken: new Secret('refresh-1'),
          obtainedAt,
        },
      }
    },
  }
}

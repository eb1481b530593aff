/**
 * What the tests of refreshing play on: an issuer that counts how often it saw each refresh token, and replicas of
 * Mandate, as far as logins go, on one store and in time that stands still.
 */
import type { AuditEvent } from '../audit/audit-event.ts'
import { createFakeClock, type FakeClock } from '../clock.fake.ts'
import { pause } from '../clock.ts'
import { principalOf } from '../principal.fake.ts'
import type { RefreshOutcome, SignedIn, TokenSet } from '../providers/tokens.ts'
import { Secret } from '../secret.ts'
import { type FaultyStore, withFaults } from '../store/faults.fake.ts'
import { createMemoryStore } from '../store/memory.ts'
import { type Outage, withOutage } from '../store/outage.fake.ts'
import { silent, testRing } from '../store/revocations.conformance.ts'
import { sealedStore } from '../store/sealed.ts'
import { newRecord } from './login.ts'
import { createLoginTokens, type LoginTokens } from './login-tokens.ts'
import type { RefreshingProvider } from './presentation.ts'
import { createLoginRecords, type LoginRecords } from './records.ts'
import { createRefreshing, type Refreshing } from './refresh.ts'

export const TOKEN_LIFE_MS = 300_000
export const IDLE_MS = 30 * 60_000
export const ABSOLUTE_MS = 8 * 3_600_000
export const LEASE_MS = 15_000

/**
 * How a presentation goes. `hangs`: the token is used up, and the call is never over. `lost`: it is used up, and the
 * answer does not arrive. `busy`: it is not used up, and nobody can tell.
 */
export type Mood = 'renews' | 'hangs' | 'lost' | 'busy' | 'refuses' | 'unreachable'

export interface FakeIssuer {
  /** What the next presentations meet. */
  mood: Mood
  /** Milliseconds until an answer. */
  slowness: number
  /** Whether an answer brings an ID token, and the groups that it names. */
  idToken: boolean
  refreshToken: boolean
  /** A fault of ours in the call. */
  failsWith: Error | undefined
  groups: readonly string[]
  /** How often each refresh token arrived. */
  readonly presented: ReadonlyMap<string, number>
  /** True once a used token came again: all of them are dead. */
  readonly familyKilled: boolean
  /** Told of each presentation. */
  onPresented: () => void
  tokens(): TokenSet
  readonly redeem: RefreshingProvider['redeem']
}

/** An issuer that rotates with reuse detection, or takes a used token again. */
export function createFakeIssuer(clock: FakeClock, kind: 'rotating' | 'reusable' = 'rotating'): FakeIssuer {
  const presented = new Map<string, number>()
  const used = new Set<string>()
  let made = 0
  let familyKilled = false

  const tokens = (): TokenSet => {
    made += 1
    const obtainedAt = clock.now()
    const expiresAt = obtainedAt + TOKEN_LIFE_MS
    const id = issuer.idToken
      ? { idToken: new Secret(`id-${made}`), idExpiresAt: expiresAt }
      : { idToken: undefined, idExpiresAt: undefined }
    return {
      accessToken: new Secret(`access-${made}`),
      accessExpiresAt: expiresAt,
      ...id,
      refreshToken: issuer.refreshToken ? new Secret(`refresh-${made}`) : undefined,
      obtainedAt,
    }
  }
  const answer = (token: string): RefreshOutcome => {
    if (issuer.mood === 'refuses' || familyKilled) return { result: 'refused' }
    if (issuer.mood === 'busy') return { result: 'unknown' }
    if (kind === 'rotating' && used.has(token)) {
      familyKilled = true
      return { result: 'refused' }
    }
    used.add(token)
    if (issuer.mood === 'lost' || issuer.mood === 'hangs') return { result: 'unknown' }
    const fresh = tokens()
    return { result: 'renewed', tokens: fresh, signedIn: issuer.idToken ? signedInWith(fresh, issuer.groups) : undefined }
  }

  const issuer: FakeIssuer = {
    mood: 'renews',
    slowness: 0,
    idToken: true,
    refreshToken: true,
    failsWith: undefined,
    onPresented: () => undefined,
    groups: ['dev'],
    presented,
    get familyKilled() {
      return familyKilled
    },
    tokens,
    async redeem(token) {
      if (issuer.mood === 'unreachable') {
        if (issuer.slowness > 0) await pause(clock, issuer.slowness)
        return { result: 'not-sent' }
      }
      const text = token.expose()
      presented.set(text, (presented.get(text) ?? 0) + 1)
      issuer.onPresented()
      if (issuer.failsWith !== undefined) throw issuer.failsWith
      const outcome = answer(text)
      if (issuer.mood === 'hangs') await new Promise(() => undefined)
      if (issuer.slowness > 0) await pause(clock, issuer.slowness)
      return outcome
    },
  }
  return issuer
}

function signedInWith(tokens: TokenSet, groups: readonly string[]): SignedIn {
  return { principal: principalOf({ groups }), shown: { sub: 'alice', groups }, tokens, sid: 'sid-1' }
}

export interface RefreshReplica extends FaultyStore, Omit<Outage, 'store'> {
  readonly records: LoginRecords
  readonly refreshing: Refreshing
  readonly tokens: LoginTokens
}

export interface RefreshStage {
  readonly clock: FakeClock
  readonly issuer: FakeIssuer
  readonly audit: AuditEvent[]
  readonly observed: string[]
  replica(): RefreshReplica
  /** Signs somebody in; resolves to the login's id. */
  signIn(): Promise<string>
}

/** A stage for one provider called `corp`. */
export function setRefreshStage(
  refreshTokens: RefreshingProvider['config']['refreshTokens'] = 'rotating',
  clock: FakeClock = createFakeClock(),
): RefreshStage {
  const memory = createMemoryStore(clock)
  const ring = testRing()
  const issuer = createFakeIssuer(clock, refreshTokens === 'rotating' ? 'rotating' : 'reusable')
  const audit: AuditEvent[] = []
  const observed: string[] = []
  let logins = 0

  const replica = (): RefreshReplica => {
    const faulty = withFaults(memory.another(), clock)
    const { store, ...outage } = withOutage(faulty.store)
    const records = createLoginRecords({ store, sealed: sealedStore(store, ring), idleMs: IDLE_MS, now: () => clock.now(), log: silent })
    const refreshing = createRefreshing({
      records,
      providers: { corp: { config: { name: 'corp', refreshTokens }, redeem: issuer.redeem } },
      audit: { record: async () => undefined, note: (event) => void audit.push(event) },
      clock,
      observe: (provider, result) => void observed.push(`${provider} ${result}`),
      leaseMs: LEASE_MS,
    })
    const { decide, die, pace } = faulty
    return {
      store,
      decide,
      die,
      pace,
      get dead() {
        return faulty.dead
      },
      ...outage,
      records,
      refreshing,
      tokens: createLoginTokens({ records, refreshing, clock }),
    }
  }
  const first = replica()
  return {
    clock,
    issuer,
    audit,
    observed,
    replica,
    async signIn() {
      const loginId = `login-${++logins}`
      const signedIn = signedInWith(issuer.tokens(), issuer.groups)
      await first.records.create(loginId, newRecord(signedIn, clock.now(), ABSOLUTE_MS), signedIn.tokens)
      return loginId
    },
  }
}

/**
 * The logins of this replica's callers: made at sign-in, found by the digest of a cookie, ended by revocation.
 *
 * Security: a login counts only while its provider is configured with the issuer that vouched for it. What is cached
 * here is believed only while the revocation log is in sight (promise 4). Each login has one AbortSignal on this
 * replica; it fires within 2 s of a logout anywhere, at the login's absolute end, and when this replica has been blind
 * for too long, and everything that rests on the login ends with it.
 */
import { randomBytes } from 'node:crypto'
import type { Clock } from '../clock.ts'
import { Refusal } from '../errors.ts'
import type { Principal } from '../principal.ts'
import type { SignedIn } from '../providers/tokens.ts'
import { Secret } from '../secret.ts'
import type { Revocations } from '../store/revocations.ts'
import { StoreUnavailable } from '../store/store.ts'
import { type LoginRecord, newRecord } from './login.ts'
import { createLoginSignals } from './login-signals.ts'
import type { LoginRecords } from './records.ts'

/** A login as the rest of Mandate sees it. */
export interface Login {
  readonly loginId: string
  readonly principal: Principal
  readonly shown: Readonly<Record<string, unknown>>
  readonly sid: string | undefined
  readonly signedInAt: number
  readonly endsAt: number
  readonly ended: AbortSignal
}

export interface Logins {
  /**
   * Makes a login and its cookie value: 256 random bits, known to the browser alone. Rejects with StoreUnavailable, or
   * with Refusal `login_ended` when everything of the person up to this moment was just revoked.
   */
  begin(signedIn: SignedIn): Promise<{ readonly cookie: Secret; readonly login: Login }>
  /** The login of a digest; undefined when it has ended or never was. Rejects with StoreUnavailable when that is not known. */
  find(loginId: string): Promise<Login | undefined>
  /** Ends one login on every replica. Rejects with StoreUnavailable when it is not known whether it will end. */
  end(loginId: string): Promise<void>
  active(): Promise<number>
}

export interface LoginsOptions {
  readonly records: LoginRecords
  readonly revocations: Revocations
  /** The issuer that a provider of this name has in the configuration; undefined for one that is not configured. */
  issuerOf(provider: string): string | undefined
  readonly clock: Clock
  readonly idleMs: number
  readonly absoluteMs: number
  /** How long an answer may go on; watches of forgotten entries are kept that long. */
  readonly streamsMs: number
  /** Logins kept in memory. Default 50,000. */
  readonly most?: number
}

interface Entry {
  login: Login
  touchedAt: number
  /** By our own knowledge idle until then; beyond it only the store can tell. */
  idleUntil: number
}

const MOST_ENTRIES = 50_000
const TOUCHES_PER_IDLE = 30

export function createLogins(options: LoginsOptions): Logins {
  const { records, revocations, issuerOf, clock, idleMs, absoluteMs, streamsMs, most = MOST_ENTRIES } = options
  const touchEveryMs = Math.min(60_000, idleMs / TOUCHES_PER_IDLE)
  // Insertion order is order of use, by the minute: a login that is touched is put back at the end.
  const entries = new Map<string, Entry>()
  const loading = new Map<string, Promise<Login | undefined>>()

  const signals = createLoginSignals({
    revocations,
    clock,
    streamsMs,
    ended(loginId, why) {
      entries.delete(loginId)
      // Nobody can use them any more, so upstream tokens need not wait for their end in the store.
      if (why === 'revoked') records.remove(loginId).catch(() => undefined)
    },
  })

  const forget = (loginId: string) => {
    if (entries.delete(loginId)) signals.release(loginId)
  }

  /**
   * A login outlives the configuration it was made under, and who is trusted no more vouches for nobody. Its record is
   * left to run out: while a changed configuration is rolled out, another replica may rightly believe it.
   */
  const vouchedFor = ({ principal }: LoginRecord) => issuerOf(principal.provider) === principal.issuer

  const admit = (loginId: string, record: LoginRecord): Login | undefined => {
    const { principal, shown, sid, signedInAt, endsAt } = record
    const subject = { loginId, issuer: principal.issuer, subject: principal.subject, sid, issuedAt: signedInAt }
    const now = clock.now()
    if (now >= endsAt || revocations.check(subject)) return undefined
    const login: Login = { loginId, principal, shown, sid, signedInAt, endsAt, ended: signals.of(subject, endsAt) }
    entries.delete(loginId)
    entries.set(loginId, { login, touchedAt: now, idleUntil: now + idleMs })
    for (const oldest of entries.keys().take(Math.max(0, entries.size - most))) forget(oldest)
    return login
  }

  /** Reads a login and lengthens it. What the store no longer has is over, streams included. */
  const load = async (loginId: string): Promise<Login | undefined> => {
    const found = await records.record(loginId)
    const alive = found !== undefined && (await records.touch(loginId, found.value.endsAt))
    // What was cached may be believed only in sight of the log; what was read a moment ago is no better.
    if (revocations.blind) throw new StoreUnavailable('the revocation log is out of sight')
    const vouched = alive && vouchedFor(found.value)
    const login = vouched ? admit(loginId, found.value) : undefined
    if (login === undefined) {
      entries.delete(loginId)
      signals.end(loginId)
      if (vouched) records.remove(loginId).catch(() => undefined)
    }
    return login
  }

  const loaded = (loginId: string): Promise<Login | undefined> => {
    let flight = loading.get(loginId)
    if (flight === undefined) {
      flight = load(loginId).finally(() => loading.delete(loginId))
      loading.set(loginId, flight)
    }
    return flight
  }

  return {
    async begin(signedIn) {
      const cookie = new Secret(randomBytes(32).toString('base64url'))
      const loginId = cookie.digest()
      const record = newRecord(signedIn, clock.now(), absoluteMs)
      await records.create(loginId, record, signedIn.tokens)
      const login = admit(loginId, record)
      if (login !== undefined) return { cookie, login }
      await records.remove(loginId).catch(() => undefined)
      throw new Refusal('login_ended', { detail: 'everything of this person up to now was just ended; sign in once more' })
    },
    async find(loginId) {
      if (revocations.blind) throw new StoreUnavailable('the revocation log is out of sight')
      const entry = entries.get(loginId)
      const now = clock.now()
      if (entry === undefined) return loaded(loginId)
      if (now >= entry.login.endsAt) {
        signals.end(loginId)
        return undefined
      }
      if (now >= entry.idleUntil) return loaded(loginId)
      if (now - entry.touchedAt >= touchEveryMs) {
        entry.touchedAt = now
        // Lengthens the login and reads what other replicas wrote of it, without making this request wait.
        loaded(loginId).catch(() => undefined)
      }
      return entry.login
    },
    async end(loginId) {
      // The log first: once it is there every replica will know, whatever happens to this one.
      await revocations.revoke({ kind: 'login', loginId })
      await records.remove(loginId).catch(() => undefined)
    },
    active: () => records.active(),
  }
}

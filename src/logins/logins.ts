/**
 * The logins of this replica's callers: made at sign-in, found by the digest of a cookie, ended by revocation.
 *
 * Security: what is cached here is believed only while the revocation log is in sight (promise 4). Each login has one
 * AbortSignal on this replica; it fires within 2 s of a logout anywhere, and when this replica has been blind for too
 * long, and everything that rests on the login ends with it.
 */
import { randomBytes } from 'node:crypto'
import { setMaxListeners } from 'node:events'
import type { Clock } from '../clock.ts'
import type { Principal } from '../principal.ts'
import type { SignedIn } from '../providers/tokens.ts'
import { Secret } from '../secret.ts'
import type { Revocations } from '../store/revocations.ts'
import { StoreUnavailable } from '../store/store.ts'
import { type LoginRecord, newRecord } from './login.ts'
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
  /** Makes a login and its cookie value: 256 random bits, known to the browser alone. */
  begin(signedIn: SignedIn): Promise<{ readonly cookie: Secret; readonly login: Login }>
  /** The login of a digest; undefined when it has ended or never was. Rejects with StoreUnavailable when that is not known. */
  find(loginId: string): Promise<Login | undefined>
  /** Ends one login on every replica. */
  end(loginId: string): Promise<void>
  active(): Promise<number>
}

export interface LoginsOptions {
  readonly records: LoginRecords
  readonly revocations: Revocations
  readonly clock: Clock
  readonly idleMs: number
  readonly absoluteMs: number
  /** How long an answer may go on; watches of forgotten entries are kept that long. */
  readonly streamsMs: number
}

interface Entry {
  login: Login
  readonly abort: AbortController
  readonly unwatch: () => void
  touchedAt: number
  /** By our own knowledge idle until then; beyond it only the store can tell. */
  idleUntil: number
}

const MOST_ENTRIES = 50_000
const TOUCHES_PER_IDLE = 30

export function createLogins(options: LoginsOptions): Logins {
  const { records, revocations, clock, idleMs } = options
  const touchEveryMs = Math.min(60_000, idleMs / TOUCHES_PER_IDLE)
  const entries = new Map<string, Entry>()
  const loading = new Map<string, Promise<Login | undefined>>()

  const forget = (loginId: string, entry: Entry) => {
    if (entries.get(loginId) === entry) entries.delete(loginId)
    // A stream may still rest on the signal of an entry that made room for another.
    clock.after(options.streamsMs, entry.unwatch)
  }

  const admit = (loginId: string, record: LoginRecord): Login | undefined => {
    const { principal, shown, sid, signedInAt, endsAt } = record
    const subject = { loginId, issuer: principal.issuer, subject: principal.subject, sid, issuedAt: signedInAt }
    if (clock.now() >= endsAt || revocations.check(subject)) return undefined
    const before = entries.get(loginId)
    if (before !== undefined) {
      before.login = { ...before.login, principal, shown }
      return before.login
    }
    const abort = new AbortController()
    // One login may carry thousands of watches; each listens.
    setMaxListeners(0, abort.signal)
    const unwatch = revocations.watch(subject, () => {
      entries.delete(loginId)
      abort.abort()
    })
    const now = clock.now()
    const login: Login = { loginId, principal, shown, sid, signedInAt, endsAt, ended: abort.signal }
    entries.set(loginId, { login, abort, unwatch, touchedAt: now, idleUntil: now + idleMs })
    const oldest = entries.size > MOST_ENTRIES ? entries.entries().next().value : undefined
    if (oldest !== undefined) forget(...oldest)
    return login
  }

  const load = async (loginId: string): Promise<Login | undefined> => {
    const found = await records.record(loginId)
    if (found === undefined) return undefined
    const login = admit(loginId, found.value)
    if (login !== undefined) await records.touch(loginId, found.value.endsAt)
    return login
  }

  /** Lengthens the login and reads what other replicas have written of it, without making the request wait. */
  const touch = async (loginId: string, entry: Entry): Promise<void> => {
    const alive = await records.touch(loginId, entry.login.endsAt)
    const found = alive ? await records.record(loginId) : undefined
    if (found === undefined) {
      entries.delete(loginId)
      entry.unwatch()
      return entry.abort.abort()
    }
    entry.idleUntil = clock.now() + idleMs
    admit(loginId, found.value)
  }

  return {
    async begin(signedIn) {
      const cookie = new Secret(randomBytes(32).toString('base64url'))
      const loginId = cookie.digest()
      const record = newRecord(signedIn, clock.now(), options.absoluteMs)
      await records.create(loginId, record, signedIn.tokens)
      const login = admit(loginId, record)
      if (login === undefined) throw new StoreUnavailable('the new login is already revoked')
      return { cookie, login }
    },
    async find(loginId) {
      if (revocations.blind) throw new StoreUnavailable('the revocation log is out of sight')
      const entry = entries.get(loginId)
      const now = clock.now()
      if (entry !== undefined && now < entry.idleUntil) {
        if (now >= entry.login.endsAt) {
          forget(loginId, entry)
          entry.abort.abort()
          return undefined
        }
        if (now - entry.touchedAt >= touchEveryMs) {
          entry.touchedAt = now
          touch(loginId, entry).catch(() => undefined)
        }
        return entry.login
      }
      if (entry !== undefined) forget(loginId, entry)
      let flight = loading.get(loginId)
      if (flight === undefined) {
        flight = load(loginId).finally(() => loading.delete(loginId))
        loading.set(loginId, flight)
      }
      return flight
    },
    async end(loginId) {
      // The log first: once it is there every replica will know, whatever happens to this one.
      await revocations.revoke({ kind: 'login', loginId })
      await records.remove(loginId)
    },
    active: () => records.active(),
  }
}

/**
 * Where logins lie in the shared store: one sealed record and one sealed set of tokens each.
 *
 * The version of the tokens is their generation, so a presenter that died between writing new tokens and moving the
 * record on left proof that its refresh succeeded; `settle` in `refresh.ts` reads it.
 */
import type { Log } from '../log.ts'
import type { TokenSet } from '../providers/tokens.ts'
import { SealBroken, type SealedStore } from '../store/sealed.ts'
import type { Store } from '../store/store.ts'
import { decodeRecord, decodeTokens, encodeRecord, encodeTokens, type LoginRecord } from './login.ts'

export interface Versioned<T> {
  readonly value: T
  readonly version: number
}

const ACTIVE = 'logins'

export interface LoginRecords {
  record(loginId: string): Promise<Versioned<LoginRecord> | undefined>
  tokens(loginId: string): Promise<Versioned<TokenSet> | undefined>
  create(loginId: string, record: LoginRecord, tokens: TokenSet): Promise<void>
  /** Compare-and-set of the record; true when it was written. */
  replace(loginId: string, record: LoginRecord, ifVersion: number): Promise<boolean>
  replaceTokens(loginId: string, tokens: TokenSet, ifVersion: number, endsAt: number): Promise<boolean>
  /** Lengthens an idle login; false when it is gone. One half without the other is of no use and counts as gone. */
  touch(loginId: string, endsAt: number): Promise<boolean>
  remove(loginId: string): Promise<void>
  /** Logins alive on all replicas together. */
  active(): Promise<number>
  wake(loginId: string): Promise<void>
  listen(loginId: string, listener: () => void): () => void
}

interface Options {
  readonly store: Store
  readonly sealed: SealedStore
  readonly idleMs: number
  readonly now: () => number
  readonly log: Log
}

export function createLoginRecords({ store, sealed, idleMs, now, log }: Options): LoginRecords {
  const life = (endsAt: number) => Math.max(1, Math.min(idleMs, endsAt - now()))
  const readable = async <T>(kind: string, loginId: string, decode: (bytes: Uint8Array) => T): Promise<Versioned<T> | undefined> => {
    try {
      const entry = await sealed.get(kind, loginId)
      return entry && { value: decode(entry.value), version: entry.version }
    } catch (error) {
      if (!(error instanceof SealBroken)) throw error
      // Not an outage: the bytes are there and are not ours, or their key was retired. Such a login is not believed.
      log.warn('a sealed entry does not open and is not believed', { kind, fault: error.code })
      return undefined
    }
  }
  return {
    record: (loginId) => readable('login', loginId, decodeRecord),
    tokens: (loginId) => readable('tokens', loginId, decodeTokens),
    async create(loginId, record, tokens) {
      const ttlMs = life(record.endsAt)
      await sealed.put('tokens', loginId, encodeTokens(tokens), { ifVersion: 0, ttlMs })
      await sealed.put('login', loginId, encodeRecord(record), { ifVersion: 0, ttlMs })
      await store.enrol(ACTIVE, loginId, ttlMs)
    },
    async replace(loginId, record, ifVersion) {
      return (await sealed.put('login', loginId, encodeRecord(record), { ifVersion, ttlMs: life(record.endsAt) })) !== undefined
    },
    async replaceTokens(loginId, tokens, ifVersion, endsAt) {
      return (await sealed.put('tokens', loginId, encodeTokens(tokens), { ifVersion, ttlMs: life(endsAt) })) !== undefined
    },
    async touch(loginId, endsAt) {
      const ttlMs = life(endsAt)
      const halves = await Promise.all([sealed.touch('login', loginId, ttlMs), sealed.touch('tokens', loginId, ttlMs)])
      const alive = halves.every(Boolean)
      if (alive) await store.enrol(ACTIVE, loginId, ttlMs)
      return alive
    },
    async remove(loginId) {
      await Promise.all([sealed.delete('login', loginId), sealed.delete('tokens', loginId), store.withdraw(ACTIVE, loginId)])
    },
    active: () => store.count(ACTIVE),
    wake: (loginId) => store.wake(`login/${loginId}`),
    listen: (loginId, listener) => store.listen(`login/${loginId}`, listener),
  }
}

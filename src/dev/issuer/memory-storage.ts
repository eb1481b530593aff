/**
 * Where the embedded issuer keeps sessions, codes and refresh tokens: in this process, one map for each issuer.
 *
 * oidc-provider's own memory adapter is one cache for the whole process that forgets after a thousand entries, and its
 * `consume` lets two requests that arrive together both win. Here consuming is a test-and-set, so "a rotating refresh
 * token works once" holds under concurrency too: that is the very thing our tests need to be able to rely on.
 */
import type { Adapter, AdapterFactory, AdapterPayload } from 'oidc-provider'
import { InvalidGrant } from 'oidc-provider/lib/helpers/errors.js'

export interface MemoryStorage {
  /** Give this to a provider; several providers (before and after a key rotation) may share it. */
  readonly adapter: AdapterFactory
  /** The live browser sessions of a person. */
  sessionsOf(accountId: string): readonly AdapterPayload[]
  /** Ends a browser session and everything granted in it. */
  endSession(session: AdapterPayload): void
}

interface Entry {
  readonly model: string
  readonly payload: AdapterPayload
  readonly expiresAt: number
}

const WRITES_BETWEEN_SWEEPS = 512
/** What ends with a grant. An interaction may name one too, but goes on: it is how somebody else signs in next. */
const GRANTED = new Set(['AccessToken', 'AuthorizationCode', 'RefreshToken'])

export function createMemoryStorage(): MemoryStorage {
  const entries = new Map<string, Entry>()
  let writes = 0

  const live = (key: string): AdapterPayload | undefined => {
    const entry = entries.get(key)
    if (entry === undefined || entry.expiresAt > Date.now()) return entry?.payload
    entries.delete(key)
    return undefined
  }
  const firstWhere = (model: string, matches: (payload: AdapterPayload) => boolean): AdapterPayload | undefined =>
    entries.values().find((entry) => entry.model === model && entry.expiresAt > Date.now() && matches(entry.payload))?.payload
  const revokeGrant = (grantId: string): void => {
    for (const [key, { model, payload }] of entries) {
      if (GRANTED.has(model) && payload.grantId === grantId) entries.delete(key)
    }
    entries.delete(`Grant:${grantId}`)
  }

  const adapter = (model: string): Adapter => ({
    async upsert(id, payload, expiresIn) {
      if (++writes % WRITES_BETWEEN_SWEEPS === 0) for (const key of entries.keys()) live(key)
      const expiresAt = expiresIn === undefined ? Number.POSITIVE_INFINITY : Date.now() + expiresIn * 1000
      entries.set(`${model}:${id}`, { model, payload, expiresAt })
    },
    find: async (id) => live(`${model}:${id}`),
    findByUid: async (uid) => firstWhere(model, (payload) => payload.uid === uid),
    findByUserCode: async (userCode) => firstWhere(model, (payload) => payload.userCode === userCode),
    async consume(id) {
      const payload = live(`${model}:${id}`)
      if (payload === undefined) throw new InvalidGrant('already ended')
      if (payload.consumed !== undefined) {
        // OAuth 2.1 section 4.3.1: whoever holds the other copy may be a thief, so the whole family ends.
        if (payload.grantId !== undefined) revokeGrant(payload.grantId)
        throw new InvalidGrant('already used')
      }
      payload.consumed = Math.floor(Date.now() / 1000)
    },
    async destroy(id) {
      entries.delete(`${model}:${id}`)
    },
    revokeByGrantId: async (grantId) => revokeGrant(grantId),
  })

  return {
    adapter,
    sessionsOf: (accountId) =>
      [...entries.values()]
        .filter((entry) => entry.model === 'Session' && entry.expiresAt > Date.now() && entry.payload.accountId === accountId)
        .map((entry) => entry.payload),
    endSession(session) {
      for (const { grantId } of Object.values(session.authorizations ?? {})) if (grantId !== undefined) revokeGrant(grantId)
      entries.delete(`Session:${session.jti}`)
    },
  }
}

/**
 * Renews the tokens of a login: the only caller of a refresh grant.
 *
 * Promise 1: a rotating refresh token is presented at most once. The right to present the token of generation N is a
 * compare-and-set on the login record, idle to presenting. Who wins it presents; everybody else subscribes, reads,
 * waits, and reads again. The right of a generation never returns once anything may have been sent:
 *
 *     idle ──cas──> presenting ──> idle (N+1)   the issuer gave new tokens
 *                        ├───────> idle (N)     certainly never sent
 *                        ├───────> refused      the issuer said invalid_grant
 *                        └───────> unknown      the presenter died, or the answer was lost
 *
 * Presenting twice would make issuers with reuse detection (Keycloak `revokeRefreshToken`) kill the whole family of
 * tokens. Providers that document that a used token is taken again (`reusable`, `grace`) go from presenting to
 * presenting instead of to unknown. A lease only says when waiters stop waiting; it is not a lock.
 */
import { randomUUID } from 'node:crypto'
import type { AuditSink } from '../audit/audit-sink.ts'
import { type Clock, pause } from '../clock.ts'
import type { ProviderConfig } from '../config/provider.ts'
import { Refusal } from '../errors.ts'
import type { Redeem, RefreshOutcome, TokenSet } from '../providers/tokens.ts'
import type { LoginRecord, RefreshState } from './login.ts'
import type { LoginRecords, Versioned } from './records.ts'

/** What refreshing needs to know of a provider. */
export interface RefreshingProvider {
  readonly config: Pick<ProviderConfig, 'name' | 'refreshTokens'>
  readonly redeem: Redeem
}

export interface RefreshOptions {
  readonly records: LoginRecords
  readonly providers: Readonly<Record<string, RefreshingProvider>>
  readonly audit: AuditSink
  readonly clock: Clock
  readonly observe: (provider: string, result: RefreshOutcome['result']) => void
  /** How long waiters wait for a presenter; longer than any call to a token endpoint takes. */
  readonly leaseMs?: number
}

/** What the login has after trying: tokens of a generation, and whether they can ever be renewed. */
export interface Refreshed {
  readonly tokens: TokenSet
  readonly state: RefreshState['state']
}

const LEASE_MS = 45_000
const STORE_AGAIN_FOR_MS = 10 * 60_000
const STORE_AGAIN_EVERY_MS = 500

export interface Refreshing {
  /**
   * Renews the tokens of generation `from` unless somebody already has. Resolves to the newest tokens there are, with
   * the state they are in. Rejects with StoreUnavailable, or with Refusal `issuer_unavailable` or `login_ended`.
   */
  beyond(loginId: string, from: number): Promise<Refreshed>
}

export function createRefreshing(options: RefreshOptions): Refreshing {
  const { records, clock } = options
  const leaseMs = options.leaseMs ?? LEASE_MS
  // Rights whose compare-and-set was sent but not answered: won or not, we know that we have not presented under them.
  const unanswered = new Set<string>()

  const beyond = async (loginId: string, from: number): Promise<Refreshed> => {
    for (;;) {
      const record = await records.record(loginId)
      const tokens = await records.tokens(loginId)
      if (record === undefined || tokens === undefined) throw new Refusal('login_ended')
      if (tokens.version > record.value.generation) {
        await settle(loginId, record, tokens.version)
      } else if (record.value.generation > from) {
        return { tokens: tokens.value, state: record.value.refresh.state }
      } else {
        const ended = await step(loginId, record, tokens)
        if (ended !== undefined) return ended
      }
    }
  }

  /** New tokens are stored but the record does not say so: their writer died in between. Anybody may move it on. */
  const settle = (loginId: string, { value, version }: Versioned<LoginRecord>, generation: number) =>
    records.replace(loginId, { ...value, generation, refresh: { state: 'idle' } }, version)

  /** One move of the state machine; undefined means: read again. */
  const step = async (loginId: string, record: Versioned<LoginRecord>, tokens: Versioned<TokenSet>): Promise<Refreshed | undefined> => {
    const { refresh } = record.value
    switch (refresh.state) {
      case 'refused':
      case 'unknown':
        return { tokens: tokens.value, state: refresh.state }
      case 'idle':
        return present(loginId, record, tokens)
      case 'presenting':
        if (unanswered.has(refresh.presenter)) return present(loginId, record, tokens)
        if (clock.now() < refresh.leaseUntil) {
          await changed(loginId, record.version, refresh.leaseUntil)
          return undefined
        }
        if (mayPresentAgain(record.value)) return present(loginId, record, tokens)
        await records.replace(loginId, { ...record.value, refresh: { state: 'unknown' } }, record.version)
        return undefined
    }
  }

  const present = async (loginId: string, record: Versioned<LoginRecord>, tokens: Versioned<TokenSet>): Promise<Refreshed | undefined> => {
    const provider = options.providers[record.value.principal.provider]
    const { refreshToken } = tokens.value
    if (provider === undefined || refreshToken === undefined) return { tokens: tokens.value, state: 'refused' }
    const presenter = randomUUID()
    const presenting: LoginRecord = { ...record.value, refresh: { state: 'presenting', presenter, leaseUntil: clock.now() + leaseMs } }
    unanswered.add(presenter)
    const won = await records.replace(loginId, presenting, record.version)
    unanswered.delete(presenter)
    if (!won) return undefined
    const outcome = await provider.redeem(refreshToken, record.value.principal.subject)
    options.observe(provider.config.name, outcome.result)
    options.audit.note({ event: 'refresh', provider: provider.config.name, login: loginId, result: outcome.result })
    await conclude(loginId, { value: presenting, version: record.version + 1 }, tokens, outcome)
    if (outcome.result === 'not-sent') throw new Refusal('issuer_unavailable')
    return undefined
  }

  const conclude = async (loginId: string, { value, version }: Versioned<LoginRecord>, tokens: Versioned<TokenSet>, outcome: RefreshOutcome) => {
    const say = (refresh: RefreshState) => records.replace(loginId, { ...value, refresh }, version)
    switch (outcome.result) {
      case 'renewed': {
        await stored(() => records.replaceTokens(loginId, outcome.tokens, tokens.version, value.endsAt))
        const fresh = outcome.signedIn && { principal: outcome.signedIn.principal, shown: outcome.signedIn.shown }
        await records.replace(loginId, { ...value, ...fresh, generation: tokens.version + 1, refresh: { state: 'idle' } }, version)
        break
      }
      case 'refused':
        await say({ state: 'refused' })
        break
      case 'not-sent':
        await say({ state: 'idle' })
        break
      case 'unknown':
        // A provider that takes the token again is asked again by the next caller; the lease has served its purpose.
        await say(mayPresentAgain(value) ? { state: 'idle' } : { state: 'unknown' })
        if (mayPresentAgain(value)) throw new Refusal('issuer_unavailable')
    }
    await records.wake(loginId).catch(() => undefined)
  }

  /**
   * Tokens that replace a used-up one exist only here until they are stored. A store that is away is tried on in the
   * background, so that its outage costs a 503 and not the login; the caller does not wait for that.
   */
  const stored = async (write: () => Promise<unknown>): Promise<void> => {
    try {
      await write()
    } catch (error) {
      const giveUpAt = clock.now() + STORE_AGAIN_FOR_MS
      const again = async () => {
        while (clock.now() < giveUpAt) {
          await pause(clock, STORE_AGAIN_EVERY_MS)
          if (await write().then(() => true, () => false)) return
        }
      }
      void again()
      throw error
    }
  }

  const mayPresentAgain = ({ principal, refresh }: LoginRecord): boolean => {
    const kind = options.providers[principal.provider]?.config.refreshTokens
    if (kind === undefined || kind === 'rotating') return false
    if (kind === 'reusable') return true
    return refresh.state !== 'presenting' || clock.now() < refresh.leaseUntil - leaseMs + kind.grace
  }

  /** Returns when the record may have changed, at the latest when the lease ends. Subscribes first, then reads. */
  const changed = async (loginId: string, version: number, leaseUntil: number): Promise<void> => {
    const woken = new AbortController()
    const unlisten = records.listen(loginId, () => woken.abort())
    try {
      const now = await records.record(loginId)
      if (now?.version !== version) return
      await pause(clock, Math.max(1, Math.min(leaseUntil - clock.now(), 1_000)), woken.signal)
    } finally {
      unlisten()
    }
  }

  return { beyond }
}

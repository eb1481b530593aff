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
 * presenting instead of to unknown; a grace counts from the first presentation. A lease only says when waiters stop
 * waiting; it is not a lock.
 */
import { pause } from '../clock.ts'
import { Refusal } from '../errors.ts'
import type { TokenSet } from '../providers/tokens.ts'
import { StoreUnavailable } from '../store/store.ts'
import type { LoginRecord, RefreshState } from './login.ts'
import { createOwedWrites } from './owed-writes.ts'
import { createPresent, mayPresentAgain, type PresentationOptions, type ReadLogin, type RefreshingProvider } from './presentation.ts'
import type { Versioned } from './records.ts'

export interface RefreshOptions extends Omit<PresentationOptions, 'owed' | 'leaseMs'> {
  readonly providers: Readonly<Record<string, RefreshingProvider>>
  /** How long waiters wait for a presenter; longer than any call to a token endpoint takes. */
  readonly leaseMs?: number
}

/** What the login has after trying: tokens of a generation, and whether they can ever be renewed. */
export interface Refreshed {
  readonly tokens: TokenSet
  readonly generation: number
  readonly state: RefreshState['state']
}

export interface Refreshing {
  /**
   * Renews the tokens of generation `from` unless somebody already has. Resolves to the newest tokens there are, with
   * the state they are in. Rejects with StoreUnavailable, or with Refusal `issuer_unavailable`, `login_ended` or
   * `shutting_down`.
   */
  beyond(loginId: string, from: number): Promise<Refreshed>
  /** Begins no further presentation and resolves when those under way have ended and are stored. */
  close(): Promise<void>
}

const LEASE_MS = 15_000
/**
 * Nobody is declared dead at first sight: clocks of replicas differ, and a presenter that could not reach the store
 * needs a moment to say what it knows.
 */
const LEAST_WATCH_MS = 1_000
/** A lost wake costs this much. */
const READ_AGAIN_MS = 1_000

interface Seen extends ReadLogin {
  /** Since when this caller has seen this version of the record. */
  readonly since: number
}

export function createRefreshing(options: RefreshOptions): Refreshing {
  const { records, clock, providers, leaseMs = LEASE_MS } = options
  const owed = createOwedWrites(clock)
  const presentNow = createPresent({ ...options, owed, leaseMs })
  const presentations = new Set<Promise<void>>()
  let closing = false

  const read = async (loginId: string, before: Seen | undefined): Promise<Seen> => {
    if (owed.has(loginId)) throw new StoreUnavailable('how the latest refresh ended could not be stored yet')
    // In this order: tokens may be newer than the record says, never older.
    const record = await records.record(loginId)
    const tokens = await records.tokens(loginId)
    if (record === undefined || tokens === undefined) throw new Refusal('login_ended')
    return { loginId, record, tokens, since: before?.record.version === record.version ? before.since : clock.now() }
  }

  const beyond = async (loginId: string, from: number): Promise<Refreshed> => {
    for (let seen = await read(loginId, undefined); ; seen = await read(loginId, seen)) {
      const { record, tokens } = seen
      if (tokens.version > record.value.generation) {
        await settle(seen)
      } else if (record.value.generation > from) {
        return refreshed(seen, record.value.refresh.state)
      } else {
        const ended = await step(seen)
        if (ended !== undefined) return ended
      }
    }
  }

  /** New tokens are stored but the record does not say so: their writer died in between. Anybody may move it on. */
  const settle = ({ loginId, record, tokens }: Seen) => move(loginId, record, { generation: tokens.version, refresh: { state: 'idle' } })

  /** Losing a race is no fault here: whoever won it moved the record on. */
  const move = async (loginId: string, { value, version }: Versioned<LoginRecord>, change: Partial<LoginRecord>): Promise<undefined> => {
    await records.replace(loginId, { ...value, ...change }, version)
    return undefined
  }

  /** One move of the state machine; undefined means: read again. */
  const step = async (seen: Seen): Promise<Refreshed | undefined> => {
    const { loginId, record } = seen
    const { refresh, principal } = record.value
    const provider = providers[principal.provider]
    switch (refresh.state) {
      case 'refused':
      case 'unknown':
        return refreshed(seen, refresh.state)
      case 'idle':
        if (refresh.since === undefined || mayPresentAgain(provider, refresh.since, clock.now())) return present(seen, provider)
        return move(loginId, record, { refresh: { state: 'unknown' } })
      case 'presenting': {
        // Bounded by our own watch as well: a clock that was set back must not make anybody wait for an hour.
        const until = Math.max(seen.since + LEAST_WATCH_MS, Math.min(refresh.leaseUntil, seen.since + leaseMs))
        if (clock.now() < until) return changed(loginId, record.version, until)
        if (mayPresentAgain(provider, refresh.since, clock.now())) return present(seen, provider)
        return move(loginId, record, { refresh: { state: 'unknown', presenter: refresh.presenter } })
      }
    }
  }

  const present = async (seen: Seen, provider: RefreshingProvider | undefined): Promise<Refreshed | undefined> => {
    if (provider === undefined || seen.tokens.value.refreshToken === undefined) return refreshed(seen, 'refused')
    if (closing) throw new Refusal('shutting_down')
    const presentation: Promise<void> = presentNow(seen, provider).finally(() => presentations.delete(presentation))
    presentations.add(presentation)
    // It ends by itself and says so; whoever began it waits no longer for it than others do.
    const over = new AbortController()
    const late = pause(clock, leaseMs, over.signal).then(() => {
      throw new Refusal('issuer_unavailable')
    })
    await Promise.race([presentation, late]).finally(() => {
      late.catch(() => undefined)
      over.abort()
    })
    return undefined
  }

  /** Returns when the record may have changed, at the latest at `until`. Subscribes first, then reads. */
  const changed = async (loginId: string, version: number, until: number): Promise<undefined> => {
    const woken = new AbortController()
    const unlisten = records.listen(loginId, () => woken.abort())
    try {
      const now = await records.record(loginId)
      if (now?.version !== version) return
      await pause(clock, Math.max(1, Math.min(until - clock.now(), READ_AGAIN_MS)), woken.signal)
    } finally {
      unlisten()
    }
  }

  return {
    beyond,
    async close() {
      closing = true
      await Promise.allSettled(presentations)
      await owed.close()
    },
  }
}

function refreshed({ tokens }: Seen, state: RefreshState['state']): Refreshed {
  return { tokens: tokens.value, generation: tokens.version, state }
}

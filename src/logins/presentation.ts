/**
 * One presentation of a refresh token: winning the right to it, the call, and saying how it ended.
 *
 * A presenter that was slow, not dead, still says how it ended after its lease. It only ever moves a record that bears
 * its own mark (`presenter`), so it cannot give back a right that somebody else has won since.
 */
import { randomBytes } from 'node:crypto'
import type { AuditSink } from '../audit/audit-sink.ts'
import type { Clock } from '../clock.ts'
import type { ProviderConfig } from '../config/provider.ts'
import { Refusal } from '../errors.ts'
import type { Redeem, RefreshOutcome, TokenSet } from '../providers/tokens.ts'
import type { LoginRecord, RefreshState } from './login.ts'
import type { OwedWrites } from './owed-writes.ts'
import type { LoginRecords, Versioned } from './records.ts'

/** What refreshing needs to know of a provider. */
export interface RefreshingProvider {
  readonly config: Pick<ProviderConfig, 'name' | 'refreshTokens'>
  readonly redeem: Redeem
}

export interface PresentationOptions {
  readonly records: LoginRecords
  readonly owed: OwedWrites
  readonly audit: AuditSink
  readonly clock: Clock
  readonly observe: (provider: string, result: RefreshOutcome['result']) => void
  readonly leaseMs: number
}

/** A login as it was read: the record, and the tokens of the same generation. */
export interface ReadLogin {
  readonly loginId: string
  readonly record: Versioned<LoginRecord>
  readonly tokens: Versioned<TokenSet>
}

/**
 * Presents the refresh token if the right to it can be won; either way the record is to be read again after that.
 * Rejects with StoreUnavailable, or with Refusal `issuer_unavailable` when trying again later makes sense.
 */
export type Present = (login: ReadLogin, provider: RefreshingProvider) => Promise<void>

/** A grace counts at the issuer; this much of it is left for the way there. */
const MOST_TRAVEL_MS = 2_000

/** Whether a provider takes a token again that was first presented at `since`, with an unknown outcome. */
export function mayPresentAgain(provider: RefreshingProvider | undefined, since: number, now: number): boolean {
  const kind = provider?.config.refreshTokens ?? 'rotating'
  if (kind === 'rotating') return false
  return kind === 'reusable' || now < since + kind.grace - Math.min(MOST_TRAVEL_MS, kind.grace / 5)
}

export function createPresent({ records, owed, audit, clock, observe, leaseMs }: PresentationOptions): Present {
  return async ({ loginId, record, tokens }, provider) => {
    const { refreshToken } = tokens.value
    if (refreshToken === undefined) return
    const { endsAt, principal, refresh: before } = record.value
    const presenter = randomBytes(12).toString('base64url')
    const earlier = 'since' in before ? before.since : undefined
    const since = earlier ?? clock.now()
    const presenting: LoginRecord = {
      ...record.value,
      refresh: { state: 'presenting', presenter, leaseUntil: clock.now() + leaseMs, since },
    }
    const afterWinning = { value: presenting, version: record.version + 1 }
    const ours = ({ refresh }: LoginRecord) => 'presenter' in refresh && refresh.presenter === presenter
    const wake = () => records.wake(loginId).catch(() => undefined)

    /** Changes the record by compare-and-set for as long as `change` wants to; one that is gone is left so. */
    const amend = async (from: Versioned<LoginRecord>, change: (value: LoginRecord, version: number) => LoginRecord | undefined) => {
      for (let at: Versioned<LoginRecord> | undefined = from; at !== undefined; at = await records.record(loginId)) {
        const next = change(at.value, at.version)
        if (next === undefined || (await records.replace(loginId, next, at.version))) return
      }
    }

    /**
     * Whether the right was won is not known, but certainly nothing was presented under it. Writing once more what we
     * read makes the unanswered write impossible if it is still on its way; if it has arrived it is undone.
     */
    const giveBack = () =>
      amend(record, (value, version) => (version === record.version || ours(value) ? { ...value, refresh: before } : undefined))

    const say = (refresh: RefreshState) =>
      owed.make(loginId, endsAt, () => amend(afterWinning, (value) => (ours(value) ? { ...value, refresh } : undefined)))

    /** Stores new tokens, then moves the record on, with what the issuer now says of the person. */
    const keep = async ({ tokens: fresh, signedIn }: Extract<RefreshOutcome, { result: 'renewed' }>) => {
      // An issuer need not give an ID token again (OpenID Connect Core 12.2); the one there is serves to its end.
      const { idToken, idExpiresAt } = fresh.idToken === undefined ? tokens.value : fresh
      await records.replaceTokens(loginId, { ...fresh, idToken, idExpiresAt }, tokens.version, endsAt)
      const generation = tokens.version + 1
      const said = signedIn && { principal: signedIn.principal, shown: signedIn.shown }
      await amend(afterWinning, (value) => {
        if (value.generation < generation) return { ...value, ...said, generation, refresh: { state: 'idle' } }
        // Somebody has settled it for us meanwhile, without knowing what was said.
        return value.generation === generation && said !== undefined ? { ...value, ...said } : undefined
      })
    }

    /** Resolves to whether the same token may be presented again. */
    const conclude = async (outcome: RefreshOutcome): Promise<boolean> => {
      switch (outcome.result) {
        case 'renewed':
          await owed.make(loginId, endsAt, () => keep(outcome))
          return false
        case 'refused':
          await say({ state: 'refused' })
          return false
        case 'not-sent':
          await say({ state: 'idle', since: earlier })
          return true
        case 'unknown': {
          const again = mayPresentAgain(provider, since, clock.now())
          await say(again ? { state: 'idle', since } : { state: 'unknown', presenter })
          return again
        }
      }
    }

    let won: boolean
    try {
      won = await records.replace(loginId, presenting, record.version)
    } catch (error) {
      await owed.make(loginId, endsAt, giveBack).then(wake, () => undefined)
      throw error
    }
    if (!won) return
    // It promises not to throw; if it does, nobody knows how far it came.
    const outcome = await provider.redeem(refreshToken, principal.subject).catch((): RefreshOutcome => ({ result: 'unknown' }))
    observe(provider.config.name, outcome.result)
    audit.note({ event: 'refresh', provider: provider.config.name, login: loginId, result: outcome.result })
    let again: boolean
    try {
      again = await conclude(outcome)
    } finally {
      await wake()
    }
    if (again) throw new Refusal('issuer_unavailable')
  }
}

/**
 * Usable upstream tokens of a login, renewed in time.
 *
 * A token is renewed min(5 minutes, a fifth of its life) before it expires, because a fixed margin never hits with
 * the 300 s tokens that are common. When renewal is impossible the present token serves to its end, and only then is
 * the person asked to sign in again; an issuer that cannot be reached is a 503 only once no usable token is left.
 */
import type { Clock } from '../clock.ts'
import { Refusal } from '../errors.ts'
import type { TokenSet } from '../providers/tokens.ts'
import type { Secret } from '../secret.ts'
import type { LoginRecords } from './records.ts'
import type { Refreshed, Refreshing } from './refresh.ts'

export type Which = 'id-token' | 'access-token'

/** A token of a login that can be sent now. */
export interface Usable {
  readonly token: Secret
  readonly expiresAt: number
}

/** Upstream tokens of logins, for credential sources. */
export interface LoginTokens {
  /**
   * A token that lives a few seconds more at least. Rejects with StoreUnavailable, or with Refusal `login_ended`,
   * `login_expired`, `refresh_outcome_unknown` or `issuer_unavailable`.
   */
  fresh(loginId: string, which: Which): Promise<Usable>
}

const MOST_MARGIN_MS = 5 * 60_000
/** Nothing is handed out that ends within this: it would expire on its way. */
const LEAST_LIFE_MS = 5_000

export interface LoginTokensOptions {
  readonly records: LoginRecords
  readonly refreshing: Refreshing
  readonly clock: Clock
}

export function createLoginTokens({ records, refreshing, clock }: LoginTokensOptions): LoginTokens {
  const flights = new Map<string, Promise<Refreshed>>()

  // One refresh in flight per login and replica; the compare-and-set guards across replicas.
  const renew = (loginId: string, from: number): Promise<Refreshed> => {
    const key = `${loginId}/${from}`
    const running = flights.get(key)
    if (running !== undefined) return running
    const flight = refreshing.beyond(loginId, from).finally(() => flights.delete(key))
    flights.set(key, flight)
    return flight
  }

  return {
    async fresh(loginId, which) {
      const stored = await records.tokens(loginId)
      if (stored === undefined) throw new Refusal('login_ended')
      const present = usable(stored.value, which, clock.now())
      if (present !== undefined && clock.now() < present.expiresAt - margin(stored.value, which)) return present
      const renewal = renew(loginId, stored.version)
      if (present !== undefined) {
        // It still serves; whoever asks after its end learns how the renewal went.
        renewal.catch(() => undefined)
        return present
      }
      const renewed = await renewal
      const after = usable(renewed.tokens, which, clock.now())
      if (after !== undefined) return after
      throw new Refusal(renewed.state === 'unknown' ? 'refresh_outcome_unknown' : 'login_expired')
    },
  }
}

function usable(tokens: TokenSet, which: Which, now: number): Usable | undefined {
  const found = which === 'id-token' ? { token: tokens.idToken, expiresAt: tokens.idExpiresAt } : { token: tokens.accessToken, expiresAt: tokens.accessExpiresAt }
  if (found.token === undefined || found.expiresAt === undefined || found.expiresAt <= now + LEAST_LIFE_MS) return undefined
  return { token: found.token, expiresAt: found.expiresAt }
}

function margin(tokens: TokenSet, which: Which): number {
  const expiresAt = which === 'id-token' ? (tokens.idExpiresAt ?? 0) : tokens.accessExpiresAt
  return Math.min(MOST_MARGIN_MS, Math.max(0, expiresAt - tokens.obtainedAt) / 5)
}

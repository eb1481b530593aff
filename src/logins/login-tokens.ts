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
   * A token that lives a moment more at least. Rejects with StoreUnavailable, or with Refusal `login_ended`,
   * `login_expired`, `refresh_outcome_unknown`, `issuer_unavailable` or `shutting_down`.
   */
  fresh(loginId: string, which: Which): Promise<Usable>
}

const MOST_MARGIN_MS = 5 * 60_000
/** Nothing is handed out that ends within this, or a twentieth of its life: it would expire on its way. */
const MOST_TRAVEL_MS = 5_000
/** An issuer that cannot be reached is asked once a second for a login, however many requests wait for it. */
const ISSUER_AGAIN_MS = 1_000
/** An issuer that gives no such token at refresh would otherwise be asked for it at every request. */
const FUTILE_AGAIN_MS = 30_000

/** A second one when what another replica got has ended before anybody asked for it. */
const MOST_ROUNDS = 2

export interface LoginTokensOptions {
  readonly records: Pick<LoginRecords, 'tokens'>
  readonly refreshing: Pick<Refreshing, 'beyond'>
  readonly clock: Clock
}

export function createLoginTokens({ records, refreshing, clock }: LoginTokensOptions): LoginTokens {
  const flights = new Map<string, Promise<Refreshed>>()

  // One refresh in flight per login and replica; the compare-and-set guards across replicas.
  const renew = (loginId: string, from: number): Promise<Refreshed> => {
    const key = `${loginId}/${from}`
    const running = flights.get(key)
    if (running !== undefined) return running
    const flight = refreshing.beyond(loginId, from)
    const over = () => void flights.delete(key)
    flights.set(key, flight)
    flight.then(over, (error: unknown) => {
      if (error instanceof Refusal && error.code === 'issuer_unavailable') clock.after(ISSUER_AGAIN_MS, over)
      else over()
    })
    return flight
  }

  return {
    async fresh(loginId, which) {
      const stored = await records.tokens(loginId)
      if (stored === undefined) throw new Refusal('login_ended')
      const { value: tokens, version } = stored
      const present = usable(tokens, which, clock.now())
      if (present !== undefined && clock.now() < present.expiresAt - margin(tokens, which)) return present
      if (present !== undefined) {
        // It still serves; whoever asks after its end learns how the renewal went.
        renew(loginId, version).catch(() => undefined)
        return present
      }
      let spent = { tokens, generation: version }
      for (let round = 0; round < MOST_ROUNDS && !futile(spent.tokens, which, clock.now()); round++) {
        const renewed = await renew(loginId, spent.generation)
        const after = usable(renewed.tokens, which, clock.now())
        if (after !== undefined) return after
        if (renewed.state === 'unknown') throw new Refusal('refresh_outcome_unknown')
        if (renewed.state === 'refused') break
        spent = renewed
      }
      throw new Refusal('login_expired')
    },
  }
}

/** True when the issuer did not give such a token the last time, and that was only a moment ago. */
function futile(tokens: TokenSet, which: Which, now: number): boolean {
  return usable(tokens, which, tokens.obtainedAt) === undefined && now < tokens.obtainedAt + FUTILE_AGAIN_MS
}

function found(tokens: TokenSet, which: Which): Usable | undefined {
  const [token, expiresAt] = which === 'id-token' ? [tokens.idToken, tokens.idExpiresAt] : [tokens.accessToken, tokens.accessExpiresAt]
  return token === undefined || expiresAt === undefined ? undefined : { token, expiresAt }
}

function usable(tokens: TokenSet, which: Which, at: number): Usable | undefined {
  const token = found(tokens, which)
  return token === undefined || token.expiresAt - Math.min(MOST_TRAVEL_MS, life(tokens, token) / 20) <= at ? undefined : token
}

function margin(tokens: TokenSet, which: Which): number {
  const token = found(tokens, which)
  return token === undefined ? 0 : Math.min(MOST_MARGIN_MS, life(tokens, token) / 5)
}

/** Of an ID token that the issuer did not renew with the others, what was left of its life. */
function life(tokens: TokenSet, { expiresAt }: Usable): number {
  return Math.max(0, expiresAt - tokens.obtainedAt)
}

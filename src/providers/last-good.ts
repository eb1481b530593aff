/**
 * Something fetched from an issuer and kept: metadata, keys. It is fetched at first need and by no timer of its
 * own, one fetch at a time, and what was good outlives what failed (promise 9).
 *
 * - Older than `freshMs`: the next reader starts a fetch in the background and goes on with what is there.
 * - A failed fetch is remembered: 2 s, 4 s, 8 s, 16 s, then 30 s without another, so that an issuer that is down is not
 *   hammered. With a good value at hand readers notice nothing; without one they are refused at once.
 * - `keepMs` bounds how long a value outlives its last good fetch. For keys it is a day: whoever can keep us from the
 *   issuer must not be able to keep a withdrawn key in use for ever.
 */
import type { Clock } from '../clock.ts'
import { Refusal } from '../errors.ts'

export interface LastGood<T> {
  /** The value; waits only when there is none yet. Throws Refusal `issuer_unavailable`. */
  get(): Promise<T>
  /** Fetches now, unless a failure is too recent; joins a fetch under way. Resolves to whether the value is fresh from it. Never throws. */
  renew(): Promise<boolean>
  /** When the value was fetched, milliseconds since the epoch; undefined without one. */
  loadedAt(): number | undefined
  /** True when the latest attempt failed. */
  failing(): boolean
  /** Later calls fetch nothing. */
  close(): void
}

export interface LastGoodOptions<T> {
  /** Fetches and checks. Its rejection is reported to `failed`, never shown. */
  readonly load: () => Promise<T>
  readonly failed: (error: unknown) => void
  readonly clock: Clock
  readonly freshMs: number
  readonly keepMs: number
}

const BACKOFF_MS = [2_000, 4_000, 8_000, 16_000, 30_000] as const

export function createLastGood<T>({ load, failed, clock, freshMs, keepMs }: LastGoodOptions<T>): LastGood<T> {
  let value: { readonly is: T; readonly at: number } | undefined
  let flight: Promise<boolean> | undefined
  let failures = 0
  let retryAt = 0
  let closed = false

  const attempt = async (): Promise<boolean> => {
    try {
      const is = await load()
      value = { is, at: clock.now() }
      failures = 0
      retryAt = 0
      return true
    } catch (error) {
      retryAt = clock.now() + (BACKOFF_MS[failures] ?? 30_000)
      failures++
      if (!closed) failed(error)
      return false
    } finally {
      flight = undefined
    }
  }
  const renew = (): Promise<boolean> => {
    if (flight !== undefined) return flight
    if (closed || clock.now() < retryAt) return Promise.resolve(false)
    flight = attempt()
    return flight
  }
  const kept = () => (value !== undefined && clock.now() - value.at < keepMs ? value : undefined)

  return {
    renew,
    async get() {
      const now = kept()
      if (now !== undefined) {
        if (clock.now() - now.at >= freshMs) void renew()
        return now.is
      }
      await renew()
      const found = kept()
      if (found !== undefined) return found.is
      throw new Refusal('issuer_unavailable', { retryAfterSeconds: Math.max(1, Math.ceil((retryAt - clock.now()) / 1000)) })
    },
    loadedAt: () => value?.at,
    failing: () => failures > 0,
    close() {
      closed = true
    },
  }
}

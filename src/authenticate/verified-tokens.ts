/**
 * Remembers verified bearers by digest, so that the hot path costs one hash and one lookup, and keeps each caller's
 * `ended` signal alive for as long as a stream may rest on it.
 *
 * Security:
 * - An entry ends with the token, at `exp` without leeway; within the leeway each request is verified anew. The
 *   signal does not fire then: streams end at `streams.maxAge`, which the door keeps (promise 4).
 * - A caller belongs to one digest. Two different tokens never share one, whoever they are of.
 * - Forgetting an entry must not deafen a stream that was opened with it. So the watch for revocations outlives the
 *   entry: it is held until the token's end plus `streamsMaxAgeMs`, when no stream can be left. Held watches are
 *   bounded as well, and when there are too many, the one that was needed longest ago is ended: its streams close
 *   and their clients begin anew. Never is a watch dropped in silence.
 * - A revoked caller is forgotten at once. Who is ended for another reason is told so, because an outage or a full
 *   table is no judgement on the token (promise 3).
 * - Refusals are remembered for 5 s, so that a flood of one bad token costs no signature check, and only those that
 *   the token itself will always cause: never one that an outage, a rotation or the time of day could lift.
 */
import type { Clock } from '../clock.ts'
import { Refusal } from '../errors.ts'
import type { Caller } from '../principal.ts'
import { CLOCK_TOLERANCE_SECONDS } from '../providers/verify.ts'
import type { RefusalCode } from '../refusal-codes.ts'
import { StoreUnavailable } from '../store/store.ts'

/** Whom a revocation may end (`store/revocations.ts`). */
export interface BearerSubject {
  readonly issuer: string
  readonly subject: string
  /** The earliest moment at which it may have been issued, in milliseconds since the epoch: `iat` less the leeway. */
  readonly issuedAt: number
  readonly sid?: string | undefined
}

/** What of the revocations is needed here. */
export interface BearerRevocations {
  /** True when nothing that `check` says may be believed. */
  readonly blind: boolean
  check(subject: BearerSubject): boolean
  /** Calls `end` once when the subject is revoked or the replica was blind for too long. Returns how to stop watching. */
  watch(subject: BearerSubject, end: (why: 'revoked' | 'blind') => void): () => void
}

export interface VerifiedTokensOptions {
  readonly revocations: BearerRevocations
  readonly clock: Clock
  /** `streams.maxAge` of the configuration. */
  readonly streamsMaxAgeMs: number
  /** Callers kept. Default 20,000. */
  readonly most?: number
  /** Watches held. Default 100,000. */
  readonly mostWatches?: number
  /** Refusals kept. Default 5,000. */
  readonly mostRefusals?: number
}

export interface VerifiedCaller {
  readonly caller: Caller
  readonly subject: BearerSubject
  /** `exp` in milliseconds since the epoch. */
  readonly expiresAt: number
}

export interface VerifiedTokens {
  /** The caller of a token verified before; a frozen Refusal that it met within the last 5 s; else undefined. */
  find(digest: string): VerifiedCaller | Refusal | undefined
  /** Keeps a caller, given the signal that its `ended` must be. Of two at once the first is kept and given back. */
  keep(digest: string, make: (ended: AbortSignal) => VerifiedCaller): VerifiedCaller
  /** Remembers a refusal, if it is one that the same token would always meet. */
  refuse(digest: string, refusal: Refusal): void
  /** Ends every caller and stops watching. */
  close(): void
}

interface Watch {
  readonly ended: AbortController
  readonly until: number
  stop(): void
}

const REFUSAL_MS = 5_000
const SWEEP_MS = 60_000
const LASTING: ReadonlySet<RefusalCode> = new Set([
  'token_malformed',
  'token_signature_invalid',
  'token_algorithm_refused',
  'token_type_wrong',
  'token_issuer_unknown',
  'token_audience_wrong',
  'token_claims_invalid',
  'token_expired',
  'denied',
] as const)

export function createVerifiedTokens(options: VerifiedTokensOptions): VerifiedTokens {
  const { revocations, clock, streamsMaxAgeMs, most = 20_000, mostWatches = 100_000, mostRefusals = 5_000 } = options
  // Maps keep insertion order, and in a map that fills up a found entry is put at the end.
  const callers = new Map<string, VerifiedCaller>()
  const watches = new Map<string, Watch>()
  const refusals = new Map<string, { readonly refusal: Refusal; readonly until: number }>()
  let sweptAt = clock.now()

  /** Without a `why` the token itself does not hold any more. */
  const end = (digest: string, watch: Watch, why?: Refusal | StoreUnavailable) => {
    if (watches.get(digest) === watch) {
      watches.delete(digest)
      callers.delete(digest)
    }
    watch.stop()
    watch.ended.abort(why)
  }
  const sweep = () => {
    const now = clock.now()
    if (now - sweptAt < SWEEP_MS) return
    sweptAt = now
    for (const [digest, { expiresAt }] of callers) if (expiresAt <= now) callers.delete(digest)
    for (const [digest, { until }] of refusals) if (until <= now) refusals.delete(digest)
    // No stream is left by then, so ending is only tidying up.
    for (const [digest, watch] of watches) if (watch.until <= now) end(digest, watch, comeAgain())
  }
  const watchFor = (digest: string, make: (ended: AbortSignal) => VerifiedCaller): VerifiedCaller => {
    const ended = new AbortController()
    const found = make(ended.signal)
    let unwatch = () => {}
    // A stream can be opened until the leeway after `exp` is over.
    const until = found.expiresAt + CLOCK_TOLERANCE_SECONDS * 1000 + streamsMaxAgeMs
    const watch: Watch = { ended, until, stop: () => unwatch() }
    unwatch = revocations.watch(found.subject, (why) => {
      end(digest, watch, why === 'blind' ? new StoreUnavailable('the revocation log is out of sight') : undefined)
    })
    watches.set(digest, watch)
    return found
  }

  return {
    find(digest) {
      const refused = refusals.get(digest)
      if (refused !== undefined && refused.until > clock.now()) return refused.refusal
      const found = callers.get(digest)
      if (found === undefined) return undefined
      if (found.expiresAt <= clock.now()) {
        callers.delete(digest)
        return undefined
      }
      // Who was used last matters when there is little room left; until then it would cost every request two moves.
      if (callers.size > most / 2) touch(callers, digest)
      if (watches.size > mostWatches / 2) touch(watches, digest)
      return found
    },
    keep(digest, make) {
      sweep()
      const present = callers.get(digest)
      if (present !== undefined && present.expiresAt > clock.now()) return present
      const watch = watches.get(digest)
      // A watch that outlived its entry goes on: streams of before and after the forgetting end together.
      const found = watch === undefined ? watchFor(digest, make) : make(watch.ended.signal)
      touch(watches, digest)
      if (found.expiresAt > clock.now()) callers.set(digest, found)
      for (const oldest of callers.keys().take(Math.max(0, callers.size - most))) callers.delete(oldest)
      for (const [oldest, held] of watches.entries().take(Math.max(0, watches.size - mostWatches))) end(oldest, held, comeAgain())
      return found
    },
    refuse(digest, refusal) {
      if (!LASTING.has(refusal.code)) return
      if (refusals.size >= mostRefusals) for (const oldest of refusals.keys().take(1)) refusals.delete(oldest)
      refusals.delete(digest)
      refusals.set(digest, { refusal, until: clock.now() + REFUSAL_MS })
    },
    close() {
      for (const [digest, watch] of watches) end(digest, watch, comeAgain())
      refusals.clear()
    },
  }
}

/** The token may be as good as ever; this replica will not stand by what it said of it. */
function comeAgain(): Refusal {
  return new Refusal('shutting_down')
}

/** Puts an entry at the end: the first is the one not used for longest. */
function touch<T>(entries: Map<string, T>, digest: string): void {
  const entry = entries.get(digest)
  if (entry === undefined) return
  entries.delete(digest)
  entries.set(digest, entry)
}

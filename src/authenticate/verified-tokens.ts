/**
 * Remembers verified bearers by digest, so that the hot path costs one hash and one lookup, and keeps each caller's
 * `ended` signal alive for as long as something rests on it.
 *
 * Security:
 * - An entry ends with the token, at `exp` without leeway; within the leeway each request is verified anew. The
 *   signal does not fire then: streams end at `streams.maxAge`, which the door keeps (promise 4).
 * - A caller belongs to one digest. Two different tokens never share one, whoever they are of.
 * - Forgetting an entry must not deafen a stream that was opened with it. So the watch for revocations outlives the
 *   entry while something rests on the caller, and no longer: what can be held beyond the bound is what goes on, and
 *   that is bounded for each principal. Whoever shows many tokens and may do nothing pushes out what costs a
 *   verification to have again, and ends nobody's stream. Never is a watch dropped in silence.
 * - A key that its issuer withdrew vouches for nothing any more: what it verified is ended and forgotten.
 * - A revoked caller is forgotten at once. Who is ended for another reason is told so, because an outage or a full
 *   table is no judgement on the token (promise 3).
 * - Refusals are remembered for 5 s, so that a flood of one bad token costs no signature check, and only those that
 *   the token itself will always cause: never one that an outage, a rotation or the time of day could lift.
 * - No request pays for others: what is over is swept a few entries with each that is kept, and a look for withdrawn keys
 *   goes through the tokens only when a key fell.
 */
import type { KeyObject } from 'node:crypto'
import type { Clock } from '../clock.ts'
import { Refusal } from '../errors.ts'
import type { BearerProof, Caller, Principal } from '../principal.ts'
import { CLOCK_TOLERANCE_SECONDS } from '../providers/verify.ts'
import type { RefusalCode } from '../refusal-codes.ts'
import { StoreUnavailable } from '../store/store.ts'
import { TokenCaller } from './token-caller.ts'

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
  /** Callers kept, beside those that something rests on. Default 20,000. */
  readonly most?: number
  /** Refusals kept. Default 5,000. */
  readonly mostRefusals?: number
}

/** What the verification of a token has shown. */
export interface Verified {
  readonly principal: Principal
  readonly proof: BearerProof
  readonly subject: BearerSubject
  /** The key that verified it, as its issuer's set has it: one object, however many tokens it signed. */
  readonly key: KeyObject
  /** Until when it is believed without another verification, in milliseconds since the epoch. */
  readonly until: number
}

export interface VerifiedCaller {
  readonly caller: Caller
  readonly subject: BearerSubject
}

export interface VerifiedTokens {
  /** The caller of a token verified before; a frozen Refusal that it met within the last 5 s; else undefined. */
  find(digest: string): VerifiedCaller | Refusal | undefined
  /** Keeps what was verified. Of two at once the first caller is kept and given back. */
  keep(digest: string, verified: Verified): VerifiedCaller
  /** Remembers a refusal, if it is one that the same token would always meet. */
  refuse(digest: string, refusal: Refusal): void
  /** Something begins to rest on a caller. Others than those of this table are let be. */
  hold(caller: Caller): void
  /** It is over. Once for each `hold`. */
  release(caller: Caller): void
  /** Ends the callers of an issuer whose key does not stand any more, and gives back how many these were. */
  withdraw(issuer: string, stands: (key: KeyObject) => boolean, why: Refusal): number
  /** Ends every caller and stops watching. */
  close(): void
}

interface Entry extends VerifiedCaller {
  readonly caller: TokenCaller
  key: KeyObject
  readonly until: number
  readonly ended: AbortController
  stop: () => void
}

const REFUSAL_MS = 5_000
/** Looked at with each that is kept: a full table is through after a few hundred. */
const SWEPT_AT_ONCE = 50
/** The token may be as good as ever; this replica will not stand by what it said of it. One for all: to make it costs more than to keep. */
const COME_AGAIN = new Refusal('shutting_down')
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
  const { revocations, clock, most = 20_000, mostRefusals = 5_000 } = options
  // Maps keep insertion order, and in one that fills up a found entry is put at the end.
  const entries = new Map<string, Entry>()
  /** Those that were pushed out, or whose token is over, while something rested on them. */
  const held = new Map<string, Entry>()
  const refusals = new Map<string, { readonly refusal: Refusal; readonly until: number }>()
  /** By issuer, the keys that verified something since they last fell: few, for they sign many tokens each. */
  const keysOf = new Map<string, Set<KeyObject>>()
  /** What it has passed is gone or was put last. A new one each time would step over the holes that these left. */
  const oldest = entries.entries()
  /** Goes on where it was, through whatever comes and goes meanwhile. */
  let sweeping = entries.entries()

  /** Without a `why` the token itself does not hold any more. */
  const end = (digest: string, entry: Entry, why?: Refusal | StoreUnavailable) => {
    if (entries.get(digest) === entry) entries.delete(digest)
    if (held.get(digest) === entry) held.delete(digest)
    entry.stop()
    entry.ended.abort(why)
  }
  const letGo = (digest: string, entry: Entry) => {
    if (entry.caller.holds === 0) return end(digest, entry, COME_AGAIN)
    entries.delete(digest)
    held.set(digest, entry)
  }
  const letGoOldest = () => {
    const { value } = oldest.next()
    if (value !== undefined) letGo(...value)
  }
  const sweep = () => {
    const now = clock.now()
    for (let looked = 0; looked < SWEPT_AT_ONCE; looked++) {
      const next = sweeping.next()
      if (next.done === true) {
        sweeping = entries.entries()
        return
      }
      const [digest, entry] = next.value
      // Within the leeway it is verified anew for each request, and these end together.
      if (entry.until + CLOCK_TOLERANCE_SECONDS * 1000 <= now) letGo(digest, entry)
    }
  }
  const watched = (digest: string, { principal, proof, subject, key, until }: Verified): Entry => {
    const ended = new AbortController()
    const entry: Entry = { caller: new TokenCaller(principal, proof, ended.signal), subject, key, until, ended, stop: () => {} }
    entry.stop = revocations.watch(subject, (why) => {
      end(digest, entry, why === 'blind' ? new StoreUnavailable('the revocation log is out of sight') : undefined)
    })
    return entry
  }

  return {
    find(digest) {
      const found = entries.get(digest)
      if (found !== undefined && found.until > clock.now()) {
        // Who was used last matters when there is little room left; until then it would cost every request two moves.
        if (entries.size > most / 2) putLast(entries, digest, found)
        return found
      }
      const refused = refusals.get(digest)
      return refused !== undefined && refused.until > clock.now() ? refused.refusal : undefined
    },
    keep(digest, verified) {
      sweep()
      // One that is held goes on: what began before the forgetting and after it ends together.
      const entry = entries.get(digest) ?? held.get(digest) ?? watched(digest, verified)
      entry.key = verified.key
      const { issuer } = entry.subject
      keysOf.set(issuer, (keysOf.get(issuer) ?? new Set()).add(entry.key))
      held.delete(digest)
      putLast(entries, digest, entry)
      if (entries.size > most) letGoOldest()
      return entry
    },
    refuse(digest, refusal) {
      if (!LASTING.has(refusal.code)) return
      // The first is the oldest. Two for one: those that are over are gone at last.
      for (const [oldest, { until }] of refusals.entries().take(2))
        if (refusals.size >= mostRefusals || until <= clock.now()) refusals.delete(oldest)
      refusals.delete(digest)
      refusals.set(digest, { refusal, until: clock.now() + REFUSAL_MS })
    },
    hold(caller) {
      if (TokenCaller.is(caller)) caller.hold()
    },
    release(caller) {
      if (!TokenCaller.is(caller) || caller.release() > 0) return
      const { digest } = caller.proof
      const entry = held.get(digest)
      if (entry?.caller === caller) end(digest, entry, COME_AGAIN)
    },
    withdraw(issuer, stands, why) {
      const keys = keysOf.get(issuer) ?? new Set()
      const fallen = new Set([...keys].filter((key) => !stands(key)))
      if (fallen.size === 0) return 0
      for (const key of fallen) keys.delete(key)
      let count = 0
      for (const table of [entries, held]) {
        for (const [digest, entry] of table) {
          if (entry.subject.issuer !== issuer || !fallen.has(entry.key)) continue
          end(digest, entry, why)
          count += 1
        }
      }
      return count
    },
    close() {
      for (const table of [entries, held]) for (const [digest, entry] of table) end(digest, entry, COME_AGAIN)
      refusals.clear()
      keysOf.clear()
    },
  }
}

/** The first is then the one not used for longest. */
function putLast(entries: Map<string, Entry>, digest: string, entry: Entry): void {
  entries.delete(digest)
  entries.set(digest, entry)
}

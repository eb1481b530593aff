/**
 * The AbortSignals of the logins this replica has met: what streams rest on.
 *
 * Security: forgetting a cached login must not deafen a stream that was opened with it, so its signal outlives the
 * cache entry for as long as a stream may go on. The same login gets the same signal again: streams of before and after
 * the forgetting end together. Signals held are bounded; beyond the bound the one that was needed longest ago is ended,
 * and its streams begin anew. Never is a watch dropped in silence.
 */
import { setMaxListeners } from 'node:events'
import type { Clock, Timer } from '../clock.ts'
import { Refusal } from '../errors.ts'
import type { RevocationSubject } from '../store/revocation.ts'
import type { Revocations } from '../store/revocations.ts'
import { StoreUnavailable } from '../store/store.ts'

export type SignalSubject = RevocationSubject & { readonly loginId: string }

export interface LoginSignals {
  /** The signal of a login. It fires at `endsAt` (milliseconds since the epoch) at the latest. */
  of(subject: SignalSubject, endsAt: number): AbortSignal
  /** No cache entry needs the signal any more; streams may. */
  release(loginId: string): void
  /** Fires the signal now. */
  end(loginId: string): void
}

export interface LoginSignalsOptions {
  readonly revocations: Pick<Revocations, 'watch'>
  readonly clock: Clock
  /** How long an answer may go on: a released signal is held that long. */
  readonly streamsMs: number
  /** Signals held. Default 200,000. */
  readonly most?: number
  /** Told once of every login whose signal fires. */
  ended(loginId: string, why: 'revoked' | 'other'): void
}

interface Held {
  readonly abort: AbortController
  unwatch: () => void
  /** At `endsAt`, or after the last stream of a released signal. */
  timer: Timer
  readonly endsAt: number
  released: boolean
}

/** `let-go`: this replica stops watching, and the login may be as good as ever. */
type Why = 'revoked' | 'blind' | 'over' | 'let-go'

/** An outage or a full table is not the end of a login, so whoever rests on the signal is not told that (promise 3). */
function reasonOf(why: Why): StoreUnavailable | Refusal | undefined {
  if (why === 'blind') return new StoreUnavailable('the revocation log is out of sight')
  return why === 'let-go' ? new Refusal('shutting_down') : undefined
}

export function createLoginSignals(options: LoginSignalsOptions): LoginSignals {
  const { revocations, clock, streamsMs, most = 200_000 } = options
  // Insertion order is order of need: what is needed again is put back at the end.
  const held = new Map<string, Held>()

  const end = (loginId: string, why: Why) => {
    const signal = held.get(loginId)
    if (signal === undefined) return
    held.delete(loginId)
    signal.timer.cancel()
    signal.unwatch()
    signal.abort.abort(reasonOf(why))
    options.ended(loginId, why === 'revoked' ? why : 'other')
  }

  /** Timers cannot run for longer than 24 days and may fire early, so the end is looked at again. */
  const endAt = (loginId: string, at: number): Timer => {
    let timer = clock.after(at - clock.now(), function check() {
      if (clock.now() >= at) end(loginId, clock.now() >= (held.get(loginId)?.endsAt ?? at) ? 'over' : 'let-go')
      else timer = clock.after(at - clock.now(), check)
    })
    return { cancel: () => timer.cancel() }
  }

  return {
    of(subject, endsAt) {
      const { loginId } = subject
      const present = held.get(loginId)
      if (present !== undefined) {
        held.delete(loginId)
        held.set(loginId, present)
        if (present.released) {
          present.timer.cancel()
          present.timer = endAt(loginId, present.endsAt)
          present.released = false
        }
        return present.abort.signal
      }
      const abort = new AbortController()
      // One login may carry thousands of watches; each listens.
      setMaxListeners(0, abort.signal)
      const signal: Held = { abort, unwatch: () => {}, timer: endAt(loginId, endsAt), endsAt, released: false }
      held.set(loginId, signal)
      signal.unwatch = revocations.watch(subject, (why) => end(loginId, why))
      for (const oldest of held.keys().take(Math.max(0, held.size - most))) end(oldest, 'let-go')
      return abort.signal
    },
    release(loginId) {
      const signal = held.get(loginId)
      if (signal === undefined || signal.released) return
      signal.released = true
      signal.timer.cancel()
      signal.timer = endAt(loginId, Math.min(signal.endsAt, clock.now() + streamsMs))
    },
    end: (loginId) => end(loginId, 'over'),
  }
}

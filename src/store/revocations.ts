/**
 * Promise 4: logout and revocation take effect within 2 s on every replica, open streams included.
 *
 * Revocations are a sequenced log in the store. Every replica reads it twice a second, and each reading is also a
 * heartbeat that the store must accept as a write. A wake only makes a replica read at once; losing it costs half a
 * second. What a replica has seen holds from the moment its reading *began*, so a slow answer proves nothing new.
 *
 * Security: a replica that has not read for `blindAfterMs` is blind: callers must then believe no cached login, token
 * or decision (they answer 503), and after `blindForMs` without sight every watcher is told to end. A replica that
 * has never read is blind, and so is one that meets an entry which it cannot open or understand, because it cannot
 * tell whom that entry ends. (The mend is to put the removed sealing key back, or to delete the log in the store.)
 * The blindness timers run on the monotonic clock of the event loop and the age of the last sight on the wall clock:
 * whichever says "too long" first wins, so neither a stalled process nor a clock that was set back stays seeing.
 *
 * When the store has lost the log (another epoch, or a head that went back), and once a minute in any case, because an
 * entry may be taken out without a trace, the replica reads it from the start and appends again what it knows and the
 * log does not: revocations outlive the store's contents while one replica lives that has read them.
 */
import { type Clock, pause, type Timer } from '../clock.ts'
import { describeError, type Log } from '../log.ts'
import type { DatedRevocation, Revocation, RevocationSubject } from './revocation.ts'
import { decodeRevocation, encodeRevocation, revocationKey } from './revocation.ts'
import { RevocationList } from './revocation-list.ts'
import { RevocationWatchers, type Watcher } from './revocation-watchers.ts'
import { type KeyRing, open, SealBroken, seal } from './sealed.ts'
import { type LogPage, type Store, StoreUnavailable } from './store.ts'

export interface RevocationsOptions {
  readonly store: Store
  /** Entries name issuers, subjects and sessions, so they are sealed. */
  readonly ring: KeyRing
  readonly clock: Clock
  readonly log: Log
  /** Milliseconds between two readings. Default 500. */
  readonly pollMs?: number
  /** Milliseconds without sight until `blind`. Default 2000. */
  readonly blindAfterMs?: number
  /** Milliseconds without sight until watchers are ended. Default 30 s. */
  readonly blindForMs?: number
  /** How long a revocation matters: the longest life of a login and more. Default 8 h + 24 h. */
  readonly keepMs?: number
}

export interface Revocations {
  readonly name: 'revocations'
  /** Begins reading; resolves after the first reading, whether it succeeded or not. */
  start(): Promise<void>
  stop(): Promise<void>
  /**
   * Resolves once the revocation is in the store's log and in force on this replica; the others follow within 2 s.
   * Rejects with StoreUnavailable when that is not known; to revoke again is harmless.
   */
  revoke(revocation: Revocation): Promise<void>
  /** True when nothing that `check` says may be believed. */
  readonly blind: boolean
  /** Milliseconds since the last sight of the log; Infinity before the first. For metrics. */
  readonly sightAgeMs: number
  /** Whether a known revocation ends the subject. Means something only while not `blind`. */
  check(subject: RevocationSubject): boolean
  /**
   * Calls `end` once, within 2 s of a revocation on any replica, or when this replica has been without sight for
   * `blindForMs`; never from within `watch`. The returned function ends the watching.
   */
  watch(subject: RevocationSubject, end: (why: 'revoked' | 'blind') => void): () => void
  /** Calls `listener` when blindness begins (true) and ends (false). The returned function ends that. */
  onBlindness(listener: (blind: boolean) => void): () => void
}

const LOG_NAME = 'revocations'
const PLACE = { key: LOG_NAME, kind: 'revocation', generation: 0 }
const FORGET_EVERY_MS = 60_000
const WHOLE_EVERY_MS = 60_000
/** Clocks of replicas and store differ, so an entry that ends within this may be gone rightly. */
const ENDING_MS = 60_000
const APPEND_AT_ONCE = 100
/** A storm of wakes is read together, not one by one. */
const AFTER_WAKE_MS = 20

/** The revocations of one replica. Nothing happens before `start`. */
export function createRevocations(options: RevocationsOptions): Revocations {
  const { store, ring, clock, log } = options
  const { pollMs = 500, blindAfterMs = 2000, blindForMs = 30_000, keepMs = 32 * 3_600_000 } = options
  const list = new RevocationList()
  const watchers = new RevocationWatchers()
  const blindnessListeners = new Set<(blind: boolean) => void>()
  const stopping = new AbortController()
  let sleep = new AbortController()
  let running: Promise<void> | undefined
  let unlisten = () => {}
  let epoch: string | undefined
  let after = 0
  let wholeAt = -Infinity
  let lastSight: number | undefined
  let dark = true
  let ended = false
  let darkTimer: Timer | undefined
  let endTimer: Timer | undefined
  let forgotAt = clock.now()
  let failing = false

  /** The store answers in time, or its answer is not waited for any longer. */
  const bounded = <T>(answer: Promise<T>): Promise<T> => {
    const late = Promise.withResolvers<never>()
    const giveUp = () => late.reject(new StoreUnavailable('the store did not answer in time'))
    const timer = clock.after(blindAfterMs, giveUp)
    stopping.signal.addEventListener('abort', giveUp)
    return Promise.race([answer, late.promise]).finally(() => {
      timer.cancel()
      stopping.signal.removeEventListener('abort', giveUp)
    })
  }
  const notify = (task: () => void) => {
    try {
      task()
    } catch (error) {
      log.fault('a listener of revocations failed', error)
    }
  }
  const endWatcher = (watcher: Watcher, why: 'revoked' | 'blind') => {
    if (watchers.remove(watcher)) notify(() => watcher.end(why))
  }
  const apply = (dated: DatedRevocation) => {
    if (dated.at + keepMs <= clock.now() || !list.add(dated)) return
    for (const watcher of watchers.concerned(dated.revocation)) {
      if (list.revokes(watcher.subject)) endWatcher(watcher, 'revoked')
    }
  }

  const append = ({ revocation, at }: DatedRevocation) => {
    const sealed = seal(ring, PLACE, encodeRevocation({ revocation, at }))
    return bounded(store.append(LOG_NAME, sealed, at + keepMs - clock.now()))
  }
  const wakeOthers = () => void store.wake(LOG_NAME).catch(() => undefined)

  /** Applies the log from a page onwards; gives back the last sequence seen. */
  const follow = async (from: LogPage, start: number, seen?: Set<string>): Promise<number> => {
    let last = start
    for (let page = from; page.entries.length > 0; page = await bounded(store.read(LOG_NAME, last))) {
      if (page.epoch !== from.epoch) throw new StoreUnavailable('the log changed while it was read')
      for (const { sequence, value } of page.entries) {
        const dated = decodeRevocation(open(ring, PLACE, value))
        if (!dated) throw new SealBroken('malformed')
        apply(dated)
        seen?.add(revocationKey(dated.revocation))
        last = sequence
      }
      if (last >= page.head) break
    }
    return last
  }

  const catchUp = async () => {
    const began = clock.now()
    if (epoch !== undefined && Math.abs(began - wholeAt) < WHOLE_EVERY_MS) {
      const page = await bounded(store.read(LOG_NAME, after))
      if (page.epoch === epoch && page.head >= after) {
        after = await follow(page, after)
        return
      }
    }
    // Before the reading: what is revoked here meanwhile is in the log, and perhaps behind what was read of it.
    const known = [...list.all()]
    const begin = await bounded(store.read(LOG_NAME, 0))
    const seen = new Set<string>()
    const last = await follow(begin, 0, seen)
    const horizon = clock.now() - keepMs + ENDING_MS
    const lost = known.filter((dated) => dated.at > horizon && !seen.has(revocationKey(dated.revocation)))
    for (let at = 0; at < lost.length; at += APPEND_AT_ONCE) await Promise.all(lost.slice(at, at + APPEND_AT_ONCE).map(append))
    // Only now: had anything failed above, the next reading would do it all again.
    epoch = begin.epoch
    after = last
    wholeAt = began
    if (lost.length === 0) return
    log.warn('the store lost revocations; they were written again', { revocations: lost.length })
    wakeOthers()
  }

  const arm = (age: number) => {
    darkTimer?.cancel()
    endTimer?.cancel()
    darkTimer = clock.after(blindAfterMs - age, () => {
      if (dark) return
      dark = true
      log.warn('blind: the revocation log has not been read in time', { blindAfterMs })
      for (const listener of blindnessListeners) notify(() => listener(true))
    })
    endTimer = clock.after(blindForMs - age, () => {
      ended = true
      const watching = watchers.all()
      if (watching.length > 0) log.warn('blind for too long: ending what is open', { watchers: watching.length })
      for (const watcher of watching) endWatcher(watcher, 'blind')
    })
  }

  const poll = async () => {
    const began = clock.now()
    try {
      await catchUp()
    } catch (error) {
      if (!failing && !stopping.signal.aborted) log.warn('the revocation log cannot be read', describeError(error))
      failing = true
      return
    }
    failing = false
    const age = Math.max(0, clock.now() - began)
    if (age >= blindAfterMs || stopping.signal.aborted) return
    const wasDark = dark
    lastSight = began
    dark = ended = false
    arm(age)
    if (wasDark) for (const listener of blindnessListeners) notify(() => listener(false))
    if (clock.now() - forgotAt < FORGET_EVERY_MS) return
    forgotAt = clock.now()
    list.forget(forgotAt - keepMs)
  }

  const run = async (firstDone: () => void) => {
    while (!stopping.signal.aborted) {
      // Made before the reading: a wake that comes during it is not lost.
      sleep = new AbortController()
      await poll()
      firstDone()
      await pause(clock, pollMs, sleep.signal)
      await pause(clock, AFTER_WAKE_MS, stopping.signal)
    }
  }

  return {
    name: 'revocations',
    start() {
      const first = Promise.withResolvers<void>()
      unlisten = store.listen(LOG_NAME, () => sleep.abort())
      arm(0)
      running = run(first.resolve)
      return first.promise
    },
    async stop() {
      stopping.abort()
      sleep.abort()
      unlisten()
      darkTimer?.cancel()
      endTimer?.cancel()
      dark = true
      await running
    },
    async revoke(revocation) {
      const dated = { revocation, at: clock.now() }
      await append(dated)
      apply(dated)
      wakeOthers()
    },
    get blind() {
      return dark || lastSight === undefined || clock.now() - lastSight > blindAfterMs
    },
    get sightAgeMs() {
      return lastSight === undefined ? Infinity : Math.max(0, clock.now() - lastSight)
    },
    check: (subject) => list.revokes(subject),
    watch(subject, end) {
      const watcher: Watcher = { subject, end }
      watchers.add(watcher)
      // Whoever checked a moment ago and watches now must not miss what came between.
      if (ended || list.revokes(subject)) {
        queueMicrotask(() => endWatcher(watcher, list.revokes(subject) ? 'revoked' : 'blind'))
      }
      return () => void watchers.remove(watcher)
    },
    onBlindness(listener) {
      blindnessListeners.add(listener)
      return () => void blindnessListeners.delete(listener)
    },
  }
}

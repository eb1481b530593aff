/**
 * Settles the parts of limits that this replica holds with the store: each regularly, and in between when one runs low.
 *
 * A slow store is waited for: who did not wait would let through what other replicas let through as well. One that is away
 * is not: once it has said so, or has not answered for a second, every part counts by itself until the store has answered
 * again, however late, and what was counted meanwhile is told then.
 */
import type { Clock, Timer } from '../clock.ts'
import type { Store } from '../store/store.ts'
import type { LimitPart } from './limits-part.ts'

/** How long an attempt waits for an answer at most: for as long as the store itself takes until it gives up its connection. */
export const WAITED_MS = 1_000
/** Draws on their way at once when all are settled: whatever else is asked of the store comes in between. */
const AT_ONCE = 256
/** How many parts are looked at to find one to give up. */
const LOOKS = 16

export interface Settling {
  /** True while the store cannot be asked. */
  readonly alone: boolean
  /** True when a principal that had a part like this may have been given up within its window. */
  forgets(perMs: number, now: number): boolean
  /** Settles it regularly from now on, as the most recently used one. */
  touch(part: LimitPart, now: number): void
  /** Asks for more in the background. */
  refill(part: LimitPart): void
  /** Resolves once the store has answered or is given up. Never rejects. Whoever asks counts as `waiting` meanwhile. */
  ask(part: LimitPart): Promise<void>
  /** Settles a last time, and gives back what is held. */
  stop(): Promise<void>
}

export interface SettlingOptions {
  readonly store: Pick<Store, 'draw'>
  readonly clock: Clock
  /** How many parts of principals are kept at most: of more the one that was idle for longest is given up. */
  readonly most: number
  /** Told of a part that is not kept any more. */
  forget(part: LimitPart): void
}

export function createSettling({ store, clock, most, forget }: SettlingOptions): Settling {
  // Those of principals in the order in which they were used; those of all together are few, and are not given up.
  const parts = new Set<LimitPart>()
  const ofAll = new Set<LimitPart>()
  const asked = new Map<LimitPart, Promise<void>>()
  let timer: Timer | undefined
  let settling: Promise<void> | undefined
  let alone = false
  let stopped = false
  let givenUpAt: number | undefined

  function* kept(): Generator<LimitPart> {
    yield* ofAll
    yield* parts
  }

  const draw = (part: LimitPart, releases: boolean): Promise<void> => {
    const underWay = asked.get(part)
    if (underWay !== undefined) return underWay
    const since = clock.now()
    const drawing = store.draw(part.allowance, part.beginDraw(since, releases)).then(
      (drawn) => {
        part.endDraw(clock.now(), since, drawn)
        alone = false
      },
      () => {
        alone = true
      },
    )
    const ended = drawing.finally(() => asked.delete(part))
    asked.set(part, ended)
    return ended
  }

  const settleAll = async (due: readonly LimitPart[], releases: boolean) => {
    for (let at = 0; at < due.length; at += AT_ONCE)
      await Promise.all(due.slice(at, at + AT_ONCE).map((part) => draw(part, part.settle(clock.now()) ? releases : true)))
  }

  const tick = async () => {
    const now = clock.now()
    const due: LimitPart[] = []
    for (const part of kept()) {
      if (!part.isDue(now) || asked.has(part)) continue
      if (part.owesNow(now)) due.push(part)
      else if (!part.owes && now - part.usedAt > part.rate.perMs) drop(part)
      else part.settle(now)
    }
    await settleAll(due, false)
  }

  const drop = (part: LimitPart) => {
    parts.delete(part)
    ofAll.delete(part)
    forget(part)
  }

  /** What is under way for it first: only then it is known what remains to be told. */
  const giveUp = (part: LimitPart, now: number) => {
    givenUpAt = now
    drop(part)
    void (asked.get(part) ?? Promise.resolve()).then(() => (part.owes ? draw(part, true) : undefined))
  }

  /** Makes room for `newest`. A part that is waited for is in use: where all are, more are kept for as long as that takes. */
  const giveUpIdlest = (newest: LimitPart, now: number) => {
    let looks = 0
    for (const part of parts) {
      if (parts.size <= most || ++looks > LOOKS) return
      if (part !== newest && part.waiting === 0) giveUp(part, now)
    }
  }

  const arm = () => {
    if (timer !== undefined || stopped) return
    let every = Number.POSITIVE_INFINITY
    for (const part of kept()) {
      every = Math.min(every, part.settleEveryMs)
      if (every <= 100) break
    }
    if (every === Number.POSITIVE_INFINITY) return
    timer = clock.after(every, () => {
      settling = tick().finally(() => {
        timer = undefined
        arm()
      })
    })
  }

  return {
    get alone() {
      return alone
    },
    forgets: (perMs, now) => givenUpAt !== undefined && now >= givenUpAt && now - givenUpAt < perMs,
    touch(part, now) {
      // In turn by seconds: a Set that loses and regains one member all the time searches through all its traces.
      const second = Math.floor(now / 1_000)
      if (part.touchedIn === second) return
      part.touchedIn = second
      if (part.ofAll) ofAll.add(part)
      else {
        parts.delete(part)
        parts.add(part)
        giveUpIdlest(part, now)
      }
      arm()
    },
    refill(part) {
      if (!alone && !asked.has(part)) void draw(part, false)
    },
    async ask(part) {
      const tooLong = Promise.withResolvers<void>()
      let ended = false
      const giveUpWaiting = () => {
        if (ended) return
        alone = true
        tooLong.resolve()
      }
      // After a stall of our own process the answer may already lie in the socket: one turn to read it first.
      const patience = clock.after(WAITED_MS, () => void setImmediate(giveUpWaiting))
      await Promise.race([draw(part, false), tooLong.promise])
      ended = true
      patience.cancel()
    },
    async stop() {
      stopped = true
      timer?.cancel()
      await settling
      await Promise.all(asked.values())
      if (!alone)
        await settleAll(
          [...kept()].filter((part) => part.owes),
          true,
        )
    },
  }
}

/**
 * Settles the parts of limits that this replica holds with the store: each regularly, and in between when one runs low.
 *
 * A store that is away, or slower than a request may wait, is not waited for: from then on every part counts by itself
 * until the store has answered again, and what was counted meanwhile is told then.
 */
import type { Clock, Timer } from '../clock.ts'
import type { Store } from '../store/store.ts'
import type { LimitPart } from './limits-part.ts'

/** How long an attempt waits for the store at most. */
const WAITED_MS = 100
/** Draws on their way at once when all are settled: whatever else is asked of the store comes in between. */
const AT_ONCE = 256

export interface Settling {
  /** True while the store cannot be asked. */
  readonly alone: boolean
  /** Settles it regularly from now on, as the most recently used one. */
  touch(part: LimitPart, now: number): void
  /** Asks for more in the background. */
  refill(part: LimitPart): void
  /** Resolves once the store has answered or is given up. Never rejects. */
  ask(part: LimitPart): Promise<void>
  /** Settles a last time, and gives back what is held. */
  stop(): Promise<void>
}

export interface SettlingOptions {
  readonly store: Pick<Store, 'draw'>
  readonly clock: Clock
  /** How many parts are kept at most: of more the one that was idle for longest is given up. */
  readonly most: number
  /** Told of a part that is not kept any more. */
  forget(part: LimitPart): void
}

export function createSettling({ store, clock, most, forget }: SettlingOptions): Settling {
  // In the order in which they were used.
  const parts = new Set<LimitPart>()
  const asked = new Map<LimitPart, Promise<void>>()
  let timer: Timer | undefined
  let settling: Promise<void> | undefined
  let alone = false
  let stopped = false

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
    for (const part of parts) {
      if (!part.isDue(now) || asked.has(part)) continue
      if (part.owesNow(now)) due.push(part)
      else if (!part.owes && now - part.usedAt > part.rate.perMs) drop(part)
      else part.settle(now)
    }
    await settleAll(due, false)
  }

  const drop = (part: LimitPart) => {
    parts.delete(part)
    forget(part)
  }

  /** What is under way for it first: only then it is known what remains to be told. */
  const giveUp = (part: LimitPart) => {
    drop(part)
    void (asked.get(part) ?? Promise.resolve()).then(() => (part.owes ? draw(part, true) : undefined))
  }

  const arm = () => {
    if (timer !== undefined || stopped || parts.size === 0) return
    const [first] = parts
    let every = first?.settleEveryMs ?? 0
    for (const part of parts) {
      every = Math.min(every, part.settleEveryMs)
      if (every <= 100) break
    }
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
    touch(part, now) {
      // In turn by seconds: a Set that loses and regains one member all the time searches through all its traces.
      const second = Math.floor(now / 1_000)
      if (part.touchedIn === second) return
      part.touchedIn = second
      parts.delete(part)
      parts.add(part)
      if (parts.size > most) {
        const [idlest] = parts
        if (idlest !== undefined) giveUp(idlest)
      }
      arm()
    },
    refill(part) {
      if (!alone && !asked.has(part)) void draw(part, false)
    },
    async ask(part) {
      const tooLong = Promise.withResolvers<void>()
      const patience = clock.after(WAITED_MS, () => {
        alone = true
        tooLong.resolve()
      })
      part.waiting += 1
      await Promise.race([draw(part, false), tooLong.promise])
      part.waiting -= 1
      patience.cancel()
    },
    async stop() {
      stopped = true
      timer?.cancel()
      await settling
      await Promise.all(asked.values())
      if (!alone)
        await settleAll(
          [...parts].filter((part) => part.owes),
          true,
        )
    },
  }
}

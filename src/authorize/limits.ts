/**
 * How often a route may be used: so often by one principal, and so often by all of them together.
 *
 * Decorates the authorizer: what the rules refuse is not counted, and neither is what a limit refuses, so whoever waits
 * as long as they are told is let in. A limit is of all replicas together: in any window of its length they let through no more than
 * it says, and at most one attempt more for each replica, with which a replica begins before it has asked the store. That
 * is decided without waiting, by the part of the limit that this replica holds (`limits-part.ts`); only when that is
 * used up an attempt waits for the store, which counts as away when it says so or has not answered within a second. A store
 * that is slow makes attempts wait, and lets no more of them through. What a replica holds and does not use, the others have
 * within a second; what one held that ended without a word, after ten.
 *
 * Security: by principal and not by proof, since tokens cost nothing to get. While the store is away nobody is refused for
 * that: every replica goes on with what it counts itself and last knew of the others, of which it takes so much to be free
 * again as time passes (`limits-known.ts`), so each lets through at most the limit and one. A principal that is forgotten
 * because of too many others is asked about in the store before its next attempt, and during an outage begins anew.
 */
import { randomBytes } from 'node:crypto'
import type { Clock } from '../clock.ts'
import { Refusal } from '../errors.ts'
import { type Caller, principalKey } from '../principal.ts'
import type { Store } from '../store/store.ts'
import type { Authorizer } from './authorizer.ts'
import { LimitPart, type LimitRate } from './limits-part.ts'
import { createSettling, WAITED_MS } from './limits-settling.ts'

export interface Limit {
  readonly perPrincipal?: LimitRate | undefined
  readonly total?: LimitRate | undefined
}

export interface LimitsOptions {
  /** By resource, as `type/id`. */
  readonly limits: ReadonlyMap<string, Limit>
  readonly store: Pick<Store, 'draw'>
  readonly clock: Clock
  /** Told of each attempt that a limit refuses, by resource. */
  observe(resource: string): void
  /** How many principals are known at most, all routes together, besides those whose attempts wait for the store. Default 20,000. */
  readonly most?: number
}

export interface LimitedAuthorizer extends Authorizer {
  /** Tells the store what it does not know yet. Never rejects. */
  stop(): Promise<void>
}

const MOST_PARTS = 20_000
const ALL = ''

interface Limited {
  readonly limit: Limit
  readonly resource: string
  /** By digest of the principal; `ALL` for all together. */
  readonly parts: Map<string, LimitPart>
}

/** Authorizes as `rules` do, as long as the limits have room. */
export function createLimits(rules: Authorizer, options: LimitsOptions): LimitedAuthorizer {
  const { store, clock, observe, most = MOST_PARTS } = options
  const replica = randomBytes(9).toString('base64url')
  const limited = new Map(
    [...options.limits].map(([resource, limit]): [string, Limited] => [resource, { resource, limit, parts: new Map() }]),
  )
  const places = new WeakMap<LimitPart, () => void>()
  const settling = createSettling({ store, clock, most, forget: (part) => places.get(part)?.() })
  let made = 0

  const partOf = ({ resource, parts }: Limited, rate: LimitRate, key: string, now: number): LimitPart => {
    const known = parts.get(key)
    if (known !== undefined) return known
    const allowance = `limit/${resource}/${rate.count}/${rate.perMs}/${key}`
    // A part that was forgotten and comes again is another holder: the store has heard of other draws.
    const holder = `${replica}${(made++).toString(36)}`
    const ofAll = key === ALL
    const room = ofAll || !settling.forgets(rate.perMs, now) ? 1 : 0
    const part = new LimitPart({ allowance, rate, holder, ofAll, room }, now)
    parts.set(key, part)
    places.set(part, () => parts.delete(key))
    return part
  }

  const partsOf = (of: Limited, caller: Caller): LimitPart[] => {
    const { perPrincipal, total } = of.limit
    const now = clock.now()
    const parts = perPrincipal === undefined ? [] : [partOf(of, perPrincipal, principalKey(caller.principal), now)]
    if (total !== undefined) parts.push(partOf(of, total, ALL, now))
    for (const part of parts) settling.touch(part, now)
    return parts
  }

  /** Throws Refusal `too_many_requests` once there is no room in one of them. Takes from all or from none. */
  const takeFrom = async (of: Limited, caller: Caller): Promise<void> => {
    const began = clock.now()
    for (;;) {
      const parts = partsOf(of, caller)
      const now = clock.now()
      const waits = parts.map((part) => part.waitAt(now, settling.alone))
      const longest = Math.max(...waits.map((wait) => wait ?? 0))
      if (longest > 0) refuse(of, parts[waits.indexOf(longest)], longest)
      const unknown = parts.find((_, at) => waits[at] === undefined)
      if (unknown === undefined) return take(parts, now)
      // What a slow store grants may go to others each time: nobody stands in line for that.
      if (Math.abs(now - began) >= WAITED_MS) refuse(of, unknown, unknown.settleEveryMs)
      // Until it is looked at again in this same step: what was asked for is not to be given up just then.
      unknown.waiting += 1
      await settling.ask(unknown)
      unknown.waiting -= 1
    }
  }

  const refuse = (of: Limited, part: LimitPart | undefined, waitMs: number): never => {
    observe(of.resource)
    throw refusalOf(part, waitMs)
  }

  const take = (parts: readonly LimitPart[], now: number): void => {
    for (const part of parts) {
      part.take(now)
      if (part.runsLow(now)) settling.refill(part)
    }
  }

  return {
    async authorize(question) {
      const decision = await rules.authorize(question)
      if (decision.effect !== 'allow') return decision
      const of = limited.get(`${question.resource.type}/${question.resource.id}`)
      if (of !== undefined) await takeFrom(of, question.caller)
      return decision
    },
    stop: () => settling.stop(),
  }
}

const PERIODS: Readonly<Record<number, string>> = { 1000: 'a second', 60000: 'a minute', 3600000: 'an hour' }

function refusalOf(part: LimitPart | undefined, waitMs: number): Refusal {
  const { count = 0, perMs = 0 } = part?.rate ?? {}
  const of = part?.ofAll ? 'all callers together' : 'one caller'
  const detail = `at most ${count} ${PERIODS[perMs] ?? `in ${perMs} ms`} of ${of}`
  return new Refusal('too_many_requests', { retryAfterSeconds: Math.max(1, Math.ceil(waitMs / 1_000)), detail })
}

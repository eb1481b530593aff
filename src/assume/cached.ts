/**
 * Caches credentials and joins concurrent acquisitions (promise 2).
 *
 * Security: the key is made of issuer, subject, actor, the proof (login id or token digest), and the whole target. Two
 * callers with different proof never share an entry or a flight (Pomerium #6165: a flight keyed by host gave users
 * each other's tokens). Only grants are kept; refusals are asked anew.
 *
 * A target that refuses a credential (401) has it renewed, because an issuer may have rotated its keys or taken a token
 * back. Some targets say 401 whatever they are sent, and a caller who asks for that in a loop would have Mandate flood the
 * issuer. So what is given up is the very credential that was refused, never one that was obtained since, and one caller
 * has one renewal for a target in half a minute.
 */
import type { Clock } from '../clock.ts'
import type { Credential } from '../credential.ts'
import { type Caller, callerKey } from '../principal.ts'
import type { Assumption, CredentialSource, Target } from './credential-source.ts'

export interface CacheObserver {
  hit(): void
  acquired(result: Assumption['result'] | 'threw'): void
}

const MOST_ENTRIES = 50_000
const MOST_MARGIN_MS = 5 * 60_000
const SWEEP_EVERY_MS = 60_000
const RENEWED_ONCE_IN_MS = 30_000

interface Cached {
  readonly credential: Credential
  /** After this the credential is not handed out any more. */
  readonly useUntil: number
}

/** The key of a caller and target. Injective: JSON separates the parts. */
export function acquisitionKey(caller: Caller, target: Target): string {
  return JSON.stringify([callerKey(caller), target.id, target.audience, target.scopes, target.claims, target.resource])
}

/** Wraps a source. A credential is renewed min(5 minutes, a fifth of the rest of its life) before it expires. */
export function cached(source: CredentialSource, clock: Clock, observer: CacheObserver): CredentialSource {
  const entries = new Map<string, Cached>()
  const flights = new Map<string, Promise<Assumption>>()
  /** Until when a credential of this key is not given up again. Apart from the entries: it outlives them. */
  const renewedUntil = new Map<string, number>()
  let sweptAt = clock.now()

  const acquire = async (key: string, caller: Caller, target: Target): Promise<Assumption> => {
    try {
      const answer = await source.assume(caller, target)
      observer.acquired(answer.result)
      if (answer.result === 'granted' && !caller.ended.aborted) keep(key, answer.credential)
      return answer
    } catch (error) {
      observer.acquired('threw')
      throw error
    }
  }

  /** Credentials past their use are of no use to anybody but a thief of this memory. */
  const sweep = () => {
    sweptAt = clock.now()
    for (const [key, { useUntil }] of entries) if (useUntil <= sweptAt) entries.delete(key)
    for (const [key, until] of renewedUntil) if (until <= sweptAt) renewedUntil.delete(key)
  }

  const keep = (key: string, credential: Credential) => {
    if (clock.now() - sweptAt >= SWEEP_EVERY_MS) sweep()
    const life = credential.expiresAt - clock.now()
    entries.set(key, { credential, useUntil: credential.expiresAt - Math.min(MOST_MARGIN_MS, life / 5) })
    dropOldest(entries)
  }

  return {
    async assume(caller, target) {
      const key = acquisitionKey(caller, target)
      const entry = entries.get(key)
      if (entry !== undefined && clock.now() < entry.useUntil) {
        observer.hit()
        return { result: 'granted', credential: entry.credential }
      }
      if (entry !== undefined) entries.delete(key)
      let flight = flights.get(key)
      if (flight === undefined) {
        // Not within `acquire`: a source that throws at once would end its flight before it is entered.
        flight = acquire(key, caller, target).finally(() => flights.delete(key))
        flights.set(key, flight)
      }
      return flight
    },
    evict(caller, target, refused) {
      const key = acquisitionKey(caller, target)
      const entry = entries.get(key)
      // Somebody has obtained another one since, or is about to.
      if (entry === undefined ? flights.has(key) : !isSame(entry.credential, refused)) return true
      const now = clock.now()
      if (now < (renewedUntil.get(key) ?? 0)) return false
      // The newest last: the first is the oldest.
      renewedUntil.delete(key)
      renewedUntil.set(key, now + RENEWED_ONCE_IN_MS)
      dropOldest(renewedUntil)
      entries.delete(key)
      source.evict?.(caller, target, refused)
      return true
    },
  }
}

function dropOldest(map: Map<string, unknown>): void {
  const oldest = map.size > MOST_ENTRIES ? map.keys().next().value : undefined
  if (oldest !== undefined) map.delete(oldest)
}

/** One that was dressed with headers since (`identified.ts`) is the same. */
function isSame(kept: Credential, refused: Credential): boolean {
  return kept === refused || (kept.kind === 'bearer' && refused.kind === 'bearer' && kept.token === refused.token)
}

/**
 * Does not ask at once again what was just refused, for sources that ask an issuer at each attempt.
 *
 * Security: one caller in a tight loop, refused each time, would otherwise be a flood at the issuer in Mandate's name,
 * and an issuer that said how long to wait would be asked all the same. What is kept is kept by caller, proof and target,
 * as grants are, so nobody is refused for somebody else. There are two exceptions:
 * - "Too many" holds for whatever else the principal shows by the same client and actor, for half a minute at most: with a
 *   new token for each request they would be asked about all the same. What a service is told that shows a token of
 *   theirs is not said to them.
 * - An issuer that does not take Mandate's client answers everybody so, and is left alone for that target by all callers of
 *   the provider.
 * What else cannot be told (503) is not kept: it is over when it is over. A target that refuses a credential shortens no wait.
 */
import type { Clock } from '../clock.ts'
import type { Caller } from '../principal.ts'
import { acquisitionKey } from './cached.ts'
import type { Assumption, CredentialSource, Target } from './credential-source.ts'

const REFUSED_FOR_MS = 1_000
const OTHER_PROOF_MOST_MS = 30_000
const MOST_ENTRIES = 10_000

interface Kept {
  readonly answer: Assumption
  readonly until: number
}

/** Wraps a source. A refusal holds for a second, "too many" for as long as the issuer said. */
export function patient(source: CredentialSource, clock: Clock): CredentialSource {
  const kept = new Map<string, Kept>()
  const keep = (key: string, answer: Assumption, forMs: number) => {
    // The newest last: the first is the oldest, and most likely over.
    kept.delete(key)
    kept.set(key, { answer, until: clock.now() + forMs })
    const oldest = kept.size > MOST_ENTRIES ? kept.keys().next().value : undefined
    if (oldest !== undefined) kept.delete(oldest)
  }
  const holding = (key: string): Kept | undefined => {
    const before = kept.get(key)
    if (before === undefined || clock.now() < before.until) return before
    kept.delete(key)
    return undefined
  }
  return {
    async assume(caller, target) {
      const [own, who, all] = [acquisitionKey(caller, target), whoKey(caller, target), providerKey(caller, target)]
      const before = holding(own) ?? holding(who) ?? holding(all)
      if (before !== undefined) return remaining(before.answer, before.until - clock.now())
      const answer = await source.assume(caller, target)
      if (answer.result === 'refused' || answer.result === 'needs-interaction') keep(own, answer, REFUSED_FOR_MS)
      if (answer.result === 'too-many') {
        const ms = answer.retryAfterSeconds * 1000
        keep(own, answer, ms)
        keep(who, answer, Math.min(ms, OTHER_PROOF_MOST_MS))
      }
      if (isClientRefused(answer)) keep(all, answer, REFUSED_FOR_MS)
      return answer
    },
    evict: (caller, target, refused) => source.evict?.(caller, target, refused) ?? false,
  }
}

function isClientRefused(answer: Assumption): boolean {
  return answer.result === 'unavailable' && answer.refusal.code === 'credential_unavailable'
}

/** Of a principal by one client and one actor, whatever they show. It begins with a word of its own, as that below does. */
function whoKey({ principal: { provider, issuer, subject, actor }, proof }: Caller, target: Target): string {
  const by = [actor?.issuer, actor?.subject, proof.kind === 'bearer' ? proof.client : undefined]
  return JSON.stringify(['who', provider, issuer, subject, by, target])
}

/** Of all callers of a provider. It begins with a word where the key of one caller has who they are: no two of them meet. */
function providerKey({ principal }: Caller, target: Target): string {
  return JSON.stringify(['all', principal.provider, target])
}

function remaining(answer: Assumption, ms: number): Assumption {
  return answer.result === 'too-many' ? { ...answer, retryAfterSeconds: Math.ceil(ms / 1000) } : answer
}

/**
 * Does not ask at once again what was just refused, for sources that ask an issuer at each attempt.
 *
 * Security: one caller in a tight loop, refused each time, would otherwise be a flood at the issuer in Mandate's name,
 * and an issuer that said how long to wait would be asked all the same. What is kept is kept by caller, proof and target,
 * as grants are, so nobody is refused for somebody else. What cannot be told (503) is not kept: it is over when it is over.
 */
import type { Clock } from '../clock.ts'
import { acquisitionKey } from './cached.ts'
import type { Assumption, CredentialSource } from './credential-source.ts'

const REFUSED_FOR_MS = 1_000
const MOST_ENTRIES = 10_000

/** Wraps a source. A refusal holds for a second, "too many" for as long as the issuer said. */
export function patient(source: CredentialSource, clock: Clock): CredentialSource {
  const kept = new Map<string, { readonly answer: Assumption; readonly until: number }>()
  const keep = (key: string, answer: Assumption, forMs: number) => {
    // The newest last: the first is the oldest, and most likely over.
    kept.delete(key)
    kept.set(key, { answer, until: clock.now() + forMs })
    const oldest = kept.size > MOST_ENTRIES ? kept.keys().next().value : undefined
    if (oldest !== undefined) kept.delete(oldest)
  }
  return {
    async assume(caller, target) {
      const key = acquisitionKey(caller, target)
      const before = kept.get(key)
      if (before !== undefined && clock.now() < before.until) return remaining(before.answer, before.until - clock.now())
      kept.delete(key)
      const answer = await source.assume(caller, target)
      if (answer.result === 'refused') keep(key, answer, REFUSED_FOR_MS)
      if (answer.result === 'too-many') keep(key, answer, answer.retryAfterSeconds * 1000)
      return answer
    },
    evict(caller, target) {
      kept.delete(acquisitionKey(caller, target))
      source.evict?.(caller, target)
    },
  }
}

function remaining(answer: Assumption, ms: number): Assumption {
  return answer.result === 'too-many' ? { ...answer, retryAfterSeconds: Math.ceil(ms / 1000) } : answer
}

/**
 * Whether Mandate could take a token of a provider as a bearer, judged by what cannot change its mind: `typ` and `aud`.
 *
 * Security: whoever holds such a token is that person at Mandate, so it must not be handed to a cluster. This may say
 * yes to a token that would be refused for its other claims, and never no to one that would be taken.
 */
import { type Judged, ruleOf } from './bearer-rules/rule-of.ts'

/** The parts of a token that decide; `typ` in lower case and without `application/`. */
export interface TokenForm {
  readonly typ: string | undefined
  readonly audiences: readonly string[]
}

/** A provider that is not configured takes nothing. */
export function takenAsBearer(provider: Judged | undefined, { typ, audiences }: TokenForm): boolean {
  if (provider === undefined) return false
  const { types, audience } = ruleOf(provider)
  const named =
    typeof audience === 'string' ? audiences.includes(audience) : audiences.length === 0 || audiences.includes(audience.ifPresent)
  return named && types.includes(typ)
}

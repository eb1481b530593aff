/**
 * Whether Mandate could take a token of a provider as a bearer, judged by what cannot change its mind: `typ` and `aud`.
 *
 * Security: whoever holds such a token is that person at Mandate, so it must not be handed to a cluster. This may say
 * yes to a token that would be refused for its other claims, and never no to one that would be taken.
 */
import type { ProviderConfig } from '../config/provider.ts'
import { allowedTypes } from './bearer-jwt-kind.ts'

/** The parts of a token that decide; `typ` in lower case and without `application/`. */
export interface TokenForm {
  readonly typ: string | undefined
  readonly audiences: readonly string[]
}

/** A provider that is not configured takes nothing. */
export function takenAsBearer(
  provider: Pick<ProviderConfig, 'accept' | 'accessTokenType' | 'audience'> | undefined,
  { typ, audiences }: TokenForm,
): boolean {
  return provider !== undefined && audiences.includes(provider.audience) && allowedTypes(provider).includes(typ)
}

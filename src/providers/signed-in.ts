/** What a verified ID token and the tokens beside it amount to. */
import type { ProviderConfig } from '../config/provider.ts'
import { principalOf, shownClaims } from './claims.ts'
import type { SignedIn, TokenSet } from './tokens.ts'
import type { VerifiedJwt } from './verify.ts'

/**
 * Groups come from the ID token alone. The userinfo endpoint is not asked when it has none: its answer is not signed, it
 * could not be had again for a bearer of the same person, and it would be a call more on every sign-in.
 * Throws Refusal `token_claims_invalid`.
 */
export function signedInOf({ claims }: VerifiedJwt, tokens: TokenSet, config: ProviderConfig): SignedIn {
  const { sid } = claims
  return {
    principal: principalOf('person', claims, config),
    shown: shownClaims(claims, config),
    tokens,
    sid: typeof sid === 'string' && sid !== '' ? sid : undefined,
  }
}

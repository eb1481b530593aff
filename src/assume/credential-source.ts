/**
 * The contract of the third step: a credential with the caller's rights for the target, or fewer; never the broker's.
 *
 * The target comes from the matched route alone, never from anything the request names.
 */
import type { Credential } from '../credential.ts'
import type { Refusal } from '../errors.ts'
import type { Caller } from '../principal.ts'

/** What a credential is for. Every field is part of the cache and flight key. */
export interface Target {
  /** The configured cluster or route. */
  readonly id: string
  readonly audience: string
  readonly scopes: readonly string[]
  /** The resource that an issuer is asked for besides or instead of an audience (RFC 8707). */
  readonly resource?: string
  /** An issuer's claims challenge that the credential must answer. */
  readonly claims?: string
}

export type Assumption =
  | { readonly result: 'granted'; readonly credential: Credential }
  | { readonly result: 'refused'; readonly refusal: Refusal }
  | { readonly result: 'needs-interaction'; readonly refusal: Refusal }
  | { readonly result: 'too-many'; readonly retryAfterSeconds: number }
  | { readonly result: 'unavailable'; readonly refusal: Refusal }

export interface CredentialSource {
  assume(caller: Caller, target: Target): Promise<Assumption>
  /**
   * Forgets the credential that the target just refused (401). True when the next `assume` may give another one; false
   * when it gives the same, because that one was itself obtained for such an answer a moment ago: then the target's
   * answer is the caller's. Absent where nothing is remembered.
   */
  evict?(caller: Caller, target: Target, refused: Credential): boolean
}

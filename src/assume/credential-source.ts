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
  /** Forgets what is cached for this caller and target, after the target said 401. */
  evict?(caller: Caller, target: Target): void
}

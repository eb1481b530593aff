/**
 * Verifies an ID token that came for Mandate's own client (OpenID Connect Core 3.1.3.7), at sign-in and at refresh.
 *
 * Security: the signature is verified with the issuer's keys although the token came over TLS from the token endpoint
 * (3.1.3.7 point 6 would allow to skip it): what is kept, shown and forwarded later must stand by itself. A token
 * that calls itself something else (Keycloak writes `typ` into its claims, Cognito `token_use`) is none, so an access or
 * logout token of the same client cannot be passed off as one.
 */
import { createHash } from 'node:crypto'
import type { Clock } from '../clock.ts'
import type { ProviderConfig } from '../config/provider.ts'
import { Refusal } from '../errors.ts'
import { Secret } from '../secret.ts'
import type { IssuerKeys } from './keys.ts'
import { type VerifiedJwt, verifyJwt } from './verify.ts'

/** What the token must be bound to, as far as it is known. */
export interface IdTokenBinding {
  /** Required to be equal when given. */
  readonly nonce?: string
  /** Checked against `at_hash` when the token has one (3.1.3.6). */
  readonly accessToken?: Secret
}

/** Throws Refusal `token_*` or `issuer_unavailable`. */
export type VerifyIdToken = (token: Secret, binding: IdTokenBinding) => Promise<VerifiedJwt>

export function createVerifyIdToken(
  config: Pick<ProviderConfig, 'issuer' | 'clientId' | 'algorithms'>,
  { keys, clock }: { readonly keys: Pick<IssuerKeys, 'find'>; readonly clock: Clock },
): VerifyIdToken {
  const { issuer, clientId, algorithms } = config
  return async (token, { nonce, accessToken }) => {
    const verified = await verifyJwt(token, { issuer, audience: clientId, algorithms, keys, clock, types: ['jwt', undefined] })
    const { claims, alg } = verified
    requireIdTokenKind(verified)
    const { azp } = claims
    if ((claims.aud.length > 1 || azp !== undefined) && azp !== clientId)
      throw new Refusal('token_audience_wrong', { detail: 'azp is another client' })
    if (nonce !== undefined && (typeof claims['nonce'] !== 'string' || !new Secret(claims['nonce']).equals(new Secret(nonce)))) {
      throw new Refusal('token_claims_invalid', { detail: 'the nonce is not the one that was sent' })
    }
    const hash = claims['at_hash']
    if (accessToken !== undefined && hash !== undefined && hash !== leftHalf(alg, accessToken)) {
      throw new Refusal('token_claims_invalid', { detail: 'at_hash belongs to another access token' })
    }
    return verified
  }
}

/** Refuses what says of itself that it is no ID token. Throws Refusal `token_type_wrong`. */
export function requireIdTokenKind({ claims }: VerifiedJwt): void {
  const { typ, token_use: use, events } = claims
  if ((typ !== undefined && typ !== 'ID') || (use !== undefined && use !== 'id') || events !== undefined)
    throw new Refusal('token_type_wrong', { detail: 'its claims say that it is no ID token' })
}

/** The left half of the hash that belongs to the signature algorithm; Ed25519 hashes with SHA-512. */
function leftHalf(alg: string, accessToken: Secret): string {
  const hash = createHash(alg === 'EdDSA' ? 'sha512' : `sha${alg.slice(-3)}`)
    .update(accessToken.expose(), 'ascii')
    .digest()
  return hash.subarray(0, hash.length / 2).toString('base64url')
}

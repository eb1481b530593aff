/**
 * No credential: a service learns from identity headers alone who asks (`identified.ts`), and believes Mandate because
 * nobody else can reach it.
 */
import type { IdentityCredential } from '../credential.ts'
import type { CredentialSource } from './credential-source.ts'

/** It holds for as long as the caller's proof does, which the door watches. */
const NOTHING: IdentityCredential = Object.freeze({ kind: 'identity', expiresAt: Number.POSITIVE_INFINITY })

/** A source that needs nobody's answer. */
export function createNone(): CredentialSource {
  return { assume: async () => ({ result: 'granted', credential: NOTHING }) }
}

/**
 * A corpus of bad bearer tokens, after the manner of Wycheproof: one good token, and every way we know of that a verifier
 * was ever talked into taking one that is not. Each comes with the name of its fault, for the name of the test.
 */
import { hostileAlgorithms } from './hostile/algorithms.ts'
import { hostileClaims } from './hostile/claims.ts'
import { createForge, type GoodToken, type HostileToken } from './hostile/forge.ts'
import { hostileForms } from './hostile/forms.ts'
import { hostileKeys } from './hostile/keys.ts'

export type { GoodToken, HostileToken }

/**
 * All of them for this good token, whose private key signs those that are wrong only in what they say. The key may be RSA
 * (RS256), P-256 (ES256) or Ed25519 (EdDSA). Names are unique.
 */
export async function hostileTokens(good: GoodToken): Promise<readonly HostileToken[]> {
  const forge = createForge(good)
  return [...hostileAlgorithms(forge), ...hostileKeys(forge), ...(await hostileForms(forge)), ...hostileClaims(forge)]
}

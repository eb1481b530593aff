/** The issuer's signing keys: one signs, all are published, so that tokens from before a rotation still verify. */
import { generateKeyPair, type KeyObject, randomUUID } from 'node:crypto'
import { promisify } from 'node:util'
import type { JWK } from 'jose'
import type { IssuerSigningAlg } from './options.ts'

/** A key that the issuer signs with. The JWKs carry `kid`, `alg` and `use`. */
export interface SigningKey {
  readonly kid: string
  readonly alg: IssuerSigningAlg
  readonly privateKey: KeyObject
  readonly publicKey: KeyObject
  readonly privateJwk: JWK & { readonly kid: string }
  readonly publicJwk: JWK & { readonly kid: string }
}

const generate = promisify(generateKeyPair)

/** A new key for `alg`. RSA keys have 2048 bits, the least that JWA (RFC 7518 section 3.3) allows: they are made at each start. */
export async function createSigningKey(alg: IssuerSigningAlg): Promise<SigningKey> {
  const { privateKey, publicKey } = await pairFor(alg)
  const names = { kid: randomUUID(), alg, use: 'sig' }
  return {
    kid: names.kid,
    alg,
    privateKey,
    publicKey,
    privateJwk: { ...privateKey.export({ format: 'jwk' }), ...names },
    publicJwk: { ...publicKey.export({ format: 'jwk' }), ...names },
  }
}

function pairFor(alg: IssuerSigningAlg): Promise<{ privateKey: KeyObject; publicKey: KeyObject }> {
  switch (alg) {
    case 'RS256':
    case 'PS256':
      return generate('rsa', { modulusLength: 2048 })
    case 'ES256':
      return generate('ec', { namedCurve: 'P-256' })
    case 'EdDSA':
      return generate('ed25519', {})
  }
}

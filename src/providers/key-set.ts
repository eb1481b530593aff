/**
 * Turns a JWK Set (RFC 7517 section 5) into the keys that may verify, and drops every other member without a word:
 * sets legitimately hold encryption keys and kinds that we do not know (section 5: SHOULD be ignored).
 *
 * Security, what is not taken:
 * - symmetric keys (`oct`): a published secret would let anybody sign, and it is half of the HS/RS confusion;
 * - keys with private members: whoever read the set can sign with them;
 * - RSA under 2048 bits (RFC 7518 section 3.3), over 8192 (each check would cost us much), or with an exponent below 3;
 * - keys whose kty, crv, alg, use or key_ops do not fit an allowed algorithm;
 * - one `kid` on two different keys (section 4.5: SHOULD be distinct): both are left out, because which one is meant
 *   cannot be told. The same key listed twice counts once.
 */
import { createPublicKey, type KeyObject, type webcrypto } from 'node:crypto'
import { IssuerAnswerFaulty, isObject } from './issuer-json.ts'

/** A key that verifies, with the allowed algorithms it fits. */
export interface SigningKey {
  readonly kid: string | undefined
  readonly algorithms: readonly string[]
  readonly key: KeyObject
}

const MOST_KEYS = 100
const PRIVATE_MEMBERS = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k', 'priv'] as const

const FORMS: Readonly<Record<string, { readonly kty: string; readonly crv?: string }>> = {
  RS256: { kty: 'RSA' },
  RS384: { kty: 'RSA' },
  RS512: { kty: 'RSA' },
  PS256: { kty: 'RSA' },
  PS384: { kty: 'RSA' },
  PS512: { kty: 'RSA' },
  ES256: { kty: 'EC', crv: 'P-256' },
  ES384: { kty: 'EC', crv: 'P-384' },
  ES512: { kty: 'EC', crv: 'P-521' },
  EdDSA: { kty: 'OKP', crv: 'Ed25519' },
}

/** Throws IssuerAnswerFaulty when no key is left: an empty set never replaces good keys. */
export function importKeySet(set: Record<string, unknown>, allowed: readonly string[]): readonly SigningKey[] {
  const members = set['keys']
  if (!Array.isArray(members)) throw new IssuerAnswerFaulty('not_a_key_set')
  if (members.length > MOST_KEYS) throw new IssuerAnswerFaulty('too_many_keys')
  const keys = unambiguous(members.flatMap((member) => importKey(member, allowed)))
  if (keys.length === 0) throw new IssuerAnswerFaulty('no_usable_keys')
  return keys
}

function importKey(jwk: unknown, allowed: readonly string[]): SigningKey[] {
  if (!isObject(jwk) || PRIVATE_MEMBERS.some((member) => member in jwk)) return []
  const { kid, use, key_ops: operations } = jwk
  if (kid !== undefined && typeof kid !== 'string') return []
  if (use !== undefined && use !== 'sig') return []
  if (operations !== undefined && !(Array.isArray(operations) && operations.includes('verify'))) return []
  const algorithms = allowed.filter((alg) => fits(jwk, alg))
  const key = algorithms.length === 0 ? undefined : publicKey(jwk)
  return key === undefined ? [] : [{ kid, algorithms, key }]
}

function fits(jwk: Record<string, unknown>, alg: string): boolean {
  const form = FORMS[alg]
  if (form === undefined || jwk['kty'] !== form.kty || jwk['crv'] !== form.crv) return false
  // RFC 9864 names EdDSA over Ed25519 by its curve; it is the same signature.
  return jwk['alg'] === undefined || jwk['alg'] === alg || (alg === 'EdDSA' && jwk['alg'] === 'Ed25519')
}

function publicKey(jwk: Record<string, unknown>): KeyObject | undefined {
  const material: webcrypto.JsonWebKey = {}
  for (const member of ['kty', 'crv', 'n', 'e', 'x', 'y'] as const) {
    const value = jwk[member]
    if (typeof value === 'string') material[member] = value
  }
  let key: KeyObject
  try {
    key = createPublicKey({ key: material, format: 'jwk' })
  } catch {
    return undefined
  }
  if (key.asymmetricKeyType !== 'rsa') return key
  const { modulusLength = 0, publicExponent = 0n } = key.asymmetricKeyDetails ?? {}
  return modulusLength >= 2048 && modulusLength <= 8192 && publicExponent >= 3n ? key : undefined
}

function unambiguous(keys: readonly SigningKey[]): readonly SigningKey[] {
  const same = (one: SigningKey, other: SigningKey) => one.kid === other.kid && one.key.equals(other.key)
  const distinct: SigningKey[] = []
  for (const key of keys) {
    const at = distinct.findIndex((found) => same(found, key))
    const found = distinct[at]
    if (found === undefined) distinct.push(key)
    else distinct[at] = { ...found, algorithms: [...new Set([...found.algorithms, ...key.algorithms])] }
  }
  return distinct.filter((key) => key.kid === undefined || distinct.every((other) => other === key || other.kid !== key.kid))
}

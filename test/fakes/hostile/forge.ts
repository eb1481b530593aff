/** The parts that bad tokens are made of. Nothing here checks anything: it builds what it is told to. */
import { createHmac, type KeyObject, sign } from 'node:crypto'

/** A bad token. Everything that verifies tokens must refuse it. */
export interface HostileToken {
  readonly name: string
  readonly token: string
  /**
   * Set where form and signature are right and no RFC forbids it: refusing is a matter of our own limits. What only sets
   * itself apart by `typ` is marked too, since what is wrong for one audience is right for another.
   */
  readonly only?: 'limits' | 'type'
}

/** A good token and what signed it. */
export interface GoodToken {
  readonly token: string
  readonly privateKey: KeyObject
  readonly publicKey: KeyObject
}

export interface Forge {
  readonly good: GoodToken
  readonly header: Readonly<Record<string, unknown>>
  readonly claims: Readonly<Record<string, unknown>>
  /** The three parts of the good token. */
  readonly parts: readonly [header: string, payload: string, signature: string]
  /** With the issuer's own key, by the algorithm of the good token. */
  sign(header: object | string, payload: object | string | Uint8Array): string
}

export function createForge(good: GoodToken): Forge {
  const [first = '', second = '', third = ''] = good.token.split('.')
  const header: Record<string, unknown> = JSON.parse(Buffer.from(first, 'base64url').toString('utf8'))
  const claims: Record<string, unknown> = JSON.parse(Buffer.from(second, 'base64url').toString('utf8'))
  return {
    good,
    header,
    claims,
    parts: [first, second, third],
    sign(newHeader, payload) {
      const input = signingInput(newHeader, payload)
      return `${input}.${signature(good.privateKey, input)}`
    },
  }
}

export function encode(part: object | string | Uint8Array): string {
  if (part instanceof Uint8Array) return Buffer.from(part).toString('base64url')
  return Buffer.from(typeof part === 'string' ? part : JSON.stringify(part)).toString('base64url')
}

export function signingInput(header: object | string, payload: object | string | Uint8Array): string {
  return `${encode(header)}.${encode(payload)}`
}

/** RS256, ES256 or EdDSA, as the key is. */
export function signature(key: KeyObject, input: string): string {
  const hash = key.asymmetricKeyType === 'ed25519' ? null : 'sha256'
  return sign(hash, Buffer.from(input), { key, dsaEncoding: 'ieee-p1363' }).toString('base64url')
}

export function hmacSigned(hash: 'sha256' | 'sha384' | 'sha512', secret: string | Uint8Array, header: object, claims: object): string {
  const input = signingInput(header, claims)
  return `${input}.${createHmac(hash, secret).update(input).digest('base64url')}`
}

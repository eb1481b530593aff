/** Tokens that lie about how they are signed (RFC 8725 sections 2.1, 2.2 and 3.1). */
import { createPublicKey, generateKeyPairSync, sign } from 'node:crypto'
import { type Forge, type HostileToken, hmacSigned, signature, signingInput } from './forge.ts'

export function hostileAlgorithms(forge: Forge): HostileToken[] {
  const { header, claims, parts, good } = forge
  const unsigned = (alg: unknown) => `${signingInput({ ...header, alg }, claims)}.`
  const keepingSignature = (alg: unknown) => `${signingInput({ ...header, alg }, claims)}.${parts[2]}`
  const withSignature = (alg: string, bytes: Uint8Array) =>
    `${signingInput({ ...header, alg }, claims)}.${Buffer.from(bytes).toString('base64url')}`
  const input = signingInput(header, claims)

  const spki = good.publicKey.export({ format: 'pem', type: 'spki' }).toString()
  const jwk = good.publicKey.export({ format: 'jwk' })
  const secrets: Readonly<Record<string, string | Uint8Array>> = {
    'the public key as PEM': spki,
    'the public key as PEM without its last newline': spki.trimEnd(),
    'the public key as PEM with CRLF': spki.replaceAll('\n', '\r\n'),
    'the public key as DER': good.publicKey.export({ format: 'der', type: 'spki' }),
    'the public key as JWK': JSON.stringify(jwk),
    'the modulus or coordinate': String(jwk.n ?? jwk.x),
    'an empty secret': '',
    ...(good.publicKey.asymmetricKeyType === 'rsa'
      ? { 'the public key as PKCS #1': createPublicKey(spki).export({ format: 'pem', type: 'pkcs1' }).toString() }
      : {}),
  }
  const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey
  const es256 = { ...header, alg: 'ES256' }
  const derSignature = sign('sha256', Buffer.from(signingInput(es256, claims)), { key: ec, dsaEncoding: 'der' })

  return [
    ...['none', 'None', 'NONE', 'nOnE', 'none ', '\u0000none', 'ｎｏｎｅ'].flatMap((alg) => [
      { name: `alg ${JSON.stringify(alg)} without signature`, token: unsigned(alg) },
      { name: `alg ${JSON.stringify(alg)} with the good signature`, token: keepingSignature(alg) },
    ]),
    ...[undefined, null, 0, '', true, {}, [header.alg], 'rs256', 'RS256 ', 'RS1', 'RS384', 'PS384', 'ΡS256'].map((alg) => ({
      name: `alg ${JSON.stringify(alg) ?? 'missing'} with the good signature`,
      token: keepingSignature(alg),
    })),
    ...Object.entries(secrets).flatMap(([what, secret]) => [
      { name: `HS256 keyed with ${what}`, token: hmacSigned('sha256', secret, { ...header, alg: 'HS256' }, claims) },
      { name: `HS512 keyed with ${what}`, token: hmacSigned('sha512', secret, { ...header, alg: 'HS512' }, claims) },
    ]),
    { name: 'HS256 under the good header', token: hmacSigned('sha256', spki, header, claims) },
    {
      name: "ES256 by a stranger's key under the good kid",
      token: `${signingInput(es256, claims)}.${signature(ec, signingInput(es256, claims))}`,
    },
    { name: 'ES256 with r and s zero', token: withSignature('ES256', new Uint8Array(64)) },
    { name: 'ES256 with a short signature', token: withSignature('ES256', new Uint8Array(63).fill(1)) },
    { name: 'ES256 with one zero byte', token: withSignature('ES256', new Uint8Array(1)) },
    { name: 'ES256 with a DER signature', token: withSignature('ES256', derSignature) },
    { name: 'EdDSA with a zero signature', token: withSignature('EdDSA', new Uint8Array(64)) },
    { name: 'the good alg with a signature of zeros', token: `${input}.${Buffer.alloc(256).toString('base64url')}` },
    {
      name: 'the good alg with a signature of ones',
      token: `${input}.${Buffer.alloc(256, 0xff).toString('base64url')}`,
    },
    { name: 'a signature one byte longer', token: `${good.token}AAAA` },
    { name: 'a signature cut in half', token: `${parts[0]}.${parts[1]}.${parts[2].slice(0, parts[2].length / 2)}` },
  ]
}

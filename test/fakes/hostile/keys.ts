/** Tokens that bring their own key, or ask for one that is not the issuer's (RFC 8725 sections 3.10 and 3.11). */
import { generateKeyPairSync } from 'node:crypto'
import { type Forge, type HostileToken, hmacSigned, signature, signingInput } from './forge.ts'

export function hostileKeys({ header, claims }: Forge): HostileToken[] {
  const stranger = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const jwk = { ...stranger.publicKey.export({ format: 'jwk' }), alg: 'RS256', use: 'sig' }
  const der = stranger.publicKey.export({ format: 'der', type: 'spki' }).toString('base64')
  const byStranger = (more: object) => {
    const input = signingInput({ ...header, alg: 'RS256', ...more }, claims)
    return `${input}.${signature(stranger.privateKey, input)}`
  }
  const kids: Readonly<Record<string, unknown>> = {
    'that nobody published': 'no-such-key',
    missing: undefined,
    null: null,
    'as a number': 0,
    'as an array': [header.kid],
    'as an object': { toString: header.kid },
    empty: '',
    'of the prototype': '__proto__',
    'of a method': 'constructor',
    'with a path': '../../../../../../dev/null',
    'with a Windows path': '..\\..\\..\\NUL',
    'with a file URL': 'file:///dev/null',
    'with a web address': 'https://evil.test/key.pem',
    'with SQL': "x' UNION SELECT 'secret' -- ",
    'with a command': 'x; cat /dev/null |',
    'with a NUL': `${String(header.kid)}\u0000.pem`,
    'with line breaks': 'x\r\nX-Injected: yes',
    'of 50 kB': 'k'.repeat(50_000),
  }
  return [
    { name: "a stranger's signature under the good kid", token: byStranger({}) },
    { name: "a stranger's key in jwk", token: byStranger({ jwk }) },
    {
      name: "a stranger's key in jwk, with its own kid",
      token: byStranger({ jwk: { ...jwk, kid: 'mine' }, kid: 'mine' }),
    },
    { name: "a stranger's key set behind jku", token: byStranger({ jku: 'https://evil.test/jwks', kid: 'mine' }) },
    { name: 'jku on loopback', token: byStranger({ jku: 'http://127.0.0.1:1/jwks' }) },
    { name: 'jku with a user part', token: byStranger({ jku: `${String(claims.iss)}@evil.test/jwks` }) },
    { name: "a stranger's certificate behind x5u", token: byStranger({ x5u: 'https://evil.test/cert.pem' }) },
    { name: "a stranger's certificate in x5c", token: byStranger({ x5c: [der] }) },
    { name: 'x5c that is no certificate', token: byStranger({ x5c: ['AAAA'], x5t: 'AAAA' }) },
    ...Object.entries(kids).map(([what, kid]) => ({
      name: `a stranger's signature with a kid ${what}`,
      token: byStranger({ kid }),
    })),
    {
      name: 'HS256 keyed with the empty file that the kid names',
      token: hmacSigned('sha256', '', { ...header, alg: 'HS256', kid: '../../../../../../dev/null' }, claims),
    },
    {
      name: 'HS256 keyed with what the SQL in the kid selects',
      token: hmacSigned('sha256', 'secret', { ...header, alg: 'HS256', kid: "x' UNION SELECT 'secret' -- " }, claims),
    },
    {
      name: 'HS256 keyed with the secret in jwk',
      token: hmacSigned('sha256', 'secret', { ...header, alg: 'HS256', jwk: { kty: 'oct', k: 'c2VjcmV0' } }, claims),
    },
  ]
}

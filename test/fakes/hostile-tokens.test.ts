import assert from 'node:assert/strict'
import { generateKeyPairSync, type KeyObject } from 'node:crypto'
import { test } from 'node:test'
import { jwtVerify } from 'jose'
import { createForge, type GoodToken } from './hostile/forge.ts'
import { hostileTokens } from './hostile-tokens.ts'

const ISSUER = 'https://login.example.test'
const AUDIENCE = 'https://mandate.test/api'
const PAIRS = {
  RS256: generateKeyPairSync('rsa', { modulusLength: 2048 }),
  ES256: generateKeyPairSync('ec', { namedCurve: 'P-256' }),
  EdDSA: generateKeyPairSync('ed25519'),
} as const

function goodToken(alg: string, { privateKey, publicKey }: { privateKey: KeyObject; publicKey: KeyObject }): GoodToken {
  const now = Math.floor(Date.now() / 1000)
  const placeholder = {
    token: `${Buffer.from('{}').toString('base64url')}.${Buffer.from('{}').toString('base64url')}.`,
    privateKey,
    publicKey,
  }
  const claims = { iss: ISSUER, aud: AUDIENCE, sub: 'ada', iat: now, exp: now + 300 }
  return { ...placeholder, token: createForge(placeholder).sign({ alg, kid: 'one', typ: 'at+jwt' }, claims) }
}

// What a careful verifier does around the library: the exact compact form first, then a subject that is a string.
const COMPACT = /^[\w-]+\.[\w-]+\.[\w-]+$/

async function verify(token: string, alg: string, key: KeyObject): Promise<void> {
  if (!COMPACT.test(token)) throw new Error('not a compact JWS')
  const required = ['exp', 'iat', 'sub']
  const expected = { algorithms: [alg], issuer: ISSUER, audience: AUDIENCE, typ: 'at+jwt', requiredClaims: required }
  const { payload, protectedHeader } = await jwtVerify(token, key, expected)
  if (protectedHeader.kid !== 'one') throw new Error('unknown kid')
  if (typeof payload.sub !== 'string' || payload.sub === '') throw new Error('no subject')
}

for (const [alg, pair] of Object.entries(PAIRS)) {
  test(`every token of the ${alg} corpus differs from the good one and from every other, and is refused`, async () => {
    const good = goodToken(alg, pair)
    await verify(good.token, alg, pair.publicKey)
    const corpus = await hostileTokens(good)
    assert.ok(corpus.length > 150, `${corpus.length}`)
    assert.equal(new Set(corpus.map(({ name }) => name)).size, corpus.length)
    assert.equal(new Set(corpus.map(({ token }) => token)).size, corpus.length)
    for (const { name, token, only } of corpus) {
      assert.notEqual(token, good.token, name)
      if (only !== 'limits') await assert.rejects(verify(token, alg, pair.publicKey), name)
    }
  })
}

test('a token beyond limits is otherwise good: nothing but a limit can refuse it', async () => {
  const corpus = await hostileTokens(goodToken('RS256', PAIRS.RS256))
  const limits = corpus.filter(({ only }) => only === 'limits')
  assert.ok(limits.length >= 5)
  for (const { token } of limits) await verify(token, 'RS256', PAIRS.RS256.publicKey)
})

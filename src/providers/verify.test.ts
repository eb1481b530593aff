import assert from 'node:assert/strict'
import { test } from 'node:test'
import { hostileTokens } from '../../test/fakes/hostile-tokens.ts'
import { createFakeClock } from '../clock.fake.ts'
import { Refusal } from '../errors.ts'
import { Secret } from '../secret.ts'
import { accessClaims, assertRefused, mint, type SignKey, signKey } from './stage.fake.ts'
import { type VerifyOptions, verifyJwt } from './verify.ts'

const ISSUER = 'https://issuer.example'
const AUDIENCE = 'https://mandate.test/api'

function stage(alg: SignKey['alg'] = 'ES256', start?: number) {
  const clock = createFakeClock(start)
  const key = signKey(alg, 'one')
  const queries: unknown[] = []
  const keys: VerifyOptions['keys'] = {
    async find(query) {
      queries.push(query)
      if (query.kid !== 'one') throw new Refusal('token_key_unknown')
      return key.publicKey
    },
  }
  const options: VerifyOptions = {
    issuer: ISSUER,
    audience: AUDIENCE,
    algorithms: ['RS256', 'ES256', 'EdDSA'],
    keys,
    types: ['at+jwt'],
    clock,
  }
  const token = (changes: object = {}, header: object = {}) => mint(key, accessClaims(ISSUER, clock, changes), { typ: 'at+jwt', ...header })
  const verify = (text: string, changes: Partial<VerifyOptions> = {}) => verifyJwt(new Secret(text), { ...options, ...changes })
  return { clock, key, token, verify, queries }
}

for (const alg of ['RS256', 'ES256', 'EdDSA'] as const) {
  test(`every token of the hostile ${alg} corpus is refused with a code of ours that quotes nothing`, async () => {
    // The corpus is written for the time of the machine.
    const { key, token, verify } = stage(alg, Date.now())
    const good = token()
    await verify(good)
    const corpus = await hostileTokens({ token: good, privateKey: key.privateKey, publicKey: key.publicKey })
    assert.ok(corpus.length > 150)
    for (const hostile of corpus) {
      await assert.rejects(
        verify(hostile.token),
        (error) => {
          assert.ok(error instanceof Refusal, hostile.name)
          assert.match(error.code, /^token_/, hostile.name)
          assert.equal(error.status, 401, hostile.name)
          assert.doesNotMatch(`${error.message} ${error.stack}`, /evil|user-ada|no-such-key|Unexpected token/, hostile.name)
          return true
        },
        hostile.name,
      )
    }
  })
}

test('one second beyond the leeway is expired; within it is not', async () => {
  const { clock, token, verify } = stage()
  const text = token()
  await clock.advance(329_000)
  await verify(text)
  await clock.advance(1_000)
  await assertRefused(verify(text), 'token_expired')
  await clock.advance(1_000)
  await assertRefused(verify(text), 'token_expired')
})

test('iat and nbf in the future are taken within the leeway only', async () => {
  const { clock, token, verify } = stage()
  const now = clock.now() / 1000
  await verify(token({ iat: now + 30, nbf: now + 30 }))
  await assertRefused(verify(token({ iat: now + 31 })), 'token_not_yet_valid')
  await assertRefused(verify(token({ nbf: now + 31 })), 'token_not_yet_valid')
})

test('each fault has its own code', async () => {
  const { token, verify } = stage()
  const [head, body, signature = ''] = token().split('.')
  const flipped = `${signature.startsWith('A') ? 'B' : 'A'}${signature.slice(1)}`
  await assertRefused(verify(`${head}.${body}.${flipped}`), 'token_signature_invalid')
  await assertRefused(verify(token({}, { kid: 'two' })), 'token_key_unknown')
  await assertRefused(verify(token({}, { alg: 'HS256' })), 'token_algorithm_refused')
  await assertRefused(verify(token({}, { alg: 'ES384' })), 'token_algorithm_refused')
  await assertRefused(verify(token({}, { typ: 'JWT' })), 'token_type_wrong')
  await assertRefused(verify(token({}, { typ: undefined })), 'token_type_wrong')
  await assertRefused(verify(token({}, { crit: ['exp'] })), 'token_malformed')
  await assertRefused(verify(token({}, { b64: true })), 'token_malformed')
  await assertRefused(verify(token({}, { zip: 'DEF' })), 'token_malformed')
  await assertRefused(verify(token({ iss: `${ISSUER}/` })), 'token_issuer_unknown')
  await assertRefused(verify(token({ aud: 'https://other.example' })), 'token_audience_wrong')
  await assertRefused(verify(token({ aud: [AUDIENCE, 1] })), 'token_claims_invalid')
  await assertRefused(verify(token({ sub: undefined })), 'token_claims_invalid')
  await assertRefused(verify(token({ sub: 'x'.repeat(1_025) })), 'token_claims_invalid')
  await assertRefused(verify(token({ iat: undefined })), 'token_claims_invalid')
  await assertRefused(verify(token({ exp: undefined })), 'token_claims_invalid')
  await assertRefused(verify(token({ filler: 'x'.repeat(16_384) })), 'token_too_large')
  await assertRefused(verify(`${token()}=`), 'token_malformed')
  await assertRefused(verify(` ${token()}`), 'token_malformed')
  await assertRefused(verify(`${token()}\n`), 'token_malformed')
  await assertRefused(verify(''), 'token_malformed')
})

test('signature bits that base64url ignores are not ignored: one token has one spelling', async () => {
  const { token, verify } = stage('EdDSA')
  const good = token()
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
  const last = alphabet.indexOf(good.at(-1) ?? '')
  await assertRefused(verify(`${good.slice(0, -1)}${alphabet[last + 1]}`), 'token_malformed')
})

test('an audience that is empty is named by no token, and is never read as "any"', async () => {
  const { token, verify } = stage()
  for (const aud of [AUDIENCE, '', [''], []]) {
    await assertRefused(verify(token({ aud }), { audience: '' }), 'token_audience_wrong', JSON.stringify(aud))
    await assertRefused(verify(token({ aud }), { audience: { ifPresent: '' } }), 'token_audience_wrong', JSON.stringify(aud))
  }
  await assertRefused(verify(token({ aud: undefined }), { audience: '' }), 'token_claims_invalid')
})

test('a token without an audience is taken only where that is said, and one with another nowhere', async () => {
  const { token, verify } = stage()
  const audience = { ifPresent: AUDIENCE }
  assert.deepEqual((await verify(token({ aud: undefined }), { audience })).claims.aud, [])
  assert.deepEqual((await verify(token(), { audience })).claims.aud, [AUDIENCE])
  await assertRefused(verify(token({ aud: undefined })), 'token_claims_invalid')
  for (const aud of ['https://other.example', [], '']) await assertRefused(verify(token({ aud }), { audience }), 'token_audience_wrong')
  for (const aud of [null, 7, {}, [AUDIENCE, null], [[AUDIENCE]]])
    await assertRefused(verify(token({ aud }), { audience }), 'token_claims_invalid')
})

test('what type a token is by its claims is looked at before its audience, and after its signature', async () => {
  const { token, verify } = stage()
  const requireType = () => {
    throw new Refusal('token_type_wrong')
  }
  await assertRefused(verify(token({ aud: 'https://other.example' }), { requireType }), 'token_type_wrong')
  await assertRefused(verify(token({}, { kid: 'two' }), { requireType }), 'token_key_unknown')
  await assertRefused(verify(token({ exp: 1 }), { requireType }), 'token_expired')
})

test('no key is looked for when the issuer, type or algorithm is already wrong', async () => {
  const { token, verify, queries } = stage()
  for (const bad of [token({ iss: 'https://evil.example' }), token({}, { typ: 'JWT' }), token({}, { alg: 'none' })])
    await assert.rejects(verify(bad))
  assert.deepEqual(queries, [])
})

test('an outage of the keys is passed on and is no fault of the token', async () => {
  const { token, verify } = stage()
  const keys = {
    async find(): Promise<never> {
      throw new Refusal('issuer_unavailable')
    },
  }
  await assertRefused(verify(token(), { keys }), 'issuer_unavailable')
})

test('a good token gives its claims, with aud as a list and typ in any spelling', async () => {
  const { token, verify } = stage()
  for (const typ of ['at+jwt', 'AT+JWT', 'application/at+jwt']) {
    const { claims } = await verify(token({ aud: [AUDIENCE, 'https://other.example'] }, { typ }))
    assert.equal(claims.sub, 'user-ada')
    assert.deepEqual(claims.aud, [AUDIENCE, 'https://other.example'])
  }
})

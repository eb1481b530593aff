import assert from 'node:assert/strict'
import { test } from 'node:test'
import { decodeJwt, decodeProtectedHeader, jwtVerify } from 'jose'
import { ADA, AUDIENCE, keysOf, refresh, signIn, stageIssuer } from '../../../test/fakes/issuer-stage.ts'

test('after a rotation a new key signs, old tokens still verify, and sessions go on', async (t) => {
  const set = await stageIssuer(t)
  const before = await signIn(set, ADA)
  await set.issuer.rotateKeys()
  const after = await refresh(set, before.refresh_token)
  const keys = await keysOf(set)
  await jwtVerify(before.id_token ?? '', keys)
  await jwtVerify(after.id_token ?? '', keys)
  assert.notEqual(decodeProtectedHeader(before.id_token ?? '').kid, decodeProtectedHeader(after.id_token ?? '').kid)
  await set.issuer.rotateKeys({ forgetOld: true })
  await assert.rejects(jwtVerify(before.id_token ?? '', await keysOf(set)), { code: 'ERR_JWKS_NO_MATCHING_KEY' })
})

test('minted tokens verify, and are as wrong as asked', async (t) => {
  const set = await stageIssuer(t)
  const keys = await keysOf(set)
  const { payload } = await jwtVerify(set.issuer.mintAccessToken('ada'), keys, { audience: AUDIENCE, typ: 'at+jwt' })
  assert.deepEqual([payload.iss, payload.sub, payload.groups], [set.issuer.issuer, ADA.sub, ['platform', 'admins']])
  assert.equal((await jwtVerify(set.issuer.mintAccessToken({ client: 'batch' }), keys)).payload.sub, 'batch')
  await jwtVerify(set.issuer.mintIdToken('bob', 'web'), keys, { audience: 'web' })
  await jwtVerify(set.issuer.mintLogoutToken('bob', 'web'), keys, { audience: 'web', typ: 'logout+jwt' })
  const expired = set.issuer.mintAccessToken('ada', { claims: { exp: 1 } })
  await assert.rejects(jwtVerify(expired, keys), { code: 'ERR_JWT_EXPIRED' })
  const bare = set.issuer.mintAccessToken('ada', { header: { typ: undefined }, claims: { aud: undefined } })
  assert.deepEqual([decodeProtectedHeader(bare).typ, decodeJwt(bare).aud], [undefined, undefined])
  assert.match(set.issuer.mintAccessToken('ada', { header: { alg: 'none' } }), /\.$/)
  assert.throws(() => set.issuer.mintAccessToken('nobody'), /no user nobody/)
})

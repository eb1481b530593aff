import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { hostileTokens } from '../../test/fakes/hostile-tokens.ts'
import type { Refusal } from '../errors.ts'
import { type Caller, callerKey } from '../principal.ts'
import { accessClaims, assertRefused, mint, providerConfig, signKey } from '../providers/stage.fake.ts'
import { Secret } from '../secret.ts'
import { StoreUnavailable } from '../store/store.ts'
import { ISSUER, stageBearers } from './bearer-jwt.fake.ts'
import type { BearerProvider } from './bearer-jwt.ts'

test('no header is not applicable; any header that is not one bearer is rejected and falls through to nothing', async () => {
  const { show, token } = stageBearers()
  assert.deepEqual(await show(undefined), { result: 'not-applicable' })
  for (const header of [
    '',
    'Bearer',
    'Bearer ',
    'Basic YTpi',
    token(),
    `Bearer ${token()}, Bearer ${token()}`,
    `Bearer ${token()} x`,
    ` Bearer ${token()}`,
    `Bearer\t${token()}`,
    'Bearer =',
    `Bearer  ${token()}`,
    `Bearer "${token()}"`,
  ]) {
    const answer = await show(header)
    assert.ok(answer.result === 'rejected', header)
    assert.equal(answer.refusal.code, 'authorization_malformed', header)
  }
  assert.equal((await show(`bEaReR ${token()}`)).result, 'authenticated')
})

test('a header of a megabyte is refused as too large', async () => {
  const { rejects } = stageBearers()
  await rejects('a'.repeat(1_000_000), 'token_too_large')
  await rejects('a'.repeat(16_385), 'token_too_large')
  // Its length is looked at before anything else: this is no token at all.
  await rejects('"'.repeat(1_000_000), 'token_too_large')
})

for (const alg of ['RS256', 'ES256', 'EdDSA'] as const) {
  test(`every token of the hostile ${alg} corpus is rejected, at first sight and at the second`, async () => {
    const { key, token, show, watching } = stageBearers({}, { start: Date.now(), alg })
    const corpus = await hostileTokens({ token: token(), privateKey: key.privateKey, publicKey: key.publicKey })
    for (const hostile of [...corpus, ...corpus]) {
      const answer = await show(`Bearer ${hostile.token}`)
      assert.ok(answer.result === 'rejected', hostile.name)
    }
    assert.equal(watching.size, 0)
  })
}

test('a token refused for one second beyond the leeway stays refused, and one within it is verified each time', async () => {
  const { clock, token, rejects, caller, found } = stageBearers()
  const text = token()
  await caller(text)
  await clock.advance(329_000)
  await caller(text)
  await caller(text)
  assert.equal(found.times, 3)
  await clock.advance(2_000)
  await rejects(text, 'token_expired')
})

test('a token of an issuer that is not configured is refused, with no key looked for', async () => {
  const { token, rejects, found, observed } = stageBearers()
  for (const iss of ['https://evil.example', `${ISSUER}/`, undefined, 1, '__proto__', 'constructor'])
    await rejects(token({ iss }), 'token_issuer_unknown')
  assert.equal(found.times, 0)
  assert.deepEqual(observed[0], ['none', 'token_issuer_unknown', false, true])
})

test('the keys of one issuer do not vouch for another', async () => {
  const other = signKey('ES256', 'one')
  const second: BearerProvider = {
    config: { ...providerConfig('https://second.example'), name: 'second' },
    keys: { find: async () => other.publicKey },
  }
  const { clock, key, rejects, caller } = stageBearers({}, { more: [second] })
  const claims = accessClaims('https://second.example', clock)
  await rejects(mint(key, claims, { typ: 'at+jwt' }), 'token_signature_invalid')
  assert.equal((await caller(mint(other, claims, { typ: 'at+jwt' }))).principal.provider, 'second')
})

test('keys that cannot be had are thrown, never rejected, and not remembered', async () => {
  const { token, show, caller, found } = stageBearers()
  const text = token()
  found.fail = 'issuer_unavailable'
  await assertRefused(show(`Bearer ${text}`), 'issuer_unavailable')
  found.fail = undefined
  await caller(text)
})

test('an unknown key is refused and looked for again: it may be new', async () => {
  const { token, rejects, found } = stageBearers()
  const text = token({}, { kid: 'new' })
  await rejects(text, 'token_key_unknown')
  await rejects(text, 'token_key_unknown')
  assert.equal(found.times, 2)
})

test('a flood of one bad token costs one signature check in 5 s', async () => {
  const { token, rejects, found, clock, observed } = stageBearers()
  const [head, body] = token().split('.')
  const bad = `${head}.${body}.${'A'.repeat(86)}`
  for (let index = 0; index < 1_000; index++) await rejects(bad, 'token_signature_invalid')
  assert.equal(found.times, 1)
  assert.deepEqual(observed.at(-1), ['none', 'token_signature_invalid', true, true])
  await clock.advance(5_000)
  await rejects(bad, 'token_signature_invalid')
  assert.equal(found.times, 2)
})

test('a revoked principal is refused, cached or not, and its callers end', async () => {
  const { token, rejects, caller, revocations, watching, clock } = stageBearers()
  const text = token({ sid: 's1' })
  const { ended } = await caller(text)
  const [end, subject] = [...watching][0] ?? []
  assert.deepEqual(subject, { issuer: ISSUER, subject: 'user-ada', issuedAt: clock.now() - 30_000, sid: 's1' })
  revocations.revoked = () => true
  await rejects(text, 'token_revoked')
  await rejects(token(), 'token_revoked')
  end?.('revoked')
  assert.equal(ended.aborted, true)
  await rejects(text, 'token_revoked')
  revocations.revoked = () => false
  assert.notEqual((await caller(text)).ended, ended)
})

test('a token older than revocations are kept is refused, at first sight and once cached: its revocation may be forgotten', async () => {
  const { token, rejects, caller, clock } = stageBearers()
  const now = clock.now() / 1000
  const hours = 3600
  await rejects(token({ iat: now - 33 * hours, exp: now + 90 * 24 * hours }), 'token_expired')
  const text = token({ exp: now + 90 * 24 * hours })
  await caller(text)
  await clock.advance(32 * hours * 1000 - 31_000)
  await caller(text)
  await clock.advance(1_000)
  await rejects(text, 'token_expired')
})

test('a token whose iat is ahead of our clock is revoked with those of before', async () => {
  const { token, rejects, caller, revocations, clock } = stageBearers()
  const notBefore = clock.now()
  const ahead = token({ iat: notBefore / 1000 + 30 })
  revocations.revoked = ({ issuedAt }) => issuedAt <= notBefore
  await rejects(ahead, 'token_revoked')
  await clock.advance(31_000)
  await caller(token())
})

test('a caller that an outage ended is not called revoked', async () => {
  const { token, show, caller, watching, authenticator } = stageBearers()
  const text = token()
  const { ended } = await caller(text)
  for (const end of [...watching.keys()]) end('blind')
  assert.ok(ended.reason instanceof StoreUnavailable)
  const fresh = token()
  const other = await caller(fresh)
  authenticator.close()
  assert.equal((other.ended.reason as Refusal).code, 'shutting_down')
  assert.equal((await show(`Bearer ${text}`)).result, 'authenticated')
})

test('refuses nobody as revoked whose caller an outage or a stop ends while the token is verified', async () => {
  const { token, show, revocations, authenticator, observed } = stageBearers()
  const endingBy = (stop: (end: (why: 'revoked' | 'blind') => void) => void) => {
    revocations.watch = (_subject, end) => {
      queueMicrotask(() => stop(end))
      return () => undefined
    }
  }
  endingBy((end) => end('blind'))
  await assert.rejects(show(`Bearer ${token()}`), StoreUnavailable)
  assert.deepEqual(observed.at(-1), ['test', 'fault', false, true])
  endingBy(() => authenticator.close())
  await assertRefused(show(`Bearer ${token()}`), 'shutting_down')
  endingBy((end) => end('revoked'))
  const answer = await show(`Bearer ${token()}`)
  assert.equal(answer.result === 'rejected' && answer.refusal.code, 'token_revoked')
})

test('refuses whom a token that holds speaks of by what it says of them, and of another token says nothing', async () => {
  const { token, show } = stageBearers({ machineClients: ['robot'] })
  const refused = async (text: string) => {
    const answer = await show(`Bearer ${text}`)
    assert.ok(answer.result === 'rejected')
    return answer.stranger
  }
  const text = token({ sub: 'other', client_id: 'other', scope: 'read' })
  const { digest, ...said } = (await refused(text)) ?? {}
  assert.deepEqual(said, { provider: 'test', issuer: ISSUER, scopes: ['read'], subject: 'other', client: 'other' })
  assert.equal(digest, new Secret(text).digest())
  // Remembered with its refusal.
  assert.equal((await refused(text))?.digest, digest)
  assert.equal(await refused(token({ sub: 'other', client_id: 'other', aud: 'https://elsewhere.example' })), undefined)
})

test('a revocation ends whoever may still hold a stream that was opened with the token, however long streams may last', async () => {
  const { token, caller, clock, watching, authenticator } = stageBearers()
  const holder = await caller(token())
  authenticator.hold(holder)
  await clock.advance(24 * 3_600_000)
  await caller(token())
  assert.equal(holder.ended.aborted, false)
  for (const end of [...watching.keys()]) end('revoked')
  assert.equal(holder.ended.aborted, true)
})

test('a blind replica believes no bearer, cached or fresh: it cannot tell', async () => {
  const { token, show, caller, revocations } = stageBearers()
  const text = token()
  await caller(text)
  revocations.blind = true
  await assertRefused(show(`Bearer ${text}`), 'store_unavailable')
  await assertRefused(show(`Bearer ${token()}`), 'store_unavailable')
  revocations.blind = false
  await caller(text)
})

test('a token seen before costs no key and no signature, and is the same caller', async () => {
  const { token, caller, found, observed } = stageBearers()
  const text = token({ scope: 'read write read', aud: ['https://mandate.test/api', 'https://other.example'], act: { sub: 'agent' } })
  const first = await caller(text)
  assert.equal(await caller(text), first)
  assert.equal(found.times, 1)
  assert.deepEqual(observed, [
    ['test', 'ok', false, true],
    ['test', 'ok', true, true],
  ])
  assert.ok(first.proof.kind === 'bearer')
  assert.deepEqual(
    [first.proof.scopes, first.proof.audiences],
    [
      ['read', 'write'],
      ['https://mandate.test/api', 'https://other.example'],
    ],
  )
  assert.equal(first.principal.actor?.subject, 'agent')
  assert.equal(first.proof.digest, new Secret(text).digest())
  assert.throws(() => Object.assign(first.principal, { subject: 'root' }))
})

test('closing ends every caller', async () => {
  const { token, caller, authenticator } = stageBearers()
  const { ended } = await caller(token())
  authenticator.close()
  assert.equal(ended.aborted, true)
})

test('property: two different tokens never share a caller, an ending or a key; one token always has its own', async () => {
  const { token, caller } = stageBearers()
  const someone = fc.record({
    sub: fc.constantFrom('a', 'b', 'a"', '["a"'),
    scope: fc.constantFrom('read', 'write', 'read write'),
    jti: fc.constantFrom('1', '2'),
    groups: fc.constantFrom(['x'], ['x', 'y'], []),
  })
  const texts = new Map<string, string>()
  const callers = new Map<string, Caller>()
  await fc.assert(
    fc.asyncProperty(fc.array(someone, { minLength: 1, maxLength: 8 }), async (claims) => {
      await Promise.all(
        claims.map(async (claim) => {
          const name = JSON.stringify(claim)
          // Every signature differs, so one token is minted once.
          const text = texts.get(name) ?? token(claim)
          texts.set(name, text)
          const found = await caller(text)
          assert.equal(found.principal.subject, claim.sub)
          assert.deepEqual(found.principal.groups, claim.groups)
          assert.ok(found.proof.kind === 'bearer' && found.proof.token.expose() === text)
          assert.equal(found, callers.get(text) ?? found)
          callers.set(text, found)
        }),
      )
      const all = [...callers.values()]
      assert.equal(all.length, texts.size)
      assert.equal(new Set(all).size, texts.size)
      assert.equal(new Set(all.map((one) => one.ended)).size, texts.size)
      assert.equal(new Set(all.map(callerKey)).size, texts.size)
    }),
    { numRuns: 40 },
  )
})

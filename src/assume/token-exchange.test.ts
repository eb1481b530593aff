import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { createFakeClock } from '../clock.fake.ts'
import { present } from '../credential.ts'
import { Refusal } from '../errors.ts'
import { createLog } from '../log.ts'
import type { LoginTokens, Which } from '../logins/login-tokens.ts'
import { bearerCaller, loginCaller } from '../principal.fake.ts'
import type { Caller } from '../principal.ts'
import type { ExchangeOutcome, ExchangeWish } from '../providers/provider.ts'
import { Secret } from '../secret.ts'
import { StoreUnavailable } from '../store/store.ts'
import { cached } from './cached.ts'
import type { Target } from './credential-source.ts'
import { createTokenExchangeSource, type TokenExchangeOptions } from './token-exchange.ts'

const TARGET: Target = { id: 'route/reports', audience: 'api://reports', scopes: ['read'], resource: 'https://reports.example' }
const EXPIRES = Date.UTC(2026, 0, 1, 1)
const GIVEN: ExchangeOutcome = { result: 'exchanged', token: new Secret('exchanged'), expiresAt: EXPIRES, typ: 'at+jwt', audiences: [] }

function stage(changes: Partial<TokenExchangeOptions> & { fresh?: LoginTokens['fresh']; outcome?: ExchangeOutcome; accept?: Which } = {}) {
  const wishes: ExchangeWish[] = []
  const lines: string[] = []
  const { fresh, outcome = GIVEN, accept = 'access-token', ...options } = changes
  const script = { outcome }
  const source = createTokenExchangeSource({
    token: 'access-token',
    logins: { fresh: fresh ?? (async (loginId, which) => ({ token: new Secret(`${which}-of-${loginId}`), expiresAt: EXPIRES })) },
    takenAsBearer: () => false,
    namesAnother: () => false,
    log: createLog((line) => void lines.push(line)),
    issuerOf: () => ({
      accept,
      async exchange(wish) {
        wishes.push(wish)
        return script.outcome
      },
    }),
    ...options,
  })
  return { source, wishes, lines, script }
}

async function answerOf(changes: Parameters<typeof stage>[0], caller: Caller = loginCaller()) {
  const answer = await stage(changes).source.assume(caller, TARGET)
  assert.ok('refusal' in answer, answer.result)
  return [answer.result, answer.refusal.code, answer.refusal.status]
}

describe('refuses', () => {
  for (const reason of ['invalid_grant', 'access_denied', 'invalid_target', 'invalid_request', 'invalid_scope', 'unregistered_error'])
    test(`what the issuer refuses with ${reason}, and says which word it was`, async () => {
      const { source } = stage({ outcome: { result: 'refused', reason } })
      const answer = await source.assume(loginCaller(), TARGET)
      assert.ok(answer.result === 'refused')
      assert.equal(answer.refusal.code, 'credential_not_offered')
      assert.equal(answer.refusal.detail, `the issuer does not exchange the token: ${reason}`)
    })
  test('a token that names somebody else', async () => {
    assert.deepEqual(await answerOf({ outcome: { result: 'audience-wrong' } }), ['refused', 'credential_audience_wrong', 403])
  })
  test('to send on what Mandate itself would take as a bearer', async () => {
    const asked: unknown[] = []
    const takenAsBearer: TokenExchangeOptions['takenAsBearer'] = (provider, { typ, audiences }) => {
      asked.push([provider, typ, audiences])
      return true
    }
    const outcome: ExchangeOutcome = { ...GIVEN, audiences: ['api://reports', 'api://mandate'] }
    assert.deepEqual(await answerOf({ takenAsBearer, outcome }), ['refused', 'credential_not_offered', 403])
    assert.deepEqual(asked, [['corp', 'at+jwt', ['api://reports', 'api://mandate']]])
  })
  test('what names another target as well, or who asks Mandate for it could go there', async () => {
    const asked: unknown[] = []
    const namesAnother: TokenExchangeOptions['namesAnother'] = (provider, audiences) => {
      asked.push([provider, audiences])
      return audiences.includes('api://payroll')
    }
    const wide: ExchangeOutcome = { ...GIVEN, audiences: ['api://reports', 'account', 'api://payroll'] }
    assert.deepEqual(await answerOf({ namesAnother, outcome: wide }), ['refused', 'credential_audience_wrong', 403])
    assert.deepEqual(asked, [['corp', ['api://reports', 'account', 'api://payroll']]])
    const { source } = stage({ namesAnother, outcome: { ...GIVEN, audiences: ['api://reports', 'account'] } })
    assert.equal((await source.assume(loginCaller(), TARGET)).result, 'granted')
  })
  test('what cannot be sent as a bearer', async () => {
    assert.deepEqual(await answerOf({ outcome: { ...GIVEN, token: new Secret('') } }), ['refused', 'credential_not_offered', 403])
  })
  test('principals of a provider that is not there', async () => {
    assert.deepEqual(await answerOf({ issuerOf: () => undefined }), ['refused', 'credential_not_offered', 403])
  })
})

describe('asks to sign in again', () => {
  test('when the issuer wants the person', async () => {
    const outcome: ExchangeOutcome = { result: 'needs-interaction', reason: 'interaction_required' }
    assert.deepEqual(await answerOf({ outcome }), ['needs-interaction', 'consent_needed', 401])
  })
  for (const code of ['login_ended', 'login_expired', 'refresh_outcome_unknown'] as const)
    test(`when the login has no token any more: ${code}; the issuer is not asked`, async () => {
      const { source, wishes } = stage({ fresh: () => Promise.reject(new Refusal(code)) })
      const answer = await source.assume(loginCaller(), TARGET)
      assert.deepEqual(['needs-interaction', code], [answer.result, 'refusal' in answer && answer.refusal.code])
      assert.deepEqual(wishes, [])
    })
})

describe('is unavailable', () => {
  test('when the issuer is, and falls back to nothing', async () => {
    for (const caller of [loginCaller(), bearerCaller('a.b.c')]) {
      const { source, script, wishes } = stage()
      assert.equal((await source.assume(caller, TARGET)).result, 'granted')
      script.outcome = { result: 'unavailable', reason: 'timeout' }
      const answer = await source.assume(caller, TARGET)
      assert.ok(answer.result === 'unavailable')
      assert.deepEqual([answer.refusal.code, answer.refusal.retryAfterSeconds], ['issuer_unavailable', 5])
      assert.equal(wishes.length, 2)
    }
  })
  test('when the token of the login cannot be renewed for an outage', async () => {
    const fresh = () => Promise.reject(new Refusal('issuer_unavailable'))
    assert.deepEqual(await answerOf({ fresh }), ['unavailable', 'issuer_unavailable', 503])
  })
  test("when Mandate's client may not exchange: the operator is told once for each reason, until it works again", async () => {
    const { source, script, lines } = stage({ outcome: { result: 'client-refused', reason: 'unauthorized_client' } })
    const ask = async () => (await source.assume(loginCaller(), TARGET)).result
    for (let i = 0; i < 3; i++) assert.equal(await ask(), 'unavailable')
    script.outcome = { result: 'client-refused', reason: 'invalid_client' }
    assert.equal(await ask(), 'unavailable')
    assert.equal(lines.length, 2)
    assert.match(lines[0] ?? '', /unauthorized_client/)
    script.outcome = GIVEN
    assert.equal(await ask(), 'granted')
    script.outcome = { result: 'client-refused', reason: 'invalid_client' }
    assert.equal(await ask(), 'unavailable')
    assert.equal(lines.length, 3)
    assert.deepEqual(await answerOf({ outcome: script.outcome }), ['unavailable', 'credential_unavailable', 503])
  })
  test('for a store that cannot be reached it throws', async () => {
    const { source } = stage({ fresh: () => Promise.reject(new StoreUnavailable('gone')) })
    await assert.rejects(source.assume(loginCaller(), TARGET), StoreUnavailable)
  })
})

test('is told how long to wait', async () => {
  const { source } = stage({ outcome: { result: 'too-many', retryAfterSeconds: 7 } })
  assert.deepEqual(await source.assume(loginCaller(), TARGET), { result: 'too-many', retryAfterSeconds: 7 })
})

describe('grants', () => {
  for (const which of ['id-token', 'access-token'] as const)
    test(`what the issuer gives for the ${which} of the login, for the target alone`, async () => {
      const { source, wishes } = stage({ token: which })
      const answer = await source.assume(loginCaller(), TARGET)
      assert.ok(answer.result === 'granted')
      assert.deepEqual(present(answer.credential), [['Authorization', 'Bearer exchanged']])
      assert.equal(answer.credential.expiresAt, EXPIRES)
      assert.deepEqual(
        wishes.map(({ token, ...wish }) => ({ ...wish, token: token.expose() })),
        [
          {
            token: `${which}-of-login-1`,
            type: which,
            subject: 'alice',
            audience: 'api://reports',
            resource: 'https://reports.example',
            scopes: ['read'],
          },
        ],
      )
    })
  for (const accept of ['id-token', 'access-token'] as const)
    test(`what it gives for a bearer, as the ${accept} that it is; no login is looked at`, async () => {
      const fresh = () => assert.fail('a login was asked for')
      const { source, wishes } = stage({ accept, fresh, token: accept === 'id-token' ? 'access-token' : 'id-token' })
      assert.equal((await source.assume(bearerCaller('a.b.c'), TARGET)).result, 'granted')
      assert.deepEqual([wishes[0]?.token.expose(), wishes[0]?.type], ['a.b.c', accept])
    })
})

test('in the cache, callers with different tokens never share what was exchanged, however they overlap', async () => {
  const who = fc.tuple(fc.constantFrom('login', 'bearer'), fc.constantFrom('x', 'y', 'z'), fc.constantFrom('alice', 'bob'))
  const target = fc.record({ audience: fc.constantFrom('a', ''), resource: fc.constantFrom('a', 'b') })
  await fc.assert(
    fc.asyncProperty(fc.array(fc.tuple(who, target), { minLength: 2, maxLength: 10 }), async (asks) => {
      const clock = createFakeClock()
      const source = createTokenExchangeSource({
        token: 'access-token',
        takenAsBearer: () => false,
        namesAnother: () => false,
        log: createLog(() => undefined),
        logins: { fresh: async (loginId) => ({ token: new Secret(`login-${loginId}`), expiresAt: EXPIRES }) },
        issuerOf: () => ({
          accept: 'access-token',
          exchange: async ({ token, subject, audience, resource }) => {
            const given = new Secret(`${token.expose()}/${subject}/${audience}+${resource}`)
            return { result: 'exchanged', token: given, expiresAt: clock.now() + 60_000, typ: undefined, audiences: [] }
          },
        }),
      })
      const cache = cached(source, clock, { hit: () => undefined, acquired: () => undefined })
      for (let round = 0; round < 2; round++)
        await Promise.all(
          asks.map(async ([[kind, proof, subject], { audience, resource }]) => {
            const principal = { subject }
            const caller = kind === 'login' ? loginCaller({ principal, proof: { loginId: proof } }) : bearerCaller(proof, { principal })
            const answer = await cache.assume(caller, { id: 'route/reports', scopes: [], audience, resource })
            assert.ok(answer.result === 'granted')
            const token = kind === 'login' ? `login-${proof}` : proof
            assert.deepEqual(present(answer.credential), [['Authorization', `Bearer ${token}/${subject}/${audience}+${resource}`]])
          }),
        )
    }),
    { numRuns: 200 },
  )
})

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { present } from '../credential.ts'
import { Refusal } from '../errors.ts'
import type { LoginTokens, Which } from '../logins/login-tokens.ts'
import { bearerCaller, loginCaller, unsignedJwt } from '../principal.fake.ts'
import { Secret } from '../secret.ts'
import { StoreUnavailable } from '../store/store.ts'
import { createForwardToken, type ForwardTokenOptions } from './forward-token.ts'

const TARGET = { id: 'cluster/prod', audience: 'kubernetes', scopes: [] }
const EXPIRES = Date.UTC(2026, 0, 1, 1)

function stage(changes: Partial<Omit<ForwardTokenOptions, 'logins'>> & { fresh?: LoginTokens['fresh']; text?: string } = {}) {
  const asked: Array<[string, Which]> = []
  const { fresh, text = unsignedJwt({ aud: 'kubernetes' }), ...options } = changes
  const logins: LoginTokens = {
    async fresh(loginId, which) {
      asked.push([loginId, which])
      return fresh === undefined ? { token: new Secret(text), expiresAt: EXPIRES } : fresh(loginId, which)
    },
  }
  const defaults = { token: 'id-token', passThroughOpen: false, audienceFor: () => 'kubernetes', takenAsBearer: () => false } as const
  const source = createForwardToken({ ...defaults, ...options, logins })
  return { source, asked }
}

const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')
const typed = (typ: string, claims: object) => `${part({ alg: 'RS256', typ })}.${part(claims)}.c2ln`

async function refusedWith(
  changes: Parameters<typeof stage>[0],
  caller = loginCaller(),
): Promise<[string, string | undefined, number | undefined]> {
  const answer = await stage(changes).source.assume(caller, TARGET)
  assert.notEqual(answer.result, 'granted')
  const refusal = 'refusal' in answer ? answer.refusal : undefined
  return [answer.result, refusal?.code, refusal?.status]
}

describe('from a login refuses', () => {
  const WRONG = ['refused', 'credential_audience_wrong', 403]

  test('a token of another audience', async () => {
    assert.deepEqual(await refusedWith({ text: unsignedJwt({ aud: 'somebody-else' }) }), WRONG)
  })
  test('a token of several other audiences', async () => {
    assert.deepEqual(await refusedWith({ text: unsignedJwt({ aud: ['kubernetes2', 'Kubernetes', 'kubernetes '] }) }), WRONG)
  })
  test('a token without an audience', async () => {
    assert.deepEqual(await refusedWith({ text: unsignedJwt({ sub: 'alice' }) }), WRONG)
  })
  test('a token whose audience is not text', async () => {
    for (const aud of [1, true, null, {}, { includes: 'kubernetes' }, [['kubernetes']]])
      assert.deepEqual(await refusedWith({ text: unsignedJwt({ aud }) }), WRONG)
  })
  test('a token that Mandate would take as a bearer: the cluster could come back with it as that person', async () => {
    const judged: unknown[] = []
    const takenAsBearer: ForwardTokenOptions['takenAsBearer'] = (provider, token) => judged.push([provider, token]) > 0
    for (const typ of ['at+jwt', 'application/AT+JWT'])
      assert.deepEqual(await refusedWith({ text: typed(typ, { aud: ['mandate', 'kubernetes'] }), takenAsBearer }), [
        'refused',
        'credential_not_offered',
        403,
      ])
    const asked = ['corp', { typ: 'at+jwt', audiences: ['mandate', 'kubernetes'] }]
    assert.deepEqual(judged, [asked, asked])
  })
  test('an opaque token: it names nobody', async () => {
    assert.deepEqual(await refusedWith({ text: '2YotnFZFEjr1zCsicMWpAA' }), WRONG)
  })
  test('an empty token', async () => {
    assert.deepEqual(await refusedWith({ text: '' }), WRONG)
  })
  test('every token when no audience is known for the provider', async () => {
    assert.deepEqual(await refusedWith({ text: unsignedJwt({ aud: '' }), audienceFor: () => '' }), WRONG)
  })
  test('a token that a header could not carry', async () => {
    assert.deepEqual(await refusedWith({ text: `${unsignedJwt({ aud: 'kubernetes' })}\r\nX: y` }), [
      'refused',
      'credential_not_offered',
      403,
    ])
  })
  test('a login that has ended: its person must take part again', async () => {
    for (const code of ['login_ended', 'login_expired', 'refresh_outcome_unknown'] as const) {
      assert.deepEqual(await refusedWith({ fresh: () => Promise.reject(new Refusal(code)) }), ['needs-interaction', code, 401])
    }
  })
  test('an issuer that cannot be reached: unavailable, and nobody is sent to sign in', async () => {
    assert.deepEqual(await refusedWith({ fresh: () => Promise.reject(new Refusal('issuer_unavailable')) }), [
      'unavailable',
      'issuer_unavailable',
      503,
    ])
  })
  test('nothing itself when the store cannot be reached: it throws', async () => {
    await assert.rejects(
      stage({ fresh: () => Promise.reject(new StoreUnavailable('gone')) }).source.assume(loginCaller(), TARGET),
      StoreUnavailable,
    )
  })
})

describe('from a login grants', () => {
  for (const which of ['id-token', 'access-token'] as const) {
    test(`the ${which} that is configured, and says when it ends`, async () => {
      const text = unsignedJwt({ aud: ['other', 'kubernetes'] })
      const { source, asked } = stage({ token: which, text })
      const answer = await source.assume(loginCaller(), TARGET)
      assert.ok(answer.result === 'granted')
      assert.deepEqual(present(answer.credential), [['Authorization', `Bearer ${text}`]])
      assert.equal(answer.credential.expiresAt, EXPIRES)
      assert.deepEqual(asked, [['login-1', which]])
    })
  }

  test('a token that Mandate would take as a bearer, with passThroughOpen', async () => {
    const changes = { takenAsBearer: () => true, passThroughOpen: true }
    assert.equal((await stage(changes).source.assume(loginCaller(), TARGET)).result, 'granted')
    assert.deepEqual(await refusedWith({ ...changes, text: unsignedJwt({ aud: 'mandate' }) }), [
      'refused',
      'credential_audience_wrong',
      403,
    ])
  })

  test("by the audience of the caller's own provider", async () => {
    const audienceFor = (provider: string) => (provider === 'corp' ? 'client-corp' : 'client-other')
    const text = unsignedJwt({ aud: 'client-corp' })
    assert.equal((await stage({ audienceFor, text }).source.assume(loginCaller(), TARGET)).result, 'granted')
    assert.deepEqual(await refusedWith({ audienceFor, text }, loginCaller({ principal: { provider: 'other' } })), [
      'refused',
      'credential_audience_wrong',
      403,
    ])
  })
})

describe('from a bearer', () => {
  const both = { audiences: ['mandate', 'kubernetes'] }

  test('nothing is passed on without passThroughOpen, whatever its audiences', async () => {
    assert.deepEqual(await refusedWith({}, bearerCaller('a.b.c', { proof: both })), ['refused', 'credential_not_offered', 403])
  })
  test('a token for Mandate alone is not passed on with passThroughOpen either', async () => {
    assert.deepEqual(await refusedWith({ passThroughOpen: true }, bearerCaller('a.b.c')), ['refused', 'credential_audience_wrong', 403])
  })
  test('an audience that is only similar does not count', async () => {
    const caller = bearerCaller('a.b.c', { proof: { audiences: ['mandate', 'kubernetes-test', 'KUBERNETES', ''] } })
    assert.deepEqual(await refusedWith({ passThroughOpen: true }, caller), ['refused', 'credential_audience_wrong', 403])
    assert.deepEqual(await refusedWith({ passThroughOpen: true, audienceFor: () => '' }, caller), [
      'refused',
      'credential_audience_wrong',
      403,
    ])
  })
  test('an empty token is never a credential', async () => {
    assert.deepEqual(await refusedWith({ passThroughOpen: true }, bearerCaller('', { proof: both })), [
      'refused',
      'credential_not_offered',
      403,
    ])
  })
  test('a token that names both is passed on as it is, to its own end', async () => {
    const { source, asked } = stage({ passThroughOpen: true })
    const answer = await source.assume(bearerCaller('a.b.c', { proof: { ...both, expiresAt: EXPIRES } }), TARGET)
    assert.ok(answer.result === 'granted')
    assert.deepEqual(present(answer.credential), [['Authorization', 'Bearer a.b.c']])
    assert.equal(answer.credential.expiresAt, EXPIRES)
    assert.deepEqual(asked, [])
  })
})

test('no answer repeats a token', async () => {
  const text = unsignedJwt({ aud: 'x', sub: 'hunter2' })
  for (const caller of [loginCaller(), bearerCaller(text)]) {
    const answer = await stage({ text }).source.assume(caller, TARGET)
    const refusal = 'refusal' in answer ? answer.refusal : assert.fail()
    assert.ok(!`${refusal.message} ${refusal.stack} ${JSON.stringify(refusal)}`.includes(text.slice(20, 40)))
  }
})

/** The provider against the embedded issuer (oidc-provider 9): what a person and Mandate do together. */
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { startFaultyIssuer } from '../../test/fakes/faulty-issuer.ts'
import { ADA, AUDIENCE, BOB, stageIssuer, WEB } from '../../test/fakes/issuer-stage.ts'
import { createFakeClock } from '../clock.fake.ts'
import type { IssuerOptions } from '../dev/issuer/options.ts'
import { Secret } from '../secret.ts'
import { createIssuerHttp } from './issuer-http.ts'
import { createOidcProvider } from './oidc.ts'
import { assertRefused, providerConfig, readableLog } from './stage.fake.ts'

async function stage(t: TestContext, options: Partial<IssuerOptions> = {}) {
  const faulty = await startFaultyIssuer()
  t.after(() => faulty.close())
  const issuerStage = await stageIssuer(t, { issuerUrl: faulty.url, ...options })
  faulty.setTarget(issuerStage.issuer.listening)
  process.env['MANDATE_TEST_PROVIDER_SECRET'] = WEB.secret
  const config = providerConfig(faulty.url, {
    clientId: WEB.clientId,
    clientAuth: { method: 'secret', secret: { env: 'MANDATE_TEST_PROVIDER_SECRET' } },
    resource: AUDIENCE,
  })
  const log = readableLog()
  // The issuer's tokens carry the machine's time.
  const clock = createFakeClock(Date.now())
  const provider = createOidcProvider(config, { clock, log, http: createIssuerHttp({ limits: { callMs: 2_000 } }) })
  t.after(() => provider.close())
  const { party, browser } = issuerStage
  const signIn = async (user = ADA) => {
    const secrets = {
      state: crypto.randomUUID(),
      nonce: crypto.randomUUID(),
      verifier: new Secret(`${crypto.randomUUID()}${crypto.randomUUID()}`),
    }
    const end = await browser.signIn((await provider.signIn.begin(secrets, party.redirectUri)).href, user.name)
    return { secrets, callback: new URL(end.url) }
  }
  return { ...issuerStage, faulty, provider, clock, log, signIn }
}

test('a replayed code, a wrong verifier and a wrong nonce are refused', async (t) => {
  const { provider, signIn } = await stage(t)
  const first = await signIn()
  await provider.signIn.complete(first.secrets, first.callback)
  await assertRefused(provider.signIn.complete(first.secrets, first.callback), 'sign_in_refused')
  const second = await signIn()
  await assertRefused(
    provider.signIn.complete({ ...second.secrets, verifier: new Secret('x'.repeat(43)) }, second.callback),
    'sign_in_refused',
  )
  const third = await signIn()
  await assertRefused(provider.signIn.complete({ ...third.secrets, nonce: 'other' }, third.callback), 'sign_in_token_invalid')
})

test('two people sign in, refresh and are told apart; a refresh token used twice is refused', async (t) => {
  const { provider, signIn, issuer, faulty } = await stage(t)
  const { secrets, callback } = await signIn()
  const ada = await provider.signIn.complete(secrets, callback)
  assert.deepEqual(ada.principal, {
    kind: 'person',
    provider: 'test',
    issuer: faulty.url,
    subject: ADA.sub,
    groups: ADA.groups,
    name: ADA.name,
    email: ADA.email,
    kubernetesUser: ADA.sub,
  })
  assert.ok(ada.sid)
  const { refreshToken } = ada.tokens
  assert.ok(refreshToken)
  const outcome = await provider.redeem(refreshToken, ADA.sub)
  assert.ok(outcome.result === 'renewed')
  assert.equal(outcome.signedIn?.principal.subject, ADA.sub)
  assert.notEqual(outcome.tokens.refreshToken?.expose(), refreshToken.expose())
  assert.deepEqual(await provider.redeem(refreshToken, ADA.sub), { result: 'refused' })
  assert.equal(issuer.redemptions().length, 2)
})

test('an unverified e-mail is no attribute of its person', async (t) => {
  const { provider, signIn } = await stage(t)
  const { secrets, callback } = await signIn(BOB)
  const { principal } = await provider.signIn.complete(secrets, callback)
  assert.deepEqual([principal.email, principal.groups], [undefined, []])
})

test('a refresh whose answer was lost is unknown, and one that no connection took is not sent', async (t) => {
  const { provider, signIn, faulty, issuer } = await stage(t)
  const { secrets, callback } = await signIn()
  const { tokens } = await provider.signIn.complete(secrets, callback)
  assert.ok(tokens.refreshToken)
  await faulty.refuse()
  assert.deepEqual(await provider.redeem(tokens.refreshToken, ADA.sub), { result: 'not-sent' })
  await faulty.accept()
  faulty.inject('token', { kind: 'lost-answer' })
  assert.deepEqual(await provider.redeem(tokens.refreshToken, ADA.sub), { result: 'unknown' })
  assert.equal(issuer.redemptions().length, 1)
})

test('the issuer is down at the start: nothing is asked, sign-in says so, and it comes back by itself', async (t) => {
  const { provider, faulty, party, clock } = await stage(t)
  const secrets = { state: 's', nonce: 'n', verifier: new Secret('x'.repeat(43)) }
  await faulty.refuse()
  await assertRefused(provider.signIn.begin(secrets, party.redirectUri), 'issuer_unavailable')
  assert.equal(await provider.live(), false)
  await faulty.accept()
  await clock.advance(2_000)
  assert.equal(await provider.live(), true)
  assert.ok(await provider.signIn.begin(secrets, party.redirectUri))
})

test('signing out: the issuer offers a page, and a revoked refresh token is refused', async (t) => {
  const { provider, signIn, party, faulty } = await stage(t)
  const { secrets, callback } = await signIn()
  const { tokens } = await provider.signIn.complete(secrets, callback)
  const url = await provider.signOut.url(tokens.idToken, party.postLogoutRedirectUri)
  assert.equal(url?.origin, faulty.url)
  assert.ok(tokens.refreshToken)
  await provider.signOut.revoke(tokens.refreshToken)
  assert.deepEqual(await provider.redeem(tokens.refreshToken, ADA.sub), { result: 'refused' })
})

test('back-channel logout tokens of the issuer hold, before and after its keys rotate', async (t) => {
  const { provider, signIn, issuer, party } = await stage(t)
  const { secrets, callback } = await signIn()
  const { sid } = await provider.signIn.complete(secrets, callback)
  await issuer.rotateKeys({ forgetOld: true })
  await issuer.endSession(ADA.name)
  const [token = ''] = party.logoutTokens
  const ended = await provider.verifyLogoutToken(new Secret(token))
  assert.deepEqual([ended.subject, ended.sid], [ADA.sub, sid])
  await assertRefused(provider.verifyLogoutToken(new Secret(issuer.mintIdToken(ADA.name, WEB.clientId))), 'logout_token_invalid')
})

for (const signingAlg of ['PS256', 'ES256', 'EdDSA'] as const) {
  test(`an issuer that signs with ${signingAlg} signs people in`, async (t) => {
    const { provider, signIn } = await stage(t, { signingAlg })
    const { secrets, callback } = await signIn()
    assert.equal((await provider.signIn.complete(secrets, callback)).principal.subject, ADA.sub)
  })
}

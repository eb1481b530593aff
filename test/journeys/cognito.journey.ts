/**
 * One Cognito user pool for everybody: people sign in by its hosted pages and machines come with client credentials, to the
 * same routes; people sign out here and there. The pool is a stand-in of the shapes that AWS documents.
 */
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { decodeJwt } from 'jose'
import { type Browser, createBrowser } from '../fakes/browser.ts'
import { isSignInPage, signInAtCognito } from '../fakes/cognito-person.ts'
import { findForm } from '../fakes/html-form.ts'
import { eventually } from '../fakes/raw-http.ts'
import { askRaw, codeOf, cookieOf } from './asks.ts'
import { ADA, AGENT, BOB, type CognitoStage, READ, SECRET, stageWithCognito } from './cognito-stage.ts'
import type { StartWorld } from './world.ts'

const JSON_ONLY = { headers: { accept: 'application/json' } }

/** Asks the service with a token. */
const withToken = ({ stage, api }: CognitoStage, token: string, path = '/db/locations') =>
  askRaw(stage, path, [`Host: ${new URL(api).host}`, `Authorization: Bearer ${token}`])

/** Mandate's own word on who the browser is, or why it is nobody. */
async function whoIs(browser: Browser, { stage }: CognitoStage) {
  const answer = await browser.get(`${stage.origin}/whoami`, JSON_ONLY)
  return { status: answer.status, ...JSON.parse(answer.body) }
}

/** Signs out, and says where the page then leads. */
async function signOut(browser: Browser, { stage }: CognitoStage, more: object = {}): Promise<URL | null> {
  const page = await browser.get(`${stage.origin}/logout`)
  const form = findForm(page.body, page.url)
  const answer = await browser.post(`${stage.origin}/logout`, { ...form?.hidden, ...more }, { origin: stage.origin })
  assert.equal(answer.status, 200, answer.body)
  return URL.parse(/http-equiv="refresh" content="0; url=([^"]+)"/.exec(answer.body)?.[1]?.replaceAll('&amp;', '&') ?? '')
}

/** The header lines of the last request that arrived at the service. */
const arrived = ({ service }: CognitoStage): readonly string[] => (service.heads().at(-1) ?? '').split('\r\n')

/** Runs the journey on a world. */
export function cognito(name: string, start: StartWorld): void {
  suite(`a Cognito user pool, ${name}`, () => {
    test('who does not know the password, or comes by an address that is not registered, gets no further than the pool', async (t) => {
      const here = await stageWithCognito(t, start)
      const browser = createBrowser()
      const wrong = await signInAtCognito(browser, `${here.api}/db/x`, 'ada', 'wrong')
      assert.ok(isSignInPage(wrong))
      assert.match(wrong.body, /Incorrect username or password/)
      assert.equal((await whoIs(browser, here)).status, 401)

      const elsewhere = await stageWithCognito(t, start, { web: { callbackUrls: ['https://mandate.example/callback/cognito'] } })
      const { end } = await elsewhere.visit('ada')
      assert.deepEqual([end.status, new URL(end.url).origin], [400, elsewhere.pool.domain])
      assert.match(end.body, /redirect_mismatch/)
      assert.deepEqual([...here.service.heads(), ...elsewhere.service.heads(), ...here.pool.granted()], [])
    })

    test('a scope that the app client lacks, and a secret that is not its own, are named by what Cognito says', async (t) => {
      const narrow = await stageWithCognito(t, start, { web: { scopes: ['openid', 'email'] } })
      const scope = await narrow.visit('ada')
      assert.deepEqual([scope.end.status, codeOf(scope.end)], [403, 'sign_in_refused'])
      assert.match(scope.end.body, /The issuer said invalid_scope/)
      const other = await stageWithCognito(t, start, { web: { secret: 'another' } })
      const secret = await other.visit('ada')
      assert.deepEqual([secret.end.status, codeOf(secret.end)], [403, 'sign_in_refused'])
      assert.match(secret.end.body, /The issuer refused Mandate(?:'|&#39;)s own client/)
      assert.deepEqual(other.pool.granted(), [{ grant: 'authorization_code', error: 'invalid_client' }])
      assert.ok(!other.stage.logged().includes(SECRET))
    })

    test('an answer of the token endpoint that does not hold signs nobody in', async (t) => {
      const here = await stageWithCognito(t, start)
      const { pool } = here
      for (const [what, change] of [
        ['no ID token', () => ({ id_token: undefined })],
        ['the access token in its place', (answer: Record<string, unknown>) => ({ id_token: answer['access_token'] })],
        ['the ID token of another sign-in', () => ({ id_token: pool.userIdToken(ADA, 'web', { claims: { nonce: 'another' } }) })],
        ['one without a nonce', () => ({ id_token: pool.userIdToken(ADA, 'web') })],
        ['that of another app client', (answer: Record<string, unknown>) => ({ id_token: again(answer, { aud: 'game' }) })],
        ['one with the wrong use', (answer: Record<string, unknown>) => ({ id_token: again(answer, { token_use: 'access' }) })],
        ['that of another pool', (answer: Record<string, unknown>) => ({ id_token: again(answer, { iss: `${pool.issuer}2` }) })],
        ['one for another access token', (answer: Record<string, unknown>) => ({ access_token: `${answer['access_token']}x` })],
        ['groups of another shape', (answer: Record<string, unknown>) => ({ id_token: again(answer, { 'cognito:groups': [['admins']] }) })],
      ] as const) {
        pool.spoil((answer) => ({ ...answer, ...change(answer) }))
        const { browser, end } = await here.visit('ada')
        assert.deepEqual([end.status, codeOf(end)], [502, 'sign_in_token_invalid'], what)
        assert.equal((await whoIs(browser, here)).status, 401, what)
      }
      /** The ID token of an answer once more, with other claims: signed by the pool, of the same sign-in. */
      function again(answer: Record<string, unknown>, claims: object): string {
        return pool.userIdToken(ADA, 'web', { claims: { ...decodeJwt(String(answer['id_token'])), ...claims } })
      }
      assert.deepEqual([here.service.heads(), here.stage.audit('login')], [[], []])
      pool.spoil((answer) => ({ ...answer, id_token: again(answer, { name: 'Ada' }) }))
      assert.equal((await here.visit('ada')).end.status, 200, 'the same with nothing wrong')
    })

    test('a pool that fails is no word about the person, and is asked again at the next sign-in', async (t) => {
      const here = await stageWithCognito(t, start)
      for (const [status, body] of [
        [500, { message: 'Internal Server Error' }],
        [429, { message: 'Too Many Requests' }],
        [503, '<h1>Service Unavailable</h1>'],
      ] as const) {
        here.pool.fail('/oauth2/token', { status, body })
        const { end } = await here.visit('ada')
        assert.deepEqual([end.status, codeOf(end)], [503, 'issuer_unavailable'], `${status}`)
      }
      here.pool.fail('/oauth2/token')
      assert.equal((await here.visit('ada')).end.status, 200)
    })

    test('what comes back from the pool is of use once, and in the browser that went there', async (t) => {
      const here = await stageWithCognito(t, start)
      const { browser, end } = await here.visit('ada')
      const callback = end.trail.find((url) => url.includes('/callback/cognito')) ?? assert.fail(`${end.trail}`)
      assert.deepEqual([...new URL(callback).searchParams.keys()].sort(), ['code', 'state'], 'Cognito does not say iss')
      for (const somebody of [browser, createBrowser()])
        assert.equal(codeOf(await somebody.get(callback, JSON_ONLY)), 'sign_in_state_unknown')
      assert.deepEqual(here.pool.granted(), [{ grant: 'authorization_code' }])
    })

    test('people without the group, people of another app client, and logins where a scope is asked for are refused', async (t) => {
      const here = await stageWithCognito(t, start)
      const { end, browser } = await here.visit('bob')
      assert.deepEqual([end.status, codeOf(end)], [403, 'denied'])
      assert.equal((await browser.get(`${here.api}/all/x`)).status, 200, 'it is no matter of who he is')
      for (const [token, detail] of [
        [here.pool.userAccessToken(BOB, 'web'), /group/],
        [here.pool.userAccessToken(ADA, 'game'), /personClients/],
        [here.pool.machineToken('game', ['openid']), /machineClients/],
      ] as const) {
        const answer = await withToken(here, token)
        assert.deepEqual([answer.status, codeOf(answer)], [403, 'denied'])
        assert.match(here.stage.audit('refused').at(-1)?.detail ?? '', detail)
      }
      const idToken = await withToken(here, here.pool.userIdToken(ADA, 'web'))
      assert.deepEqual([idToken.status, codeOf(idToken)], [401, 'token_type_wrong'])
    })

    test('a person signs in on the hosted page and a machine gets its token, and both call the same route', async (t) => {
      const here = await stageWithCognito(t, start)
      const { stage, pool } = here
      const { browser, end } = await here.visit('ada', '/db/locations?near=1')
      assert.deepEqual([end.status, end.url], [200, `${here.api}/db/locations?near=1`])
      const asked = new URL(end.trail.find((url) => url.includes('/oauth2/authorize')) ?? assert.fail(`${end.trail}`))
      const { scope, code_challenge_method, redirect_uri } = Object.fromEntries(asked.searchParams)
      assert.deepEqual(
        [asked.origin, scope, code_challenge_method, redirect_uri],
        [pool.domain, 'openid profile email', 'S256', `${stage.origin}/callback/cognito`],
      )
      const lines = arrived(here)
      for (const line of [
        `X-Mandate-Subject: ${ADA.sub}`,
        'X-Mandate-Kind: person',
        'X-Mandate-Groups: admins',
        `X-Mandate-Email: ${ADA.email}`,
      ])
        assert.ok(lines.includes(line), `${line}\n${lines.join('\n')}`)
      const { subject, provider, claims } = await whoIs(browser, here)
      assert.deepEqual([subject, provider], [ADA.sub, 'cognito'])
      assert.deepEqual(claims, {
        sub: ADA.sub,
        name: ADA.name,
        'cognito:username': 'ada',
        email: ADA.email,
        'cognito:groups': ['admins'],
      })

      const form = new URLSearchParams({ grant_type: 'client_credentials', scope: READ })
      const authorization = `Basic ${Buffer.from(`${AGENT.clientId}:${AGENT.secret}`).toString('base64')}`
      const answer = await fetch(`${pool.domain}/oauth2/token`, { method: 'POST', headers: { authorization }, body: form })
      const { access_token: token } = (await answer.json()) as { access_token: string }
      assert.equal((await withToken(here, token)).status, 200)
      assert.ok(arrived(here).includes('X-Mandate-Kind: machine') && arrived(here).includes(`X-Mandate-Client: ${AGENT.clientId}`))
      // Her own tool, with the token that the same app client gave her: the same person.
      assert.equal((await withToken(here, pool.userAccessToken(ADA, 'web'))).status, 200)
      assert.ok(arrived(here).includes(`X-Mandate-Subject: ${ADA.sub}`))
      assert.deepEqual(
        stage.audit('granted').map(({ who, resource }) => [who?.kind, who?.subject, resource]),
        [
          ['person', ADA.sub, 'route/db'],
          ['machine', AGENT.clientId, 'route/db'],
          ['person', ADA.sub, 'route/db'],
        ],
      )
      assert.match(await stage.metrics(), /mandate_logins_total\{provider="cognito",result="ok"\} 1/)
    })

    test('who is signed in at the pool already is not asked again, and an e-mail that is not verified is not passed on', async (t) => {
      const here = await stageWithCognito(t, start)
      here.pool.change({ ...ADA, emailVerified: false, groups: ['admins', 'lab'] })
      const { browser } = await here.visit('ada')
      assert.ok(!arrived(here).some((line) => line.startsWith('X-Mandate-Email')), 'as Cognito says of most federated people')
      const cookies = browser.cookies(here.pool.domain)
      const second = createBrowser()
      for (const cookie of cookies) second.jar.put(cookie)
      const end = await second.follow(`${here.api}/db/x`)
      assert.equal(end.status, 200)
      assert.ok(!end.trail.some((url) => url.startsWith(`${here.pool.domain}/login`)))
    })

    test('a public app client signs people in by PKCE alone', async (t) => {
      const here = await stageWithCognito(t, start, { web: { secret: undefined }, provider: { clientAuth: { method: 'none' } } })
      const { end, browser } = await here.visit('ada')
      assert.equal(end.status, 200)
      await signOut(browser, here)
      await eventually(
        () => here.pool.asked('/oauth2/revoke'),
        (times) => times === 1,
      )
    })

    test('signing out ends the login here, the refresh token, and the session at the pool', async (t) => {
      const here = await stageWithCognito(t, start)
      const { stage, pool } = here
      const { browser } = await here.visit('ada')
      const cookie = cookieOf(browser, stage)
      const onward = (await signOut(browser, here)) ?? assert.fail('it leads nowhere')
      assert.equal(`${onward.origin}${onward.pathname}`, `${pool.domain}/logout`)
      assert.deepEqual(Object.fromEntries(onward.searchParams), { client_id: 'web', logout_uri: `${stage.origin}/logout` })
      assert.equal(codeOf(await askRaw(stage, '/whoami', [`Cookie: ${cookie}`])), 'login_ended')
      await eventually(
        () => pool.asked('/oauth2/revoke'),
        (times) => times === 1,
      )
      const end = await browser.follow(onward.href)
      assert.deepEqual([end.status, end.url], [200, `${stage.origin}/logout`])
      assert.match(end.body, /You are signed out/)
      assert.ok(isSignInPage(await browser.follow(`${here.api}/db/x`)), 'the pool asks for the password again')
      assert.ok(
        stage.audit('logout').some(({ cause, subject, provider }) => cause === 'person' && subject === ADA.sub && provider === 'cognito'),
      )
      assert.doesNotMatch(stage.logged(), /could not be revoked|cannot be had/)
    })

    test('where the sign-out URL is not registered, or the pool is away, she is signed out all the same', async (t) => {
      const here = await stageWithCognito(t, start, { web: { logoutUrls: [], revocation: false } })
      const { browser } = await here.visit('ada')
      const onward = (await signOut(browser, here)) ?? assert.fail('it leads nowhere')
      const end = await browser.follow(onward.href)
      assert.deepEqual([end.status, new URL(end.url).origin], [400, here.pool.domain], "Cognito's own page for errors")
      assert.equal((await whoIs(browser, here)).status, 401)
      assert.ok(isSignInPage(await browser.follow(`${here.api}/db/x`)), 'the session there is over too')
      await eventually(
        () => here.stage.logged(),
        (lines) => /a refresh token could not be revoked at its issuer/.test(lines),
      )
      const again = await signInAtCognito(browser, `${here.api}/db/x`, 'ada')
      assert.equal(again.status, 200)
      here.pool.fail('/oauth2/revoke', { status: 503, body: {} })
      await signOut(browser, here)
      assert.equal((await whoIs(browser, here)).status, 401)
    })

    test('signing out everywhere ends her other browser and the access tokens from before, and nobody else', async (t) => {
      const here = await stageWithCognito(t, start)
      const [one, two, bob] = [await here.visit('ada'), await here.visit('ada'), await here.visit('bob')]
      const [token, robot] = [here.pool.userAccessToken(ADA, 'web'), here.pool.machineToken(AGENT.clientId)]
      assert.equal((await withToken(here, token)).status, 200)
      await signOut(one.browser, here, { everywhere: 'yes' })
      await eventually(
        async () => [(await whoIs(two.browser, here)).status, (await withToken(here, token)).status],
        ([cookie, bearer]) => cookie === 401 && bearer === 401,
        6_000,
      )
      assert.equal((await whoIs(bob.browser, here)).subject, BOB.sub)
      assert.equal((await withToken(here, robot)).status, 200)
    })

    for (const [how, web, provider] of [
      ['the same refresh token again and again', {}, {}],
      ['each refresh token once, where the app client rotates them', { rotation: { graceSeconds: 0 } }, { refreshTokens: 'rotating' }],
    ] as const) {
      test(`tokens are renewed by ${how}, and with them what the pool says of her`, async (t) => {
        const here = await stageWithCognito(t, start, { web, provider, life: 3 })
        const { browser, end } = await here.visit('ada', '/own/x')
        assert.equal(end.status, 200, end.body)
        const first = sent(here)
        assert.deepEqual([first['aud'], first['token_use'], first['cognito:username']], ['web', 'id', 'ada'])
        here.pool.change({ ...ADA, groups: ['readers'] })
        const renewals = async (atLeast: number) =>
          eventually(
            async () => {
              assert.equal((await browser.get(`${here.api}/own/x`)).status, 200)
              return here.pool.granted().filter(({ grant }) => grant === 'refresh_token').length
            },
            (times) => times >= atLeast,
            15_000,
          )
        await renewals(2)
        assert.deepEqual(
          here.pool.granted().filter(({ error }) => error !== undefined),
          [],
        )
        const later = sent(here)
        assert.deepEqual([later['origin_jti'], later['cognito:groups']], [first['origin_jti'], ['readers']])
        await eventually(
          async () => (await whoIs(browser, here)).claims['cognito:groups'],
          ([group]) => group === 'readers',
        )
        assert.equal(codeOf(await browser.get(`${here.api}/db/x`, JSON_ONLY)), 'denied', 'she is no admin any more')
      })
    }

    test('where her tokens are needed, a person whom the pool signed out is asked to sign in again once they have ended', async (t) => {
      const here = await stageWithCognito(t, start, { life: 3 })
      const { browser } = await here.visit('ada', '/own/x')
      here.pool.signOutEverywhere('ada')
      const refused = await eventually(
        () => browser.get(`${here.api}/own/x`, JSON_ONLY),
        ({ status }) => status !== 200,
        10_000,
      )
      assert.deepEqual([refused.status, codeOf(refused)], [401, 'login_expired'])
      assert.deepEqual(here.pool.granted().at(-1), { grant: 'refresh_token', error: 'invalid_grant' })
      assert.equal((await whoIs(browser, here)).status, 200, 'what needs no token of hers goes on: the guide says so')
    })
  })
}

/** The claims of the token that the service was sent last. */
function sent(here: CognitoStage): Readonly<Record<string, unknown>> {
  return decodeJwt(/^Authorization: Bearer (\S+)$/m.exec(arrived(here).join('\n'))?.[1] ?? assert.fail('no token arrived'))
}

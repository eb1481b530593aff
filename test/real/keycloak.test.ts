/** Keycloak as second issuer: both live at once on two replicas, before one API server that trusts both. */
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import type { Browser } from '../fakes/browser.ts'
import { eventually } from './eventually.ts'
import { ADA, EVE, KC_CLIENT, KC_ROBOT, type KeycloakStage, REALM, setKeycloakStage } from './keycloak-stage.ts'
import { ask } from './parts/ask.ts'

/** Promise 4's bound, at three times its value. */
const WITHIN_MS = 6_000
const PODS = (namespace: string) => `/api/v1/namespaces/${namespace}/pods`

test('Keycloak beside another issuer', { timeout: 240_000 }, async (t) => {
  const all = await setKeycloakStage(t)
  const parts: Readonly<Record<string, (all: KeycloakStage, t: TestContext) => Promise<void>>> = {
    'both are offered; who signs in by the real form has exactly their rights': signsIn,
    'the group admins of one issuer is not the group admins of the other': keepsGroupsApart,
    'an access token is taken as a bearer, an ID token is not': takesAccessTokens,
    'its service account is a machine': takesMachines,
    'two replicas redeem each refresh token once, and the session lives on': refreshesOnce,
    'signing out ends the session at Keycloak too': signsOut,
    'what Keycloak ends, ends here within the bound, open watches included': endsByBackChannel,
  }
  for (const [name, part] of Object.entries(parts)) await t.test(name, (inner) => part(all, inner))
})

const statusAt = async (browser: Browser, url: string) => (await browser.get(url)).status

async function signsIn({ stage, ada, browser }: KeycloakStage): Promise<void> {
  const page = await browser().get(`${stage.origin}/login`)
  assert.match(page.body, /Continue with Corp</)
  assert.match(page.body, /Continue with keycloak</)
  const one = await ada()
  const you = JSON.parse((await one.get(`${stage.origin}/whoami`)).body) as {
    provider: string
    kind: string
    claims: { preferred_username: string }
  }
  assert.deepEqual([you.provider, you.kind, you.claims.preferred_username], ['keycloak', 'person', ADA.username])
  for (const cluster of ['prod', 'named']) {
    for (const origin of stage.origins) {
      assert.equal(await statusAt(one, `${origin}/clusters/${cluster}${PODS('team-a')}`), 200)
      const refused = await one.get(`${origin}/clusters/${cluster}${PODS('team-b')}`)
      assert.equal(refused.status, 403)
      assert.match(refused.body, /kc:ada/)
    }
  }
}

async function keepsGroupsApart({ stage, ada, browser }: KeycloakStage): Promise<void> {
  const eve = browser()
  await eve.signIn(`${stage.origin}/login?provider=corp&return_to=/whoami`, EVE.name)
  const one = await ada()
  for (const cluster of ['prod', 'named']) {
    const at = (namespace: string) => `${stage.origin}/clusters/${cluster}${PODS(namespace)}`
    const seen = [
      await statusAt(one, at('team-a')),
      await statusAt(one, at('team-b')),
      await statusAt(eve, at('team-a')),
      await statusAt(eve, at('team-b')),
    ]
    assert.deepEqual(seen, [200, 403, 403, 200], cluster)
  }
}

async function takesAccessTokens({ stage, keycloak }: KeycloakStage): Promise<void> {
  const tokens = await keycloak.passwordToken(REALM, KC_CLIENT, ADA)
  const named = `${stage.origin}/clusters/named${PODS('team-a')}`
  assert.equal((await ask(named, { token: tokens.access_token })).status, 200)
  const idToken = await ask(named, { token: tokens.id_token ?? '' })
  assert.equal(idToken.status, 401)
  assert.match(idToken.body, /token_audience_wrong|not issued for Mandate/)
  const refreshToken = await ask(named, { token: tokens.refresh_token ?? '' })
  assert.equal(refreshToken.status, 401)
}

async function takesMachines({ stage, keycloak }: KeycloakStage): Promise<void> {
  const { access_token: token } = await keycloak.machineToken(REALM, KC_ROBOT)
  const you = JSON.parse((await ask(`${stage.origin}/whoami`, { token })).body) as { kind: string; provider: string }
  assert.deepEqual([you.kind, you.provider], ['machine', 'keycloak'])
  const pods = await ask(`${stage.origin}/clusters/named${PODS('team-a')}`, { token })
  assert.equal(pods.status, 403)
  assert.match(pods.body, /kc:service-account-kc-robot/)
}

async function refreshesOnce({ stage, ada, redeemed }: KeycloakStage): Promise<void> {
  const one = await ada()
  const before = (await redeemed()).taken
  const refreshes = () => stage.audit('refresh').length
  const first = refreshes()
  const urls = stage.origins.flatMap((origin) => Array.from({ length: 10 }, () => `${origin}/clusters/prod${PODS('team-a')}`))
  for (const deadline = Date.now() + 60_000; refreshes() < first + 3; ) {
    const answers = await Promise.all(urls.map((url) => one.get(url)))
    for (const { status, body } of answers) assert.equal(status, 200, `${body}\n${stage.logged().slice(-3_000)}`)
    assert.ok(Date.now() < deadline, 'three refreshes under the load of both replicas')
  }
  const { taken, refused } = await redeemed()
  assert.equal(refused, 0)
  assert.equal(taken - before, refreshes() - first)
}

async function signsOut({ stage, ada }: KeycloakStage): Promise<void> {
  const one = await ada()
  const form = await one.get(`${stage.origin}/logout`)
  const token = /name="token" value="([^"]+)"/.exec(form.body)?.[1] ?? ''
  const page = await one.post(`${stage.origin}/logout`, { token }, { origin: stage.origin })
  const onward = /http-equiv="refresh" content="0; url=([^"]+)"/.exec(page.body)?.[1]?.replaceAll('&amp;', '&')
  assert.match(onward ?? '', /\/protocol\/openid-connect\/logout\?/)
  const end = await one.follow(onward ?? '')
  assert.ok(end.url.startsWith(stage.origin), end.url)
  assert.equal(await statusAt(one, `${stage.origin}/whoami`), 401)
  // Keycloak has forgotten this browser: it asks for the password again.
  const again = await one.follow(`${stage.origin}/login?provider=keycloak&return_to=/whoami`)
  assert.match(again.body, /kc-form-login/)
}

async function endsByBackChannel({ stage, ada, admin }: KeycloakStage): Promise<void> {
  const one = await ada()
  const [, second = ''] = stage.origins
  const watch = one.get(`${second}/clusters/prod${PODS('team-a')}?watch=1&timeoutSeconds=60`)
  await eventually('the watch is open', () => stage.audit('stream-opened').length > 0)
  const users = (await admin(`/users?username=${ADA.username}&exact=true`)) as ReadonlyArray<{ id: string }>
  await admin(`/users/${users[0]?.id}/logout`, 'POST')
  const began = performance.now()
  const ended = async (origin: string) =>
    eventually('the login has ended', async () => (await statusAt(one, `${origin}/whoami`)) === 401, WITHIN_MS)
  await Promise.all([...stage.origins.map(ended), watch])
  assert.ok(performance.now() - began < WITHIN_MS)
}

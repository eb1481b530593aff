/** Tokens exchanged at a real Keycloak, for a service that verifies them with the realm's published keys. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { createLocalJWKSet, decodeJwt, type JSONWebKeySet, type JWTPayload, jwtVerify } from 'jose'
import { type Browser, createBrowser } from '../fakes/browser.ts'
import { askRaw, codeOf } from '../journeys/asks.ts'
import { as } from '../journeys/exchange-stage.ts'
import { type Stage, setStage } from '../journeys/stage.ts'
import { AUDIENCE, standIns } from '../journeys/world.ts'
import { ADA, KC_CLIENT, KC_ROBOT, REALM } from './keycloak-stage.ts'
import { ask } from './parts/ask.ts'
import { makeLoopbackCertificate } from './parts/certificates.ts'
import { type Keycloak, startKeycloak } from './parts/keycloak.ts'
import { makeRealm } from './parts/realm.ts'

const REPORTS = 'reports'
/** A client that Mandate's tokens may not name. */
const LEDGER = 'ledger'
/** A machine whose tokens do not name Mandate's client. */
const STRANGER = { clientId: 'kc-stranger', secret: 'keycloak-stranger-secret', machine: true, audiences: [AUDIENCE] }
const BEN = { username: 'ben', password: 'ben-password' }

const realm = makeRealm({
  name: REALM,
  clients: [
    { ...KC_CLIENT, tokenExchange: true, audiences: [AUDIENCE, REPORTS] },
    { ...KC_ROBOT, machine: true, audiences: [AUDIENCE, KC_CLIENT.clientId] },
    STRANGER,
    { clientId: REPORTS, secret: 'reports-secret' },
    { clientId: LEDGER, secret: 'ledger-secret' },
  ],
  users: [ADA, BEN],
})

interface All {
  readonly stage: Stage
  readonly keycloak: Keycloak
  /** What the service was sent: the token and, where it held, its claims. */
  readonly visits: ReadonlyArray<{ readonly token: string; readonly claims: JWTPayload | undefined }>
  readonly caPem: string
}

test('tokens exchanged at Keycloak', { timeout: 240_000 }, async (t) => {
  const all = await setUp(t)
  const parts: Readonly<Record<string, (all: All) => Promise<void>>> = {
    'what it refuses is a refusal with a record: a client that may not be named, a token that does not name us': refuses,
    'a machine by bearer reaches the service by a token for the service alone': machine,
    'a person by login reaches it, as a route and as a cluster': person,
    'two callers at once never share one': apart,
    'a session that it ended gives no new token': ended,
    'while it hangs or is gone the answer is 503 and the cookie stays': outage,
  }
  for (const [name, part] of Object.entries(parts)) await t.test(name, () => part(all))
})

const askRoute = ({ stage }: All, host: string, line: string) =>
  askRaw(stage, '/x', [`Host: ${host}.localhost:${new URL(stage.origin).port}`, 'Accept: application/json', line])
const bearer = async ({ keycloak }: All, client: { clientId: string; secret: string }) =>
  `Authorization: Bearer ${(await keycloak.machineToken(REALM, client)).access_token}`

async function refuses(all: All): Promise<void> {
  for (const [host, client] of [
    ['ledger', KC_ROBOT],
    ['reports', STRANGER],
  ] as const) {
    const answer = await askRoute(all, host, await bearer(all, client))
    assert.deepEqual([answer.status, codeOf(answer)], [403, 'credential_not_offered'], answer.body)
    const { code, resource } = all.stage.audit('refused').at(-1) ?? {}
    assert.deepEqual([code, resource], ['credential_not_offered', `route/${host}`])
  }
  const nobody = await askRoute(all, 'nobody', await bearer(all, KC_ROBOT))
  assert.deepEqual([nobody.status, codeOf(nobody)], [503, 'credential_unavailable'], nobody.body)
  assert.deepEqual(all.visits, [])
}

async function machine(all: All): Promise<void> {
  const line = await bearer(all, KC_ROBOT)
  const answer = await askRoute(all, 'reports', line)
  assert.equal(answer.status, 200, answer.body + all.stage.logged().slice(-2_000))
  const { token = '', claims } = all.visits.at(-1) ?? {}
  assert.ok(!line.endsWith(token))
  assert.deepEqual([claims?.aud, claims?.sub, claims?.['azp']], [REPORTS, decodeJwt(line.split(' ')[2] ?? '').sub, KC_CLIENT.clientId])
  // Back at Mandate it opens nothing.
  const back = await askRoute(all, 'reports', `Authorization: Bearer ${token}`)
  assert.deepEqual([back.status, codeOf(back)], [401, 'token_audience_wrong'])
}

async function person(all: All): Promise<void> {
  const { stage, visits } = all
  const browser = await signedIn(all, ADA)
  const page = await browser.follow(`${stage.origin.replace('//localhost', '//reports.localhost')}/page`)
  assert.equal(page.status, 200, page.body)
  assert.equal((await browser.get(`${stage.origin}/clusters/reports/api/v1/pods`)).status, 200)
  for (const { claims } of visits.slice(-2)) {
    assert.deepEqual([claims?.aud, claims?.['preferred_username'], claims?.['groups']], [REPORTS, ADA.username, ADA.groups])
  }
}

async function apart(all: All): Promise<void> {
  const { keycloak, visits } = all
  const tokens = await Promise.all([ADA, BEN, ADA].map((user) => keycloak.passwordToken(REALM, KC_CLIENT, user)))
  const before = visits.length
  await Promise.all(
    Array.from({ length: 4 }, () => tokens)
      .flat()
      .map(async ({ access_token: token }) => {
        assert.equal((await askRoute(all, 'reports', `Authorization: Bearer ${token}`)).status, 200)
      }),
  )
  // Ada has two tokens and so two of the service's; each is about whom it was made for.
  const sent = new Map(visits.slice(before).map(({ token, claims }) => [token, claims?.sub]))
  assert.deepEqual([...sent.values()].sort(), tokens.map(({ access_token: token }) => decodeJwt(token).sub).sort())
}

async function ended(all: All): Promise<void> {
  const { keycloak, visits } = all
  const { access_token: token } = await keycloak.passwordToken(REALM, KC_CLIENT, BEN)
  const admin = `${keycloak.httpUrl}/admin/realms/${REALM}/users/${decodeJwt(token).sub}/logout`
  assert.equal((await ask(admin, { method: 'POST', token: await keycloak.adminToken() })).status, 204)
  const before = visits.length
  const answer = await askRoute(all, 'reports', `Authorization: Bearer ${token}`)
  assert.deepEqual([answer.status, codeOf(answer)], [403, 'credential_not_offered'])
  assert.equal(visits.length, before)
}

async function outage(all: All): Promise<void> {
  const { stage, keycloak, visits } = all
  const browser = await signedIn(all, BEN)
  const before = visits.length
  const authorization = (await bearer(all, KC_ROBOT)).slice('Authorization: '.length)
  const url = `${stage.origin}/clusters/second/api/v1/pods`
  keycloak.pause()
  const [byCookie, byBearer] = await Promise.all([browser.get(url), fetch(url, { headers: { authorization } })])
  keycloak.resume()
  assert.deepEqual([byCookie.status, codeOf(byCookie), byCookie.headers['set-cookie']], [503, 'issuer_unavailable', undefined])
  assert.deepEqual([byBearer.status, codeOf({ body: await byBearer.text() })], [503, 'issuer_unavailable'])
  assert.equal(visits.length, before)
  assert.equal((await browser.get(url)).status, 200)
}

async function signedIn({ stage, caPem }: All, { username, password }: { username: string; password: string }): Promise<Browser> {
  const browser = createBrowser({ ca: caPem })
  const end = await browser.signInKeycloak(`${stage.origin}/login?provider=keycloak&return_to=/whoami`, username, password)
  assert.equal(end.status, 200, end.body)
  return browser
}

async function setUp(t: TestContext): Promise<All> {
  const folder = await mkdtemp(join(tmpdir(), 'mandate-exchange-'))
  t.after(() => rm(folder, { recursive: true, force: true }))
  const pair = await makeLoopbackCertificate('keycloak')
  const files = { ca: join(folder, 'ca.pem'), secret: join(folder, 'secret') }
  await Promise.all([writeFile(files.ca, pair.caPem), writeFile(files.secret, KC_CLIENT.secret, { mode: 0o600 })])
  const keycloak = await startKeycloak({ https: pair, realms: [realm] })
  t.after(() => keycloak.stop())
  const visits: Array<All['visits'][number]> = []
  const origin = await startService(t, keycloak, visits)
  const allow = { callers: ['person', 'machine'], providers: ['keycloak'] }
  const route = (host: string, audience: string) => {
    return { name: host, match: { host: `${host}.localhost`, path: '/**' }, allow, upstream: origin, as: as(audience) }
  }
  const stage = await setStage(t, standIns, {
    configure(config) {
      config.providers['keycloak'] = {
        kind: 'oidc',
        issuer: keycloak.issuer(REALM),
        ca: { file: files.ca },
        clientId: KC_CLIENT.clientId,
        clientAuth: { method: 'secret', secret: { file: files.secret } },
        audience: AUDIENCE,
        accessTokenType: 'jwt',
        machineClients: [KC_ROBOT.clientId, STRANGER.clientId],
        scopes: ['openid', 'profile', 'email'],
      }
      Object.assign(config.clusters['prod'] ?? {}, { allow: { callers: ['person'], providers: ['corp'] } })
      for (const name of ['reports', 'second']) config.clusters[name] = { server: origin, allow, as: as(REPORTS) }
      config['routes'] = [route('reports', REPORTS), route('ledger', LEDGER), route('nobody', 'no-such-client')]
    },
  })
  return { stage, keycloak, visits, caPem: pair.caPem }
}

/** A service as a resource server of the realm: signature by its published keys, issuer, and its own audience. */
async function startService(t: TestContext, keycloak: Keycloak, visits: Array<All['visits'][number]>): Promise<string> {
  const certs = await ask(`${keycloak.httpUrl}/realms/${REALM}/protocol/openid-connect/certs`)
  const keys = createLocalJWKSet(JSON.parse(certs.body) as JSONWebKeySet)
  const server = createServer((request, response) => {
    const token = /^Bearer (\S+)$/.exec(request.headers.authorization ?? '')?.[1] ?? ''
    void jwtVerify(token, keys, { issuer: keycloak.issuer(REALM), audience: REPORTS }).then(
      ({ payload }) => {
        visits.push({ token, claims: payload })
        response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ sub: payload.sub }))
      },
      () => {
        visits.push({ token, claims: undefined })
        response.writeHead(401).end()
      },
    )
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

/** Machines of a real Keycloak on routes: client credentials, service accounts, and people who must not pass for them. */
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { decodeJwt } from 'jose'
import { askRaw, codeOf } from '../journeys/asks.ts'
import { stageWithService } from '../journeys/route-stage.ts'
import { standIns } from '../journeys/world.ts'
import { ask as askPart } from './parts/ask.ts'
import { type Keycloak, startKeycloak } from './parts/keycloak.ts'
import { makeRealm } from './parts/realm.ts'

const REALM = 'work'
const AUDIENCE = 'api://lab'
/** Those that exchange tokens must be named in them. */
const audiences = [AUDIENCE, 'broker', 'quiet-broker']
const ROBOT = { clientId: 'Lab-Robot', secret: 'robot-secret', machine: true, audiences }
const STRANGER = { clientId: 'stranger', secret: 'stranger-secret', machine: true, audiences }
const ELSEWHERE = { clientId: 'elsewhere', secret: 'elsewhere-secret', machine: true }
const WEB = { clientId: 'web', secret: 'web-secret', audiences }
const BROKER = { clientId: 'broker', secret: 'broker-secret', machine: true, audiences, tokenExchange: true }
/** One whose tokens say neither user name nor address: it lacks the scopes of Keycloak's defaults that write them. */
const QUIET = { ...BROKER, clientId: 'quiet-broker' }
/** Lightweight tokens, in which nothing tells of a machine but their id. One may refresh its token, and then not even that. */
const LIGHT = { clientId: 'light', secret: 'light-secret', machine: true, audiences }
const LIGHT_STRANGER = { ...LIGHT, clientId: 'light-stranger' }
const ADA = { username: 'ada', password: 'ada-password', groups: ['admins'] }
/** Somebody who is called as a service account would be. */
const EVE = { username: 'lab-robot', password: 'eve-password' }

test('machines of Keycloak on routes', { timeout: 240_000 }, async (t) => {
  const realm = makeRealm({
    name: REALM,
    clients: [ROBOT, STRANGER, ELSEWHERE, WEB, BROKER, QUIET, LIGHT, LIGHT_STRANGER],
    users: [ADA, EVE],
  })
  const clients = (realm['clients'] as readonly Imported[]).map((client) =>
    client.clientId === QUIET.clientId
      ? { ...client, defaultClientScopes: ['basic'] }
      : [LIGHT.clientId, LIGHT_STRANGER.clientId].includes(client.clientId)
        ? lightweight(client)
        : client,
  )
  const keycloak = await startKeycloak({ realms: [{ ...realm, clients }] })
  t.after(() => keycloak.stop())
  const stage = await stageKeycloak(t, keycloak)
  const machine = async (client: typeof ROBOT | typeof ELSEWHERE) => (await keycloak.machineToken(REALM, client)).access_token
  const proofOf = ({ clientId, secret }: typeof ROBOT | typeof BROKER) => ({ client_id: clientId, client_secret: secret })
  const tokenBy = async (form: Readonly<Record<string, string>>): Promise<string> => {
    const { status, body } = await askPart(`${keycloak.issuer(REALM)}/protocol/openid-connect/token`, { body: new URLSearchParams(form) })
    assert.equal(status, 200, body)
    return (JSON.parse(body) as { access_token: string }).access_token
  }
  const person = (user: typeof ADA | typeof EVE) => keycloak.passwordToken(REALM, WEB, user)

  await t.test('refuses people, their ID tokens, machines that are not listed and tokens for somebody else', async () => {
    assert.deepEqual(await stage.told('/read/x', (await person(ADA)).access_token), [403, 'denied'])
    assert.deepEqual(await stage.told('/read/x', (await person(EVE)).access_token), [403, 'denied'])
    assert.deepEqual(await stage.told('/read/x', await machine(STRANGER)), [403, 'denied'])
    assert.deepEqual(await stage.told('/read/x', await machine(ELSEWHERE)), [401, 'token_audience_wrong'])
    const { id_token = '', refresh_token = '' } = await person(ADA)
    assert.deepEqual(await stage.told('/read/x', id_token), [401, 'token_audience_wrong'])
    assert.equal((await stage.told('/read/x', refresh_token))[0], 401)
    assert.deepEqual(stage.heads(), [])
  })

  await t.test('refuses machines and people whose token another client exchanged, wherever people or machines may come', async () => {
    const exchanged = (client: typeof BROKER, token: string): Promise<string> =>
      tokenBy({
        ...proofOf(client),
        grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
        subject_token: token,
        subject_token_type: 'urn:ietf:params:oauth:token-type:access_token',
      })
    const [robot, stranger, ada] = [await machine(ROBOT), await machine(STRANGER), (await person(ADA)).access_token]
    for (const subject of [robot, stranger]) {
      const token = await exchanged(BROKER, subject)
      const { sub, azp, client_id: client, clientHost, preferred_username: user } = decodeJwt(token) as Record<string, string>
      // What makes it look like a person's: whoever exchanged is the client, and of the machine only subject and user name are left.
      assert.deepEqual([sub, azp, client, clientHost], [decodeJwt(subject).sub, 'broker', undefined, undefined])
      assert.match(user ?? '', /^service-account-/)
      assert.deepEqual(await stage.told('/any/x', token), [403, 'denied'])
      assert.match(stage.refused()?.detail ?? '', /another client may have exchanged it/)
      // Nothing at all is left of it here.
      const quiet = await exchanged(QUIET, subject)
      const names = ['preferred_username', 'client_id', 'clientHost', 'clientAddress', 'email']
      assert.ok(!names.some((claim) => claim in decodeJwt(quiet)))
      assert.deepEqual(await stage.told('/any/x', quiet), [403, 'denied'])
      assert.match(stage.refused()?.detail ?? '', /personClients/)
    }
    for (const client of [BROKER, QUIET]) assert.deepEqual(await stage.told('/any/x', await exchanged(client, ada)), [403, 'denied'])
    assert.deepEqual(stage.heads(), [])
  })

  await t.test('refuses lightweight tokens of machines as people: of a client that is not listed, and what was refreshed', async () => {
    const { sub, azp, jti, ...rest } = decodeJwt(await machine(LIGHT_STRANGER))
    assert.deepEqual([azp, /^[a-z]{2}ltcc:/.test(jti ?? ''), typeof sub], ['light-stranger', true, 'string'])
    const ofUsers = ['preferred_username', 'email', 'name', 'username', 'client_id', 'clientHost', 'clientAddress']
    assert.deepEqual(
      ofUsers.filter((claim) => claim in rest),
      [],
    )
    for (const path of ['/any/x', '/people/x', '/anybody/x'])
      assert.deepEqual(await stage.told(path, await machine(LIGHT_STRANGER)), [403, 'denied'])
    assert.match(stage.refused()?.detail ?? '', /machineClients/)
    const { refresh_token: refresh = '' } = await keycloak.machineToken(REALM, LIGHT)
    const refreshed = await tokenBy({ ...proofOf(LIGHT), grant_type: 'refresh_token', refresh_token: refresh })
    const claims = decodeJwt(refreshed)
    // A session, as people have it, and another grant.
    assert.deepEqual([claims['azp'], typeof claims['sid'], claims.jti?.slice(0, 7)], ['light', 'string', 'onltrt:'])
    for (const path of ['/any/x', '/anybody/x']) {
      assert.deepEqual(await stage.told(path, refreshed), [403, 'denied'])
      assert.match(stage.refused()?.detail ?? '', /neither the form of a machine's nor the name of a user/)
    }
    assert.deepEqual(await stage.told('/anybody/x', await machine(LIGHT)), [403, 'denied'])
    assert.deepEqual(stage.heads(), [])
  })

  await t.test('refuses a machine without the scope, and names it', async () => {
    const answer = await stage.ask('/admin/x', await machine(ROBOT))
    assert.deepEqual([answer.status, codeOf(answer)], [403, 'insufficient_scope'])
    assert.match(answer.head, /www-authenticate: bearer realm="mandate", error="insufficient_scope", scope="email lab:admin"/)
    assert.deepEqual(stage.heads(), [])
  })

  await t.test('takes its service account as the machine that its client is', async () => {
    const token = await machine(ROBOT)
    const { sub, azp, scope, preferred_username: user } = decodeJwt(token) as Record<string, string>
    // What makes Keycloak another case: the subject is no client, and there is a user name.
    assert.deepEqual([azp, user, sub === ROBOT.clientId], [ROBOT.clientId, 'service-account-lab-robot', false])
    assert.deepEqual(await stage.told('/read/x', token), [200, ''])
    const head = stage.heads()[0] ?? ''
    assert.match(head, new RegExp(`\r\nX-Mandate-Subject: ${sub}\r\n`))
    assert.match(head, /\r\nX-Mandate-Kind: machine\r\n/)
    assert.match(head, /\r\nX-M2M-Client-ID: Lab-Robot(\r\n|$)/)
    const who = stage.granted()
    assert.deepEqual([who?.kind, who?.client, who?.scopes?.toSorted()], ['machine', ROBOT.clientId, scope?.split(' ').sort()])
  })

  await t.test('takes a lightweight token of a listed client as its machine, by the id of the token', async () => {
    const token = await machine(LIGHT)
    assert.match(decodeJwt(token).jti ?? '', /^onltcc:/)
    assert.deepEqual(await stage.told('/read/x', token), [200, ''])
    assert.match(stage.heads().at(-1) ?? '', /\r\nX-Mandate-Kind: machine\r\n/)
    assert.deepEqual([stage.granted()?.kind, stage.granted()?.client], ['machine', LIGHT.clientId])
  })

  await t.test('takes people where people may come, on the same host', async () => {
    assert.deepEqual(await stage.told('/people/x', (await person(ADA)).access_token), [200, ''])
    assert.deepEqual(await stage.told('/people/x', await machine(ROBOT)), [403, 'denied'])
  })
})

interface Imported {
  readonly clientId: string
  readonly attributes: object
  readonly protocolMappers: ReadonlyArray<{ readonly protocolMapper: string; readonly config: object }>
}

/** Its tokens say subject and audience alone. It gets a refresh token, as a machine may. */
function lightweight(client: Imported): Imported {
  const said = { 'access.token.claim': 'true', 'lightweight.claim': 'true' }
  const subject = { name: 'subject', protocol: 'openid-connect', protocolMapper: 'oidc-sub-mapper', config: said }
  const mappers = client.protocolMappers.map((mapper) =>
    mapper.protocolMapper === 'oidc-audience-mapper' ? { ...mapper, config: { ...mapper.config, ...said } } : mapper,
  )
  const attributes = { 'client.use.lightweight.access.token.enabled': 'true', 'client_credentials.use_refresh_token': 'true' }
  return { ...client, attributes: { ...client.attributes, ...attributes }, protocolMappers: [...mappers, subject] }
}

async function stageKeycloak(t: TestContext, keycloak: Keycloak) {
  const { stage, service, host } = await stageWithService(t, standIns, undefined, {
    configure(config) {
      const upstream = (config['routes'] as Array<{ upstream: string }>)[0]?.upstream
      config.providers['keycloak'] = {
        kind: 'oidc',
        issuer: keycloak.issuer(REALM),
        clientId: 'mandate',
        clientAuth: { method: 'none' },
        signIn: false,
        audience: AUDIENCE,
        accessTokenType: 'jwt',
        // Listed, the broker is a machine as itself and for nobody else.
        machineClients: [ROBOT.clientId, BROKER.clientId, LIGHT.clientId],
        personClients: [WEB.clientId],
      }
      const route = (path: string, allow: object) => ({
        match: { host: 'api.localhost', path },
        allow: { callers: ['machine'], provider: 'keycloak', ...allow },
        upstream,
        identity: { m2m: true },
      })
      config['routes'] = [
        route('/read/**', { scopes: ['email'] }),
        route('/admin/**', { scopes: ['email', 'lab:admin'] }),
        route('/any/**', { callers: ['person', 'machine'] }),
        route('/people/**', { callers: ['person'], groups: ['admins'] }),
        route('/anybody/**', { callers: ['person'] }),
      ]
    },
  })
  const ask = (path: string, token: string) => askRaw(stage, path, [`Host: ${host('api.localhost')}`, `Authorization: Bearer ${token}`])
  return {
    ask,
    async told(path: string, token: string): Promise<readonly [number, string]> {
      const answer = await ask(path, token)
      return [answer.status, answer.status === 200 ? '' : codeOf(answer)]
    },
    heads: () => service.heads(),
    granted: () => stage.audit('granted').at(-1)?.who,
    refused: () => stage.audit('refused').at(-1),
  }
}

/** Machines of a real Keycloak on routes: client credentials, service accounts, and people who must not pass for them. */
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { decodeJwt } from 'jose'
import { askRaw, codeOf } from '../journeys/asks.ts'
import { stageWithService } from '../journeys/route-stage.ts'
import { standIns } from '../journeys/world.ts'
import { type Keycloak, startKeycloak } from './parts/keycloak.ts'
import { makeRealm } from './parts/realm.ts'

const REALM = 'work'
const AUDIENCE = 'api://lab'
const audiences = [AUDIENCE]
const ROBOT = { clientId: 'Lab-Robot', secret: 'robot-secret', machine: true, audiences }
const STRANGER = { clientId: 'stranger', secret: 'stranger-secret', machine: true, audiences }
const ELSEWHERE = { clientId: 'elsewhere', secret: 'elsewhere-secret', machine: true }
const WEB = { clientId: 'web', secret: 'web-secret', audiences }
const ADA = { username: 'ada', password: 'ada-password', groups: ['admins'] }
/** Somebody who is called as a service account would be. */
const EVE = { username: 'lab-robot', password: 'eve-password' }

test('machines of Keycloak on routes', { timeout: 240_000 }, async (t) => {
  const clients = [ROBOT, STRANGER, ELSEWHERE, WEB]
  const keycloak = await startKeycloak({ realms: [makeRealm({ name: REALM, clients, users: [ADA, EVE] })] })
  t.after(() => keycloak.stop())
  const stage = await stageKeycloak(t, keycloak)
  const machine = async (client: typeof ROBOT | typeof ELSEWHERE) => (await keycloak.machineToken(REALM, client)).access_token
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

  await t.test('takes people where people may come, on the same host', async () => {
    assert.deepEqual(await stage.told('/people/x', (await person(ADA)).access_token), [200, ''])
    assert.deepEqual(await stage.told('/people/x', await machine(ROBOT)), [403, 'denied'])
  })
})

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
        machineClients: [ROBOT.clientId],
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
        route('/people/**', { callers: ['person'], groups: ['admins'] }),
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
  }
}

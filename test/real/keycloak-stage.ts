/** A stage with two issuers that are live at once: the world's own, and a Keycloak that the same API server trusts. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { type Browser, createBrowser } from '../fakes/browser.ts'
import { type ConfigDraft, type Stage, setStage } from '../journeys/stage.ts'
import { AUDIENCE, CLIENT, type StartWorld } from '../journeys/world.ts'
import { ask } from './parts/ask.ts'
import { makeLoopbackCertificate } from './parts/certificates.ts'
import { type Keycloak, startKeycloak } from './parts/keycloak.ts'
import { makeRealm } from './parts/realm.ts'
import { apply } from './seeding.ts'
import { type RealWorld, realParts } from './world.ts'

export const REALM = 'work'
/** Seconds; short, so that a test sees several refreshes. */
const LIFE = 5
export const KC_CLIENT = { clientId: CLIENT, secret: 'keycloak-client-secret' }
export const KC_ROBOT = { clientId: 'kc-robot', secret: 'keycloak-robot-secret' }
export const ADA = { username: 'ada', password: 'ada-password', groups: ['admins'] }
/** Somebody of the world's own issuer, in a group of the same name. */
export const EVE = { name: 'eve', sub: 'eve', email: 'eve@corp.example', emailVerified: true, groups: ['admins'] }

export interface KeycloakStage {
  readonly stage: Stage
  readonly keycloak: Keycloak
  /** A new browser that trusts both issuers. */
  browser(): Browser
  /** A new browser, signed in as ada at Keycloak's own form. */
  ada(): Promise<Browser>
  /** One question to Keycloak's admin API about the realm. */
  admin(path: string, method?: 'GET' | 'POST'): Promise<unknown>
  /** How often Keycloak was shown a refresh token, and how often it refused one. */
  redeemed(): Promise<{ readonly taken: number; readonly refused: number }>
}

/** Two replicas before a world and a Keycloak. Group `kc:admins` edits team-a, group `corp:admins` edits team-b. */
export async function setKeycloakStage(t: TestContext): Promise<KeycloakStage> {
  const folder = await mkdtemp(join(tmpdir(), 'mandate-keycloak-stage-'))
  t.after(() => rm(folder, { recursive: true, force: true }))
  const pair = await makeLoopbackCertificate('keycloak')
  const files = { ca: join(folder, 'ca.pem'), secret: join(folder, 'secret') }
  await Promise.all([writeFile(files.ca, pair.caPem), writeFile(files.secret, KC_CLIENT.secret, { mode: 0o600 })])
  let keycloak: Keycloak | undefined
  t.after(() => keycloak?.stop())

  const start: StartWorld = async (options) => {
    const [world, started] = await Promise.all([realParts(options), startKeycloak({ https: pair, realms: [realmFor(options.origin)] })])
    keycloak = started
    await trustBoth(world, started, pair.caPem)
    return world
  }
  const configure = ({ providers, clusters }: ConfigDraft) => {
    clusters['prod'] = { ...clusters['prod'], allow: { callers: ['person', 'machine'], providers: ['corp', 'keycloak'] } }
    providers['keycloak'] = {
      kind: 'oidc',
      issuer: keycloak?.issuer(REALM),
      ca: { file: files.ca },
      clientId: KC_CLIENT.clientId,
      clientAuth: { method: 'secret', secret: { file: files.secret } },
      // Not the client's own name, which ID tokens carry: nothing else tells the two apart for certain.
      audience: AUDIENCE,
      accessTokenType: 'jwt',
      machineClients: [KC_ROBOT.clientId],
      scopes: ['openid', 'profile', 'email'],
      kubernetes: { prefix: 'kc:', user: 'preferred_username' },
    }
  }
  const stage = await setStage(t, start, { replicas: 2, issuer: { users: [EVE] }, configure })
  if (keycloak === undefined) throw new Error('the world started no Keycloak')
  return describe(stage, keycloak, pair.caPem)
}

function describe(stage: Stage, keycloak: Keycloak, caPem: string): KeycloakStage {
  const browser = () => createBrowser({ ca: `${stage.world.issuerCa}\n${caPem}` })
  const admin: KeycloakStage['admin'] = async (path, method = 'GET') => {
    const { status, body } = await ask(`${keycloak.httpUrl}/admin/realms/${REALM}${path}`, { method, token: await keycloak.adminToken() })
    if (status >= 300) throw new Error(`Keycloak's admin API said ${status} ${body}`)
    return body === '' ? undefined : JSON.parse(body)
  }
  const count = async (type: string) => ((await admin(`/events?type=${type}&max=1000`)) as unknown[]).length
  return {
    stage,
    keycloak,
    browser,
    admin,
    async ada() {
      const one = browser()
      const end = await one.signInKeycloak(`${stage.origin}/login?provider=keycloak&return_to=/whoami`, ADA.username, ADA.password)
      if (end.status !== 200) throw new Error(`ada cannot sign in: ${end.status}, ${end.trail.at(-1)}\n${stage.logged().slice(-2_000)}`)
      return one
    },
    redeemed: async () => ({ taken: await count('REFRESH_TOKEN'), refused: await count('REFRESH_TOKEN_ERROR') }),
  }
}

function realmFor(origin: string) {
  const realm = makeRealm({
    name: REALM,
    revokeRefreshToken: true,
    accessTokenLifespan: LIFE,
    clients: [
      // By address: Java may look for localhost at another one.
      {
        ...KC_CLIENT,
        audiences: [AUDIENCE],
        backchannelLogoutUrl: `${origin.replace('localhost', '127.0.0.1')}/back-channel-logout/keycloak`,
      },
      { ...KC_ROBOT, machine: true, audiences: [AUDIENCE] },
    ],
    users: [ADA],
  })
  return { ...realm, eventsEnabled: true, enabledEventTypes: ['REFRESH_TOKEN', 'REFRESH_TOKEN_ERROR'] }
}

async function trustBoth({ parts }: RealWorld, keycloak: Keycloak, caPem: string): Promise<void> {
  const { kubernetes, trusted } = parts
  const second = {
    url: keycloak.issuer(REALM),
    caPem,
    audiences: [CLIENT],
    usernameClaim: 'preferred_username',
    usernamePrefix: 'kc:',
    groupsPrefix: 'kc:',
  }
  await kubernetes.trust([trusted, second])
  const apiGroup = 'rbac.authorization.k8s.io'
  const binding = (namespace: string, group: string) => ({
    apiVersion: `${apiGroup}/v1`,
    kind: 'RoleBinding',
    metadata: { name: 'admins-edit', namespace },
    roleRef: { apiGroup, kind: 'ClusterRole', name: 'edit' },
    subjects: [{ apiGroup, kind: 'Group', name: group }],
  })
  await apply(kubernetes.ask, [binding('team-a', 'kc:admins'), binding('team-b', 'corp:admins')])
}

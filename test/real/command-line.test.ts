/** `mandate login` and `mandate kubeconfig` with a real issuer, a real kubectl and a real API server, over https throughout. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { type Browser, createBrowser } from '../fakes/browser.ts'
import { findForm } from '../fakes/html-form.ts'
import { AUDIENCE, type StartWorld } from '../journeys/world.ts'
import { setHttpsStage } from './https-stage.ts'
import type { Ended } from './mandate.ts'
import { ask } from './parts/ask.ts'
import { makeLoopbackCertificate } from './parts/certificates.ts'
import { type Keycloak, startKeycloak } from './parts/keycloak.ts'
import { kubectl } from './parts/kubectl.ts'
import { makeRealm } from './parts/realm.ts'
import { apply } from './seeding.ts'
import { realParts } from './world.ts'

const MAIN = join(import.meta.dirname, '../../src/main.ts')
const REALM = 'people'
const ADA = { username: 'ada', password: 'ada-password', groups: ['admins'] }
const CLI = 'mandate-cli'
const AT_ONCE = 64

interface Stage {
  readonly origin: string
  readonly keycloak: Keycloak
  readonly files: { readonly ca: string; readonly issuerCa: string; readonly kubeconfig: string; readonly state: string }
  readonly browser: () => Browser
  /** How often Keycloak's log of events has this type. */
  readonly events: (type: string) => Promise<number>
}

async function setStage(t: TestContext): Promise<Stage> {
  const folder = await mkdtemp(join(tmpdir(), 'mandate-command-line-'))
  t.after(() => rm(folder, { recursive: true, force: true }))
  const pair = await makeLoopbackCertificate('keycloak')
  const files = {
    ca: join(folder, 'ca.pem'),
    issuerCa: join(folder, 'issuer-ca.pem'),
    kubeconfig: join(folder, 'home', 'kubeconfig'),
    state: join(folder, 'state'),
  }
  await Promise.all([writeFile(files.issuerCa, pair.caPem), mkdir(join(folder, 'home'))])
  let keycloak: Keycloak | undefined
  t.after(() => keycloak?.stop())
  const start: StartWorld = async (options) => {
    const [world, started] = await Promise.all([realParts(options), startKeycloak({ https: pair, realms: [realm()] })])
    keycloak = started
    await apply(world.parts.kubernetes.ask, [bindingOf('kc:admins')])
    return world
  }
  const { origin, authority } = await setHttpsStage(t, start, ({ providers }) => {
    providers['keycloak'] = {
      kind: 'oidc',
      issuer: keycloak?.issuer(REALM),
      ca: { file: files.issuerCa },
      clientId: 'mandate',
      clientAuth: { method: 'none' },
      audience: AUDIENCE,
      accessTokenType: 'jwt',
      signIn: false,
      commandLine: { clientId: CLI, scopes: ['openid', 'profile'] },
      kubernetes: { prefix: 'kc:', user: 'preferred_username' },
    }
  })
  const started = keycloak
  assert.ok(started !== undefined)
  await writeFile(files.ca, authority.certificatePem)
  return {
    origin,
    keycloak: started,
    files,
    browser: () => createBrowser({ ca: pair.caPem }),
    async events(type) {
      const { status, body } = await ask(`${started.httpUrl}/admin/realms/${REALM}/events?type=${type}&max=1000`, {
        token: await started.adminToken(),
      })
      assert.equal(status, 200, body)
      return (JSON.parse(body) as unknown[]).length
    },
  }
}

function realm() {
  const made = makeRealm({
    name: REALM,
    revokeRefreshToken: true,
    accessTokenLifespan: 600,
    clients: [{ clientId: CLI, audiences: [AUDIENCE], deviceGrant: true, redirectUris: ['http://127.0.0.1/*'] }],
    users: [ADA],
  })
  return { ...made, eventsEnabled: true, enabledEventTypes: ['REFRESH_TOKEN', 'REFRESH_TOKEN_ERROR'] }
}

function bindingOf(group: string) {
  const apiGroup = 'rbac.authorization.k8s.io'
  return {
    apiVersion: `${apiGroup}/v1`,
    kind: 'RoleBinding',
    metadata: { name: 'admins-edit', namespace: 'team-a' },
    roleRef: { apiGroup, kind: 'ClusterRole', name: 'edit' },
    subjects: [{ apiGroup, kind: 'Group', name: group }],
  }
}

/** Runs the command; `onPage` is told the address that it asks the person to open, once. */
function mandate({ files }: Stage, args: readonly string[], onPage?: (address: string) => Promise<unknown>): Promise<Ended> {
  const env = { ...process.env, MANDATE_STATE: files.state }
  const child = spawn(process.execPath, [MAIN, ...args], { env, stdio: ['ignore', 'pipe', 'pipe'], timeout: 60_000 })
  let stdout = ''
  let stderr = ''
  let opened: Promise<unknown> | undefined
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text))
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text
    const address = /(https:\/\/\S+(?:\/auth\?|user_code=)\S+)\n/.exec(stderr)?.[1]
    if (onPage !== undefined && address !== undefined) opened ??= onPage(address)
  })
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code) => void Promise.resolve(opened).then(() => resolve({ code: code ?? 1, stdout, stderr }), reject))
  })
}

const loginOf = ({ origin, files }: Stage, ...more: readonly string[]) => [
  ...['login', '--gateway', origin, '--ca', files.ca, '--issuer-ca', files.issuerCa, '--provider', 'keycloak'],
  ...more,
]

const run = ({ files }: Stage, ...args: readonly string[]) =>
  kubectl(args, { kubeconfig: files.kubeconfig, env: { MANDATE_STATE: files.state }, timeout: 150_000 })

test('the command line before a real issuer and cluster', { timeout: 400_000 }, async (t) => {
  const stage = await setStage(t)
  const parts: Readonly<Record<string, (stage: Stage) => Promise<void>>> = {
    'a kubeconfig is written that nobody else can read': writesKubeconfig,
    'kubectl is told that nobody is signed in, and does not wait': saysNobody,
    'a person signs in by the browser, and kubectl acts as them': byBrowser,
    'kubectl is given no token for a server that it would not verify': givesNothingUnverified,
    'a gateway that names another client than the kubeconfig pins is not believed': believesPins,
    'the sign-in is forgotten, here and at the issuer': forgets,
    'a person signs in by a device code, and kubectl acts as them': byDevice,
    [`${AT_ONCE} kubectl at once with one expired token renew it once`]: renewsOnce,
  }
  for (const [name, part] of Object.entries(parts)) await t.test(name, () => part(stage))
})

async function writesKubeconfig(stage: Stage): Promise<void> {
  const { origin, files } = stage
  const args = ['kubeconfig', 'named', '--gateway', origin, '--ca', files.ca, '--issuer-ca', files.issuerCa, '--namespace', 'team-a']
  const { code, stderr } = await mandate(stage, [...args, '--file', files.kubeconfig])
  assert.equal(code, 0, stderr)
  assert.equal((await run(stage, 'config', 'current-context')).stdout.trim(), 'mandate-named')
  assert.match(stderr, new RegExp(`^Its sign-ins are at https:\\S+/realms/${REALM}, client ${CLI}, for `))
}

async function saysNobody(stage: Stage): Promise<void> {
  const { code, stderr } = await run(stage, 'get', 'pods')
  assert.equal(code, 1)
  assert.match(stderr, /mandate: nobody is signed in/)
}

async function isAda(stage: Stage): Promise<void> {
  const who = await run(stage, 'auth', 'whoami')
  assert.equal(who.code, 0, who.stderr)
  assert.match(who.stdout, /kc:ada/)
  const pods = await run(stage, 'get', 'pods')
  assert.equal(pods.code, 0, pods.stderr)
  assert.match(pods.stdout, /web [\s\S]*worker /)
  assert.match((await run(stage, 'get', 'pods', '-n', 'team-b')).stderr, /User "kc:ada" cannot list resource "pods"/)
}

async function byBrowser(stage: Stage): Promise<void> {
  const { code, stdout, stderr } = await mandate(stage, loginOf(stage, '--no-browser'), async (address) => {
    const end = await stage.browser().signInKeycloak(address, ADA.username, ADA.password)
    assert.match(end.body, /You are signed in/)
  })
  assert.equal(code, 0, stderr)
  assert.match(stdout, /^You are ada \(keycloak\)/)
  assert.match(
    stderr,
    new RegExp(`^Signing in to ${stage.origin} at https:\\S+, client ${CLI}, for [\\s\\S]*\nSigned in as ada \\(keycloak\\)\\.\n$`),
  )
  await isAda(stage)
}

async function givesNothingUnverified(stage: Stage): Promise<void> {
  for (const option of ['--insecure-skip-tls-verify', '--tls-server-name=localhost']) {
    const { code, stderr } = await run(stage, option, 'get', 'pods')
    assert.equal(code, 1)
    assert.match(stderr, new RegExp(`mandate: kubectl would .*${option.replace(/^--|=.*/g, '')}.*: no token is given`))
  }
  await isAda(stage)
}

async function believesPins(stage: Stage): Promise<void> {
  const original = readFileSync(stage.files.kubeconfig, 'utf8')
  writeFileSync(stage.files.kubeconfig, original.replace(`--client=${CLI}`, '--client=of-before'))
  const { code, stderr } = await run(stage, 'get', 'pods')
  assert.equal(code, 1)
  assert.match(stderr, new RegExp(`mandate: the tokens that are kept are of the client ${CLI} instead of of-before, so they are not used`))
  writeFileSync(stage.files.kubeconfig, original)
  await isAda(stage)
}

async function forgets(stage: Stage): Promise<void> {
  const kept = JSON.parse(readFileSync(keptFile(stage), 'utf8')) as { refreshToken: string }
  const { code, stdout } = await mandate(stage, loginOf(stage, '--forget', '-o', 'json'))
  assert.deepEqual([code, JSON.parse(stdout).revoked], [0, true])
  const form = new URLSearchParams({ grant_type: 'refresh_token', client_id: CLI, refresh_token: kept.refreshToken })
  const refused = await ask(`${stage.keycloak.httpUrl}/realms/${REALM}/protocol/openid-connect/token`, { body: form })
  assert.match(refused.body, /invalid_grant/)
  await saysNobody(stage)
}

async function byDevice(stage: Stage): Promise<void> {
  const { code, stdout, stderr } = await mandate(stage, loginOf(stage, '--device'), async (address) => {
    const browser = stage.browser()
    const page = await browser.signInKeycloak(address, ADA.username, ADA.password)
    const form = findForm(page.body, page.url)
    const end = await browser.follow(form?.action ?? '', {
      method: 'POST',
      body: new URLSearchParams({ ...form?.hidden, accept: 'Yes' }).toString(),
      headers: { 'content-type': 'application/x-www-form-urlencoded', origin: new URL(page.url).origin },
    })
    assert.match(end.body, /Device Login Successful/, end.body)
  })
  assert.equal(code, 0, stderr)
  assert.match(stdout, /^You are ada \(keycloak\)/)
  await isAda(stage)
}

async function renewsOnce(stage: Stage): Promise<void> {
  const before = { renewed: await stage.events('REFRESH_TOKEN'), refused: await stage.events('REFRESH_TOKEN_ERROR') }
  expire(stage)
  const all = await Promise.all(Array.from({ length: AT_ONCE }, () => run(stage, 'get', 'pods', '-o', 'name')))
  for (const { code, stdout, stderr } of all) {
    assert.equal(code, 0, stderr)
    assert.match(stdout, /pod\/web/)
  }
  assert.equal((await stage.events('REFRESH_TOKEN')) - before.renewed, 1)
  assert.equal((await stage.events('REFRESH_TOKEN_ERROR')) - before.refused, 0)
}

function keptFile({ files }: Stage): string {
  return join(files.state, readdirSync(files.state).find((name) => name.endsWith('.json')) ?? '')
}

/** What is kept says that the token has ended, as it would an hour later. */
function expire(stage: Stage): void {
  const file = keptFile(stage)
  const kept = JSON.parse(readFileSync(file, 'utf8')) as { obtainedAt: number; expiresAt: number }
  const past = { obtainedAt: kept.obtainedAt - 3_600_000, expiresAt: kept.expiresAt - 3_600_000 }
  writeFileSync(file, JSON.stringify({ ...kept, ...past }))
}

/** Mandate's own work as it is put together: on a small API server, with the roles that the example gives. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'
import { type TestContext, test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { parseAllDocuments } from 'yaml'
import { memorySink } from '../audit/audit-sink.fake.ts'
import { createFakeClock } from '../clock.fake.ts'
import { parseConfig } from '../config/config.ts'
import type { KubernetesObject } from '../dev/kubernetes/object.ts'
import { startKubernetes } from '../dev/kubernetes/server.ts'
import { Lifecycle } from '../lifecycle.ts'
import { createLog } from '../log.ts'
import { createMetrics } from '../metrics.ts'
import { composeAccounts, composeOwnWork } from './own-work.ts'

const RBAC = readFileSync(new URL('../../examples/impersonation-rbac.yaml', import.meta.url), 'utf8')
const TOKEN = 'MANDATE_TEST_BROKER_TOKEN'

/** One gateway's own work, and its gauge once a whole look has been recorded. */
async function gaugeFor(t: TestContext, groups: readonly string[], as: string) {
  const account = { username: 'system:serviceaccount:mandate:gateway', groups: ['system:serviceaccounts', ...groups] }
  const cluster = await startKubernetes({
    authenticate: async () => undefined,
    serviceAccounts: new Map([['YnJva2Vy', account]]),
    seed: parseAllDocuments(RBAC).map((document) => document.toJS() as KubernetesObject),
  })
  process.env[TOKEN] = 'YnJva2Vy'
  const config = parseConfig(`
publicUrl: http://localhost:8080
listen: { http: { port: 0 } }
store: { memory: singleReplica }
providers:
  corp: { kind: oidc, issuer: "https://issuer.invalid", clientId: mandate, clientAuth: { method: none }, audience: mandate }
clusters:
  here: { server: "${cluster.url}", allow: {}, as: ${as} }
`)
  const [audit, clock, metrics, lifecycle, lines] = [memorySink(), createFakeClock(), createMetrics(), new Lifecycle(), [] as string[]]
  const seen = Promise.withResolvers<void>()
  const set: typeof metrics.set = (...gauge) => {
    metrics.set(...gauge)
    seen.resolve()
  }
  composeOwnWork(config, { audit, clock, log: createLog((line) => void lines.push(line)), metrics: { ...metrics, set }, lifecycle })
  t.after(() => cluster.close())
  return { audit, clock, lifecycle, lines, seen: seen.promise, exposition: async () => (await metrics.expose()).body }
}

const IMPERSONATE = `{ kind: impersonate, token: { env: ${TOKEN} } }`

test('warns of an account that may do everything, and ends with the gateway', async (t) => {
  const { audit, clock, lifecycle, lines, seen, exposition } = await gaugeFor(t, ['system:masters'], IMPERSONATE)
  await clock.advance(60_000)
  await seen
  assert.match(await exposition(), /^mandate_broker_excess\{cluster="here"\} 8$/m)
  assert.equal(audit.recorded.length, 8)
  await lifecycle.stop()
  assert.equal(clock.pending, 0)
  assert.match(lines.join(''), /"level":"warn".*"cluster":"here".*do everything/)
})

test('finds nothing to say of the account in the example', async (t) => {
  const { clock, lifecycle, lines, seen, exposition } = await gaugeFor(t, [], IMPERSONATE)
  await clock.advance(60_000)
  await seen
  assert.match(await exposition(), /^mandate_broker_excess\{cluster="here"\} 0$/m)
  await lifecycle.stop()
  assert.deepEqual(lines, [])
})

test('has nothing to do where nobody is impersonated', async (t) => {
  const { clock } = await gaugeFor(t, [], '{ kind: forward-token }')
  assert.equal(clock.pending, 0)
})

const BROKER = `
    namespaces: [team-a]
    kinds: { map: { version: v1, resource: configmaps, kind: ConfigMap } }
    operations:
      - name: create
        match: { method: POST, path: "/maps" }
        writes: [{ do: create, kind: map, namespace: team-a, name: a, object: {} }]
`

interface AccountAt {
  readonly server?: string
  readonly token?: string
  readonly broker?: string
  readonly seed?: readonly KubernetesObject[]
}

/** The account of a broker at a small API server, whose groups may change. */
async function accountAt(t: TestContext, { server, token = 'YnJva2Vy', broker = BROKER, seed = [] }: AccountAt = {}) {
  const groups = ['system:serviceaccounts']
  const account = { username: 'system:serviceaccount:mandate:gateway', groups }
  const serviceAccounts = new Map([[token, account]])
  const cluster = await startKubernetes({ authenticate: async () => undefined, serviceAccounts, seed })
  t.after(() => cluster.close())
  process.env[TOKEN] = token
  const config = parseConfig(`
publicUrl: http://localhost:8080
listen: { http: { port: 0 } }
store: { memory: singleReplica }
providers:
  corp: { kind: oidc, issuer: "https://issuer.invalid", clientId: mandate, clientAuth: { method: none }, audience: mandate }
clusters:
  here: { server: "${server ?? cluster.url}", allow: {}, as: { kind: forward-token } }
brokered:
  maps:
    cluster: here
    account: { token: { env: ${TOKEN} } }${broker}`)
  const [audit, clock, metrics, lifecycle] = [memorySink(), createFakeClock(), createMetrics(), new Lifecycle()]
  t.after(() => lifecycle.stop())
  const lines: string[] = []
  const log = createLog((line) => void lines.push(line))
  const compose = () => composeAccounts(config, { audit, clock, log, metrics, lifecycle })
  return { groups, clock, compose, lines, audit }
}

test('does not start with an account that may do what no broker may', async (t) => {
  const { groups, compose } = await accountAt(t)
  groups.push('system:masters')
  await assert.rejects(compose(), /brokered\.maps\.account may do what no broker may \(account_excessive\)/)
})

const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')
const JWT = `${part({ alg: 'RS256' })}.${part({ sub: 'system:serviceaccount:mandate:gateway' })}.YnJva2Vy`
const OWNED = BROKER.replace(
  'object: {} }]',
  'object: {}, as: first }, { do: create, kind: map, namespace: team-a, name: b, object: {}, ownedBy: first }]',
)
const CLEANED = `
    cleanup: { mode: report, every: 10m, most: 20, lease: { namespace: leases } }${OWNED}`

/** Lets the account do something in one namespace. */
function given(namespace: string, resource: string, verb: string, group = ''): KubernetesObject[] {
  const rbac = 'rbac.authorization.k8s.io'
  const metadata = { name: 'given', namespace }
  const subjects = [{ kind: 'ServiceAccount', name: 'gateway', namespace: 'mandate' }]
  return [
    ...(namespace === 'kube-system' ? [] : [{ apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } }]),
    { apiVersion: `${rbac}/v1`, kind: 'Role', metadata, rules: [{ apiGroups: [group], resources: [resource], verbs: [verb] }] },
    { apiVersion: `${rbac}/v1`, kind: 'RoleBinding', metadata, roleRef: { apiGroup: rbac, kind: 'Role', name: 'given' }, subjects },
  ] as unknown as KubernetesObject[]
}

for (const [namespace, where, options] of [
  ['kube-system', 'where the cluster itself lives', {}],
  ['mandate', 'where it lives itself', { token: JWT }],
  ['leases', 'where its lease is', { broker: CLEANED }],
] as const) {
  test(`does not start with an account that may read Secrets ${where}`, async (t) => {
    const { compose } = await accountAt(t, { ...options, seed: given(namespace, 'secrets', 'get') })
    await assert.rejects(compose(), new RegExp(`account_excessive\\): get secrets in ${namespace}\\n`))
  })
}

test('does not wait out its time for an API server that is not there', { timeout: 10_000 }, async (t) => {
  const { clock, compose } = await accountAt(t, { server: 'http://127.0.0.1:9' })
  assert.equal((await compose()).closed('maps')?.code, 'account_unseen')
  assert.equal(clock.now(), createFakeClock().now())
})

test('tells of more rights than are needed where a broker works everywhere, too', async (t) => {
  const broker = BROKER.replace('namespaces: [team-a]', "namespaces: '*'")
  const nodes = given('team-a', 'nodes', 'patch').map(
    (object) =>
      JSON.parse(JSON.stringify(object).replace(/"Role/g, '"ClusterRole').replace(',"namespace":"team-a"', '')) as KubernetesObject,
  )
  const { compose, lines } = await accountAt(t, { broker, seed: nodes })
  await compose()
  assert.match(lines.join(''), /may do more than its broker needs.*patch nodes/)
})

test('sweeps no longer with an account that is given too much while it runs', async (t) => {
  const seed = given('leases', 'leases', '*', 'coordination.k8s.io')
  const { groups, clock, compose, lines, audit } = await accountAt(t, { broker: CLEANED, seed })
  const accounts = await compose()
  const sweeps = () => audit.recorded.filter((event) => event.event === 'own-work' && event.task === 'sweep').length
  const until = async (what: string, is: () => boolean) => {
    for (const deadline = Date.now() + 20_000; !is(); await setImmediate()) {
      assert.ok(Date.now() < deadline, `${what}: ${lines.join('')}`)
      await clock.advance(500)
    }
  }
  await until('it sweeps', () => sweeps() > 0)
  groups.push('system:masters')
  await until('it is closed', () => accounts.closed('maps')?.code === 'account_excessive')
  const before = sweeps()
  await until('it holds back', () => /no sweep for orphans while/.test(lines.join('')))
  assert.equal(sweeps(), before)
})

test('closes a broker whose account is given too much while it runs, and opens it when that is taken back', async (t) => {
  const { groups, clock, compose } = await accountAt(t)
  const accounts = await compose()
  const until = async (code: string | undefined, ms: number) => {
    await clock.advance(ms)
    // The look has a time of its own that must not pass: from here on only real time does.
    for (const deadline = Date.now() + 10_000; accounts.closed('maps')?.code !== code; await setImmediate())
      assert.ok(Date.now() < deadline, `it is not ${code}`)
    // And it must have ended before time goes on.
    for (const deadline = Date.now() + 10_000; clock.pending !== 1; await setImmediate()) assert.ok(Date.now() < deadline)
  }
  for (const deadline = Date.now() + 10_000; clock.pending !== 1; await setImmediate()) assert.ok(Date.now() < deadline)
  assert.equal(accounts.closed('maps'), undefined)
  groups.push('system:masters')
  // It lacks what its broker needs besides, which is looked at more seldom.
  await until('account_excessive', 300_000)
  groups.pop()
  await until(undefined, 30_000)
})

test('is closed while nobody can tell what its account may do', async (t) => {
  const silent = createServer().listen(0, '127.0.0.1')
  t.after(() => silent.close())
  await once(silent, 'listening')
  const { clock, compose } = await accountAt(t, { server: `http://127.0.0.1:${(silent.address() as AddressInfo).port}` })
  const composing = compose()
  for (let over = false; !over; await setImmediate()) {
    if (clock.pending > 0) await clock.advance(15_000)
    over = await Promise.race([composing.then(() => true), setImmediate(false)])
  }
  assert.equal((await composing).closed('maps')?.code, 'account_unseen')
  assert.equal((await composing).closed('another'), undefined)
})

test('a start that is refused has not even written a lease with that account', async (t) => {
  const { groups, compose, audit } = await accountAt(t, { broker: CLEANED })
  groups.push('system:masters')
  await assert.rejects(compose(), /account_excessive/)
  const tasks = audit.recorded.flatMap((event) => (event.event === 'own-work' ? [event.task] : []))
  assert.deepEqual([...new Set(tasks)], ['account-review'])
})

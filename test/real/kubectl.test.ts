/** kubectl through Mandate: every plain verb, streams, and the cluster's own words, by both ways of carrying rights. */
import assert from 'node:assert/strict'
import { mkdtemp, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { isDeepStrictEqual } from 'node:util'
import { AUDIENCE, CLIENT } from '../journeys/world.ts'
import { eventually } from './eventually.ts'
import { setHttpsStage, worldWithNode } from './https-stage.ts'
import { type Finished, kubectl } from './parts/kubectl.ts'
import { locate } from './parts/locate.ts'
import { type Child, startChild } from './parts/process.ts'

interface Tool {
  /** Runs kubectl to its end, in the namespace team-a. */
  run(args: readonly string[], input?: string): Promise<Finished>
  /** The same, and it must succeed; gives what it printed. */
  ok(args: readonly string[], input?: string): Promise<string>
  /** Starts kubectl and resolves when it has printed `first`. */
  follow(args: readonly string[], first: string): Promise<Child>
}

/** kubectl as alice before one cluster of the gateway: its https, its CA, and a bearer in a file. */
async function createTool(folder: string, server: string, ca: string, token: string): Promise<Tool> {
  const at = (name: string) => join(folder, name)
  await Promise.all([writeFile(at('token'), token, { mode: 0o600 }), writeFile(at('ca.pem'), ca)])
  const kubeconfig = at('kubeconfig')
  const config = {
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name: 'c', cluster: { server, 'certificate-authority': at('ca.pem') } }],
    users: [{ name: 'u', user: { tokenFile: at('token') } }],
    contexts: [{ name: 'x', context: { cluster: 'c', user: 'u', namespace: 'team-a' } }],
    'current-context': 'x',
  }
  await writeFile(kubeconfig, JSON.stringify(config), { mode: 0o600 })
  const run: Tool['run'] = (args, input) => kubectl(args, { kubeconfig, ...(input === undefined ? {} : { input }) })
  return {
    run,
    async ok(args, input) {
      const { code, stdout, stderr } = await run(args, input)
      assert.equal(code, 0, `kubectl ${args.join(' ')}: ${stderr}`)
      return stdout
    },
    async follow(args, first) {
      const env = { HOME: folder, KUBECONFIG: kubeconfig }
      return startChild({ name: 'kubectl', program: await locate('kubectl'), args, env, ready: async (logs) => logs.includes(first) })
    },
  }
}

/** A stage for kubectl, on a world with a node. */
async function setKubectlStage(t: TestContext) {
  const { start, kwok } = worldWithNode()
  const { stage, origin, authority, folder } = await setHttpsStage(t, start, ({ clusters }) => {
    // A bearer is passed on only when it names both Mandate and the cluster, and only with this key.
    clusters['prod'] = { ...clusters['prod'], as: { kind: 'forward-token', audience: CLIENT, passThroughOpen: true } }
  })
  const claims = { aud: [AUDIENCE, CLIENT], groups: ['team-a', 'on-call', 'Ops, Night'] }
  const token = stage.world.issuer.mintAccessToken('alice', { claims })
  const tool = async (cluster: string) => {
    const own = await mkdtemp(join(folder, `${cluster}-`))
    return createTool(own, `${origin}/clusters/${cluster}`, authority.certificatePem, token)
  }
  return { stage, kwok: kwok(), tool }
}

type KubectlStage = Awaited<ReturnType<typeof setKubectlStage>>

const NOTE = (name: string, text: string) => JSON.stringify({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name }, data: { text } })

async function readsAndWrites(tool: Tool, cluster: string): Promise<void> {
  const name = `note-${cluster}`
  assert.match(await tool.ok(['get', 'pods']), /web [\s\S]*worker /)
  assert.match(await tool.ok(['create', 'configmap', name, '--from-literal=text=one']), /created/)
  assert.match(await tool.ok(['apply', '-f', '-'], NOTE(`${name}-applied`, 'one')), /created/)
  assert.match(await tool.ok(['apply', '-f', '-'], NOTE(`${name}-applied`, 'two')), /configured/)
  assert.match(await tool.ok(['apply', '--server-side', '-f', '-'], NOTE(`${name}-server`, 'one')), /serverside-applied/)
  assert.match(await tool.ok(['patch', 'configmap', name, '--type=merge', '-p', '{"data":{"text":"three"}}']), /patched/)
  assert.equal(await tool.ok(['get', 'configmap', name, '-o', 'jsonpath={.data.text}']), 'three')
  assert.match(await tool.ok(['delete', 'configmap', name, `${name}-applied`, `${name}-server`]), /deleted/)
  assert.match((await tool.run(['get', 'configmap', name])).stderr, /NotFound/)
}

async function watches(tool: Tool, cluster: string): Promise<void> {
  const watching = await tool.follow(['get', 'configmaps', '-w', '-o', 'name'], 'configmap/settings')
  await tool.ok(['create', 'configmap', `seen-${cluster}`])
  await eventually('the watch sees what was created', () => watching.logs().includes(`configmap/seen-${cluster}`))
  await watching.stop()
}

async function readsLogs(tool: Tool, cluster: string, { kwok }: KubectlStage): Promise<void> {
  await tool.ok(['wait', '--for=condition=Ready', 'pod/web', '--timeout=20s'])
  await kwok.writeLog(`first line of ${cluster}`)
  assert.match(await tool.ok(['logs', 'web']), new RegExp(`first line of ${cluster}`))
  const following = await tool.follow(['logs', '-f', 'web'], `first line of ${cluster}`)
  await kwok.writeLog(`later line of ${cluster}`)
  await eventually('a line written later arrives', () => following.logs().includes(`later line of ${cluster}`))
  await following.stop()
}

async function isRefused(tool: Tool): Promise<void> {
  const forbidden = await tool.run(['get', 'pods', '-n', 'team-b'])
  assert.equal(forbidden.code, 1)
  assert.match(forbidden.stderr, /^Error from server \(Forbidden\): pods is forbidden: User "corp:alice" cannot list resource "pods"/)
  for (const args of [['--as=corp:bob'], ['--as=corp:bob', '--as-group=corp:team-b'], ['--as=corp:alice', '--as-uid=1']]) {
    const { code, stderr } = await tool.run(['get', 'pods', ...args])
    assert.equal(code, 1)
    assert.match(stderr, /Impersonation headers are not accepted from callers/)
  }
}

interface Review {
  readonly status: {
    readonly userInfo: {
      readonly username: string
      readonly uid?: string
      readonly groups: readonly string[]
      readonly extra?: Readonly<Record<string, readonly string[]>>
    }
  }
}

async function isAlice(tool: Tool): Promise<Review['status']['userInfo']> {
  assert.match(await tool.ok(['auth', 'whoami']), /corp:alice/)
  const { userInfo } = (JSON.parse(await tool.ok(['auth', 'whoami', '-o', 'json'])) as Review).status
  assert.equal(userInfo.username, 'corp:alice')
  // One header line each: a group whose name has a comma in it stays one group.
  assert.deepEqual([...userInfo.groups].sort(), ['corp:Ops, Night', 'corp:on-call', 'corp:team-a', 'system:authenticated'])
  return userInfo
}

test('kubectl', { timeout: 240_000 }, async (t) => {
  const all = await setKubectlStage(t)
  const { stage, tool } = all
  for (const [cluster, how] of [
    ['prod', 'by forwarding the bearer'],
    ['named', 'by impersonation'],
  ] as const) {
    const alice = await tool(cluster)
    await t.test(`get, create, apply, patch and delete, ${how}`, () => readsAndWrites(alice, cluster))
    await t.test(`a watch, ${how}`, () => watches(alice, cluster))
    await t.test(`logs and followed logs, ${how}`, () => readsLogs(alice, cluster, all))
    await t.test(`what the cluster or Mandate refuses, in their own words, ${how}`, () => isRefused(alice))
    await t.test(`the cluster knows who it is, ${how}`, async () => {
      const userInfo = await isAlice(alice)
      if (cluster === 'prod') return
      assert.match(userInfo.uid ?? '', /^[A-Za-z0-9_-]{43}$/)
      assert.deepEqual(userInfo.extra?.['mandate.dev/provider'], ['corp'])
      assert.deepEqual(userInfo.extra?.['mandate.dev/subject'], ['alice'])
    })
    await t.test(`the API server's audit log names alice and nobody else, ${how}`, async () => {
      const asHerself = ['corp:alice', undefined]
      const byBroker = ['system:serviceaccount:mandate:gateway', 'corp:alice']
      const all = (await stage.world.cluster.acted()).map(({ user, impersonated, verb }) => ({ who: [user, impersonated?.username], verb }))
      for (const { who } of all)
        assert.ok(
          [asHerself, byBroker].some((one) => isDeepStrictEqual(one, who)),
          String(who),
        )
      const here = all.filter(({ who }) => isDeepStrictEqual(who, cluster === 'prod' ? asHerself : byBroker)).map(({ verb }) => verb)
      for (const verb of ['get', 'list', 'watch', 'create', 'patch', 'delete']) assert.ok(here.includes(verb), verb)
    })
  }
})

/** kubectl through Mandate: every plain verb, streams, and the cluster's own words, by both ways of carrying rights. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isDeepStrictEqual } from 'node:util'
import { eventually } from './eventually.ts'
import { type KubectlStage, setKubectlStage, type Tool } from './kubectl-stage.ts'

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

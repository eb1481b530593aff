/** `mandate dev --context` before a real API server: the cluster's own RBAC decides, whatever the kubeconfig may do. */
import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { createBrowser } from '../fakes/browser.ts'
import { eventually } from './eventually.ts'
import { startMandate, terminate } from './mandate.ts'
import { ask } from './parts/ask.ts'
import { type Kubernetes, startKubernetes } from './parts/kube-apiserver.ts'
import { kubectl } from './parts/kubectl.ts'
import { locate } from './parts/locate.ts'
import { type Child, startChild, temporaryFolder } from './parts/process.ts'
import { apply } from './seeding.ts'

const RBAC = 'rbac.authorization.k8s.io'

/** Namespace `shop`, where the dev issuer's alice may read pods. */
const SHOP = [
  { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'shop' } },
  {
    apiVersion: `${RBAC}/v1`,
    kind: 'Role',
    metadata: { name: 'read', namespace: 'shop' },
    rules: [{ apiGroups: [''], resources: ['pods'], verbs: ['get', 'list', 'watch'] }],
  },
  {
    apiVersion: `${RBAC}/v1`,
    kind: 'RoleBinding',
    metadata: { name: 'read', namespace: 'shop' },
    roleRef: { apiGroup: RBAC, kind: 'Role', name: 'read' },
    subjects: [{ apiGroup: RBAC, kind: 'User', name: 'dev:alice' }],
  },
  {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'till', namespace: 'shop' },
    spec: { containers: [{ name: 'till', image: 'none.invalid/till' }] },
  },
]

interface Dev {
  readonly child: Child
  readonly origin: string
  readonly state: string
  /** The status of one request of alice's, sent as the printed curl line sends it. */
  alice(path: string, method?: string, body?: object): Promise<number>
}

async function startDev(t: TestContext, kubeconfig: string): Promise<Dev> {
  const folder = await temporaryFolder('dev-context')
  t.after(() => folder.remove())
  const state = join(folder.path, 'state')
  const args = ['dev', '--context', 'test', '--port', '0', '--state', state]
  const child = await startMandate(args, async (logs) => logs.includes('Stop with Ctrl-C'), { KUBECONFIG: kubeconfig })
  t.after(() => child.stop())
  const origin = /open (http:\/\/localhost:\d+)\//.exec(child.logs())?.[1] ?? ''
  const [name = '', value = ''] = (await readFile(join(state, 'alice.header'), 'utf8')).trim().split(': ')
  return {
    child,
    origin,
    state,
    async alice(path, method = 'GET', body) {
      const { status } = await ask(`${origin}/clusters/dev${path}`, {
        method,
        headers: { [name]: value },
        ...(body === undefined ? {} : { body }),
      })
      return status
    },
  }
}

test('mandate dev --context', { timeout: 240_000 }, async (t) => {
  const kubernetes = await startKubernetes()
  t.after(() => kubernetes.stop())
  await apply(kubernetes.ask, SHOP)
  const certificate = await kubernetes.kubeconfig(await kubernetes.clientCertificate('somebody', ['system:masters']))
  for (const [kubeconfig, proof] of [
    [kubernetes.adminKubeconfig, 'a token'],
    [certificate, 'a client certificate'],
  ] as const) {
    await t.test(`over a kubeconfig with ${proof} of cluster-admin, alice reads what she may and nothing else`, (inner) =>
      readsAndNothingElse(inner, kubernetes, kubeconfig),
    )
  }
  await t.test('an unknown context is refused with the names there are', async () => {
    await assert.rejects(
      startMandate(['dev', '--context', 'elsewhere', '--port', '0'], async () => false, { KUBECONFIG: kubernetes.adminKubeconfig }),
      /your kubeconfig has no context elsewhere; it has test/,
    )
  })
})

async function readsAndNothingElse(t: TestContext, kubernetes: Kubernetes, kubeconfig: string): Promise<void> {
  const before = (await kubernetes.auditLog()).length
  const { child, origin, state, alice } = await startDev(t, kubeconfig)
  assert.equal(await alice('/api/v1/namespaces/shop/pods'), 200)
  assert.equal(await alice('/api/v1/namespaces/shop/pods/till'), 200)
  assert.equal(await alice('/api/v1/namespaces/default/pods'), 403)
  assert.equal(await alice('/api/v1/namespaces/shop/secrets'), 403)
  assert.equal(await alice('/api/v1/nodes'), 403)
  assert.equal(await alice('/api/v1/namespaces/shop/pods/till', 'DELETE'), 403)
  const pod = { ...SHOP.at(-1), metadata: { name: 'mine', namespace: 'shop' } }
  assert.equal(await alice('/api/v1/namespaces/shop/pods', 'POST', pod), 403)

  const bob = createBrowser()
  await bob.signIn(`${origin}/login?return_to=/whoami`, 'bob')
  assert.equal((await bob.get(`${origin}/clusters/dev/api/v1/namespaces/shop/pods`)).status, 403)

  const own = join(state, 'kubeconfig')
  const got = await kubectl(['get', 'pods', '-n', 'shop', '-o', 'name'], { kubeconfig: own })
  assert.equal(got.stdout, 'pod/till\n', got.stderr)
  const watching = await startChild({
    name: 'kubectl',
    program: await locate('kubectl'),
    args: ['get', 'pods', '-n', 'shop', '-w', '-o', 'jsonpath={.metadata.annotations.seen} '],
    env: { HOME: state, KUBECONFIG: own },
    ready: async () =>
      (await kubernetes.auditLog())
        .slice(before)
        .some(({ verb, impersonatedUser }) => verb === 'watch' && impersonatedUser?.username === 'dev:alice'),
  })
  const seen = `at-${before}`
  await kubernetes.kubectl(['annotate', 'pod', 'till', '-n', 'shop', '--overwrite', `seen=${seen}\n`])
  await eventually('the watch sees the change', () => watching.logs().includes(seen))
  await watching.stop()

  const acted = (await kubernetes.auditLog()).slice(before).filter(({ impersonatedUser }) => impersonatedUser !== undefined)
  assert.deepEqual([...new Set(acted.map(({ impersonatedUser }) => impersonatedUser?.username))].sort(), ['dev:alice', 'dev:bob'])
  assert.equal(await terminate(child), 'ended with exit code 0')
}

/** Streams into pods: a real API server with a node passes the stand-in's suite, and a real kubectl is content with the stand-in. */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { startIssuer } from '../../src/dev/issuer/issuer.ts'
import { podStreamsConformance } from '../../src/dev/kubernetes/pod-streams.conformance.ts'
import { startKubernetes as startStandIn } from '../../src/dev/kubernetes/server.ts'
import { eventually } from './eventually.ts'
import { makeLoopbackCertificate } from './parts/certificates.ts'
import { startKubernetes } from './parts/kube-apiserver.ts'
import { type Finished, kubectl, writeKubeconfig } from './parts/kubectl.ts'
import { startKwok } from './parts/kwok.ts'
import { locate } from './parts/locate.ts'
import { type Child, startChild, temporaryFolder } from './parts/process.ts'

podStreamsConformance('a real kube-apiserver with kwok has streams into pods', async () => {
  const pair = await makeLoopbackCertificate('issuer')
  const issuer = await startIssuer({
    publicHost: '127.0.0.1',
    tls: { certificatePem: pair.certPem, privateKeyPem: pair.keyPem },
    users: [],
    clients: [{ id: 'suite', secret: 'never sent', machine: true }],
    audience: 'conformance',
    lifetimes: { accessToken: 600 },
  })
  const running: (() => Promise<void>)[] = [() => issuer.close()]
  const close = async (): Promise<void> => {
    for (const stop of running.reverse()) await stop()
  }
  try {
    const trusted = { url: issuer.issuer, caPem: pair.caPem, audiences: ['conformance'], usernamePrefix: '', groupsPrefix: '' }
    const kubernetes = await startKubernetes({ issuers: [trusted] })
    running.push(() => kubernetes.stop())
    const kwok = await startKwok(kubernetes)
    running.push(() => kwok.stop())
    return {
      url: kubernetes.url,
      ca: kubernetes.caPem,
      adminToken: kubernetes.adminToken,
      userToken: async (sub, groups) => issuer.mintAccessToken({ client: 'suite' }, { claims: { sub, groups } }),
      close,
      untilRunning: async (namespace, pod) => {
        const path = `/api/v1/namespaces/${namespace}/pods/${pod}`
        await eventually(`${pod} runs`, async () => (await kubernetes.ask(path)).body.includes('"phase":"Running"'))
      },
      // Every pod of kwok has the same log.
      addLogLine: (_namespace, _pod, line) => void kwok.writeLog(line),
      audit: async (path) =>
        (await kubernetes.auditLog())
          .filter((entry) => entry.requestURI === path)
          .map(({ stage, verb, responseStatus, objectRef }) => ({
            stage,
            verb,
            code: responseStatus?.code,
            subresource: objectRef?.subresource,
          })),
    }
  } catch (error) {
    await close()
    throw error
  }
})

type Tool = { run(args: readonly string[], more?: { input?: string; env?: Record<string, string> }): Promise<Finished>; kubeconfig: string }

/** kubectl on a stand-in with the pod web-0, which prints a line every so often. */
async function standInTool(t: TestContext): Promise<Tool> {
  const pair = await makeLoopbackCertificate('stand-in')
  const folder = await temporaryFolder('pod-streams')
  t.after(() => folder.remove())
  const server = await startStandIn({
    authenticate: async () => undefined,
    serviceAccounts: new Map([['admin', { username: 'admin', groups: ['system:masters'] }]]),
    tls: { cert: pair.certPem, key: pair.keyPem },
    seed: [
      {
        apiVersion: 'v1',
        kind: 'Pod',
        metadata: { name: 'web-0', namespace: 'default', annotations: { 'mandate.example/chatter': '50' } },
        spec: { containers: [{ name: 'main', image: 'none.invalid/none' }] },
      },
    ],
  })
  t.after(() => server.close())
  const kubeconfig = join(folder.path, 'kubeconfig')
  await writeKubeconfig(kubeconfig, server.url, pair.caPem, { token: 'admin' })
  return { kubeconfig, run: (args, more = {}) => kubectl(args, { kubeconfig, timeout: 20_000, ...more }) }
}

const bound = { timeout: 120_000 }

test('kubectl exec on the stand-in brings output, input and the exit code', bound, async (t) => {
  const { run } = await standInTool(t)
  const unknown = await run(['exec', 'web-0', '--', 'ls'])
  assert.deepEqual(unknown, { code: 127, stdout: '', stderr: 'ls: not found\ncommand terminated with exit code 127\n' })
  const failed = await run(['exec', 'web-0', '--', 'sh', '-c', 'echo out; echo err >&2; exit 3'])
  assert.deepEqual(failed, { code: 3, stdout: 'out\n', stderr: 'err\ncommand terminated with exit code 3\n' })
  assert.deepEqual(await run(['exec', 'web-0', '--', 'echo', 'hi']), { code: 0, stdout: 'hi\n', stderr: '' })
  const input = 'a line of input\n'.repeat(100_000)
  assert.deepEqual(await run(['exec', '-i', 'web-0', '--', 'cat'], { input }), { code: 0, stdout: input, stderr: '' })
})

test('kubectl on the stand-in is told what is not there: the pod, tar for cp, SPDY', bound, async (t) => {
  const { run, kubeconfig } = await standInTool(t)
  assert.match((await run(['exec', 'absent', '--', 'echo'])).stderr, /pods "absent" not found/)
  const copied = await run(['cp', kubeconfig, 'web-0:copy'])
  assert.equal(copied.code, 127)
  assert.match(copied.stderr, /tar: not found/)
  const spdy = await run(['exec', 'web-0', '--', 'echo', 'hi'], { env: { KUBECTL_REMOTE_COMMAND_WEBSOCKETS: 'false' } })
  assert.equal(spdy.code, 1)
  assert.match(spdy.stderr, /speaks WebSocket only, not SPDY/)
})

test('kubectl attach on the stand-in follows what the pod prints', bound, async (t) => {
  const { kubeconfig } = await standInTool(t)
  const attached: Child = await startChild({
    name: 'kubectl attach',
    program: await locate('kubectl'),
    args: ['attach', 'web-0', `--kubeconfig=${kubeconfig}`],
    ready: async () => true,
    readyWithin: 20_000,
  })
  t.after(() => attached.kill())
  await eventually('two lines arrive', () => (attached.logs().match(/web-0 is alive/g) ?? []).length >= 2)
})

test('kubectl port-forward on the stand-in reaches an echo, one connection after another', bound, async (t) => {
  const { kubeconfig } = await standInTool(t)
  const forward = await startChild({
    name: 'kubectl port-forward',
    program: await locate('kubectl'),
    args: ['port-forward', 'web-0', ':80', '--address=127.0.0.1', `--kubeconfig=${kubeconfig}`],
    ready: async () => true,
    readyWithin: 20_000,
  })
  t.after(() => forward.kill())
  await eventually('it listens', () => /Forwarding from 127\.0\.0\.1:\d+/.test(forward.logs()))
  const port = Number(/127\.0\.0\.1:(\d+)/.exec(forward.logs())?.[1])
  const sent = randomBytes(1 << 20)
  for (let connection = 0; connection < 3; connection += 1) {
    const socket = connect({ host: '127.0.0.1', port, allowHalfOpen: true })
    socket.end(sent)
    const received: Buffer[] = []
    for await (const chunk of socket as AsyncIterable<Buffer>) received.push(chunk)
    assert.ok(sent.equals(Buffer.concat(received)))
  }
})

test('kubectl cp carries a tree into a pod of kwok and out again, by WebSocket and by SPDY', bound, async (t) => {
  const kubernetes = await startKubernetes()
  t.after(() => kubernetes.stop())
  const kwok = await startKwok(kubernetes)
  t.after(() => kwok.stop())
  const folder = await temporaryFolder('copied')
  t.after(() => folder.remove())
  const metadata = { name: 'web-0' }
  const body = { apiVersion: 'v1', kind: 'Pod', metadata, spec: { containers: [{ name: 'main', image: 'none.invalid/none' }] } }
  assert.equal((await kubernetes.ask('/api/v1/namespaces/default/pods', { body })).status, 201)
  const running = async (): Promise<boolean> =>
    (await kubernetes.ask('/api/v1/namespaces/default/pods/web-0')).body.includes('"phase":"Running"')
  await eventually('the pod runs', running)

  // Content that looks like the end of an archive, one that ends within a block, and none.
  const files = { zeros: Buffer.alloc(1 << 20), random: randomBytes(300_001), empty: Buffer.alloc(0) }
  await mkdir(join(folder.path, 'tree'))
  for (const [name, content] of Object.entries(files)) await writeFile(join(folder.path, 'tree', name), content)
  for (const websockets of ['true', 'false']) {
    const options = { kubeconfig: kubernetes.adminKubeconfig, env: { KUBECTL_REMOTE_COMMAND_WEBSOCKETS: websockets }, timeout: 30_000 }
    const [inside, back] = [`in-${websockets}`, join(folder.path, `back-${websockets}`)]
    const sent = await kubectl(['cp', join(folder.path, 'tree'), `web-0:${inside}`], options)
    assert.equal(sent.code, 0, sent.stderr)
    const fetched = await kubectl(['cp', `web-0:${inside}`, back], options)
    assert.equal(fetched.code, 0, fetched.stderr)
    for (const [name, content] of Object.entries(files)) {
      assert.ok(content.equals(await readFile(join(kwok.workFolder, inside, name))))
      assert.ok(content.equals(await readFile(join(back, name))))
    }
  }
})

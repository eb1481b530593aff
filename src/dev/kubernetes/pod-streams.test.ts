import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { type ExecOptions, openExec, type PodExec } from '../../../test/fakes/pod-exec.ts'
import { Api } from './conformance/api-client.ts'
import { assertStatus } from './conformance/refusals.ts'
import { at } from './object.ts'
import { type PodStreamsTarget, podStreamsConformance } from './pod-streams.conformance.ts'
import { type KubernetesStandIn, startKubernetes } from './server.ts'
import type { UserInfo } from './user-info.ts'

/** What only the stand-in has: exit codes, the end of stdin, pods that end, and a server that closes. */

const pods = '/api/v1/namespaces/default/pods'

async function start(): Promise<PodStreamsTarget & { server: KubernetesStandIn }> {
  const tokens = new Map<string, UserInfo>()
  const server = await startKubernetes({
    authenticate: async (bearer) => tokens.get(bearer),
    serviceAccounts: new Map([['admin', { username: 'admin', groups: ['system:masters'] }]]),
  })
  const target = {
    server,
    url: server.url,
    adminToken: 'admin',
    userToken: async (username: string, groups: readonly string[]) => {
      tokens.set(`token-${tokens.size}`, { username, groups })
      return `token-${tokens.size - 1}`
    },
    close: () => server.close(),
    untilRunning: async (namespace: string, pod: string) => {
      const api = new Api(target)
      await api.until(
        () => api.get(`/api/v1/namespaces/${namespace}/pods/${pod}`),
        ({ json }) => at(json, 'status', 'phase') === 'Running',
      )
    },
    addLogLine: server.addLogLine,
    audit: async (path: string) =>
      server
        .audit()
        .filter((entry) => entry.requestURI === path)
        .map(({ stage, verb, responseStatus, objectRef }) => ({
          stage,
          verb,
          code: responseStatus.code,
          subresource: objectRef?.subresource,
        })),
  }
  return target
}

podStreamsConformance('the stand-in has streams into pods', start)

type Stage = { api: Api; server: KubernetesStandIn; open(options: Partial<ExecOptions>): Promise<PodExec>; remove(): Promise<void> }

/** A server with the pod `one`; ends with the test. */
async function stage(t: TestContext): Promise<Stage> {
  const target = await start()
  t.after(() => target.close())
  const api = new Api(target)
  await api.post(pods, { metadata: { name: 'one' }, spec: { containers: [{ name: 'c', image: 'i' }] } })
  await target.untilRunning('default', 'one')
  return {
    api,
    server: target.server,
    open: (options) => openExec({ url: `${target.url}${pods}/one/exec`, headers: { authorization: 'Bearer admin' }, ...options }),
    remove: async () => {
      assert.equal((await api.ask('DELETE', `${pods}/one`)).status, 200)
    },
  }
}

const exitCode = (status: Awaited<PodExec['result']>): unknown => status?.details?.causes?.[0]

test('refuses SPDY and says what it speaks', async (t) => {
  const { api } = await stage(t)
  const headers = [
    ['Connection', 'Upgrade'],
    ['Upgrade', 'SPDY/3.1'],
  ] as const
  for (const subresource of ['exec', 'attach', 'portforward']) {
    const reply = await api.post(`${pods}/one/${subresource}?stdout=true&command=true`, {}, { headers })
    assertStatus(reply, 400, 'BadRequest', /speaks WebSocket only/)
  }
})

test('refuses a pod that runs nowhere', async (t) => {
  const server = await startKubernetes({
    authenticate: async () => ({ username: 'admin', groups: ['system:masters'] }),
    seed: [
      {
        apiVersion: 'v1',
        kind: 'Pod',
        metadata: { name: 'lost', namespace: 'default' },
        spec: { containers: [{ name: 'c', image: 'i' }] },
        status: { phase: 'Unknown' },
      },
    ],
  })
  t.after(() => server.close())
  const target = { url: server.url, adminToken: 'any', userToken: async () => '', close: async () => undefined }
  const reply = await new Api(target).get(`${pods}/lost/exec`)
  assertStatus(reply, 400, 'BadRequest', 'pod lost does not have a host assigned')
})

test('an answer behind a handshake that is not one of a stream is the ordinary answer', async (t) => {
  const { api } = await stage(t)
  const headers = [
    ['Connection', 'Upgrade'],
    ['Upgrade', 'websocket'],
  ] as const
  assert.equal((await api.get(`${pods}/one`, { headers })).json.kind, 'Pod')
  const broken = await api.get(`${pods}/one/exec?stdout=true&command=true`, {
    headers: [...headers, ['Sec-WebSocket-Protocol', 'v5.channel.k8s.io']],
  })
  assert.equal(broken.status, 400)
})

test('a command ends with its exit code, and one that is not there with 127', async (t) => {
  const { open } = await stage(t)
  const failed = await (await open({ command: ['sh', '-c', 'false && echo never; exit 3; echo never'] })).result
  assert.deepEqual([failed?.status, failed?.reason], ['Failure', 'NonZeroExitCode'])
  assert.deepEqual(exitCode(failed), { reason: 'ExitCode', message: '3' })
  const unknown = await open({ command: ['toString'] })
  assert.deepEqual(exitCode(await unknown.result), { reason: 'ExitCode', message: '127' })
  assert.equal(unknown.stderr(), 'toString: not found\n')
  const nothing = await (await open({ command: [] })).result
  assert.deepEqual([nothing?.status, nothing?.reason], ['Failure', 'InternalError'])
  const streamless = await (await open({ command: ['true'], stdout: false, stderr: false })).result
  assert.match(streamless?.message ?? '', /you must specify at least 1 of stdin, stdout, stderr$/)
})

test('stdin ends by the word of v5, by the key of a terminal, and at once when it was not asked for', async (t) => {
  const { open } = await stage(t)
  const counted = await open({ command: ['wc', '-c'], stdin: true })
  await counted.write('four')
  counted.closeStdin()
  assert.equal((await counted.result)?.status, 'Success')
  assert.equal(counted.stdout(), '4\n')

  const terminal = await open({ command: ['wc', '-c'], stdin: true, tty: true, protocols: ['v4.channel.k8s.io'] })
  await terminal.write('four\u0004more')
  assert.equal((await terminal.result)?.status, 'Success')
  assert.equal(terminal.stdout(), '4\n')

  const none = await open({ command: ['cat'] })
  assert.equal((await none.result)?.status, 'Success')
})

test('v4 has no word that ends stdin', async (t) => {
  const { open } = await stage(t)
  const stream = await open({ command: ['cat'], stdin: true, protocols: ['v4.channel.k8s.io'] })
  assert.throws(() => stream.closeStdin(), /has no way to end stdin/)
  stream.destroy()
  assert.equal(await stream.result, undefined)
})

test('what one command leaves of stdin is read by the next', async (t) => {
  const { open } = await stage(t)
  const stream = await open({ command: ['sh', '-c', 'head -n 1; hostname; cat'], stdin: true })
  await stream.write('a\nb\nc\n')
  stream.closeStdin()
  assert.equal((await stream.result)?.status, 'Success')
  assert.equal(stream.stdout(), 'a\none\nb\nc\n')
})

test('streams end with their pod: a command as killed, attach as ended', async (t) => {
  const { server, open, remove } = await stage(t)
  const url = `${server.url}${pods}/one/attach`
  const streams = await Promise.all([
    open({ command: ['sleep', '1000'] }),
    open({ command: ['cat'], stdin: true }),
    open({ command: ['yes'] }),
    open({ command: ['yes'], stdout: false }),
    open({ url, stdin: true }),
  ])
  await streams[1].write('x')
  await streams[1].untilStdout('x')
  server.addLogLine('default', 'one', 'printed')
  await streams[4].untilStdout('printed\n')
  await remove()
  for (const stream of streams.slice(0, 4)) assert.deepEqual(exitCode(await stream.result), { reason: 'ExitCode', message: '137' })
  assert.equal((await streams[4].result)?.status, 'Success')
})

test('an endless command waits for a slow reader', async (t) => {
  const { api, open, remove } = await stage(t)
  const stream = await open({ command: ['yes'] })
  await stream.untilStdout('y\n')
  stream.pause()
  // Time in which a writer that does not wait would write without end.
  for (let asked = 0; asked < 200; asked += 1) await api.get('/livez')
  await remove()
  stream.resume()
  await stream.closed
  const mebibytes = stream.stdout().length / (1 << 20)
  assert.ok(mebibytes < 32, `it wrote ${mebibytes} MiB ahead`)
})

test('a client waits for a command that does not read', async (t) => {
  const { api, open, remove } = await stage(t)
  const stream = await open({ command: ['sleep', '1000'], stdin: true })
  const block = Buffer.alloc(1 << 20)
  let written = 0
  const writing = (async () => {
    for (; written < 64; written += 1) await stream.write(block)
  })().catch(() => undefined)
  for (let asked = 0; asked < 200; asked += 1) await api.get('/livez')
  assert.ok(written < 64, 'it took everything')
  await remove()
  await stream.closed
  await writing
})

test('a closing server cuts its streams and forgets nothing of them', async (t) => {
  const { server, open } = await stage(t)
  const streams = await Promise.all([open({ command: ['cat'], stdin: true }), open({ command: ['yes'] })])
  await server.close()
  for (const stream of streams) {
    assert.equal((await stream.closed).code, 1006)
    assert.equal(await stream.result, undefined)
  }
})

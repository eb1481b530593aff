/**
 * A caller, or an API server, that vanishes without a word: the cable is out, so no end and no reset ever come. Nothing else tells the gateway
 * than the kernel's probes of a connection on which nothing is under way.
 */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { request } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { type TestContext, test } from 'node:test'
import { createCertificateAuthority } from '../../src/dev/certificate-authority.ts'
import { freePort } from '../../src/dev/free-port.ts'
import { setStage } from '../journeys/stage.ts'
import { AUDIENCE } from '../journeys/world.ts'
import { eventually } from './eventually.ts'
import { worldWithNode } from './https-stage.ts'
import { type FarNetwork, makeFarNetwork } from './parts/far-network.ts'
import { writeKubeconfig } from './parts/kubectl.ts'
import { locate } from './parts/locate.ts'

/** Half a minute of silence, ten probes a second apart, and as much again for a busy machine. */
const NOTICED_WITHIN_MS = 90_000
const SPDY = { KUBECTL_REMOTE_COMMAND_WEBSOCKETS: 'false', KUBECTL_PORT_FORWARD_WEBSOCKETS: 'false' }
const BROKER = 'system:serviceaccount:mandate:gateway'
const STREAMS = [
  ['/pods/web/exec', 2],
  ['/pods/web/portforward', 2],
  ['watch=true', 1],
] as const

const FAR_PORT = 6443
/** An API server, as far as it goes: a watch with one event, and an upgrade after which nothing comes. */
const FAR_SERVER = `
const { readFileSync } = require('node:fs')
const [host, cert, key] = process.argv.slice(1)
const server = require('node:https').createServer({ cert: readFileSync(cert), key: readFileSync(key) })
server.on('request', (_, response) => response.writeHead(200, { 'content-type': 'application/json' }).write('{"type":"ADDED"}\\n'))
server.on('upgrade', (_, socket) => socket.write('HTTP/1.1 101 Switching Protocols\\r\\nConnection: Upgrade\\r\\nUpgrade: SPDY/3.1\\r\\n\\r\\n'))
server.listen(${FAR_PORT}, host, () => console.log('listening'))
`

/** A gateway that is served where the far side reaches it, and nowhere else, with one cluster here and one on the far side. */
async function setFarStage(t: TestContext, { address, farAddress, start: startFar }: FarNetwork) {
  const folder = await mkdtemp(join(tmpdir(), 'mandate-vanishing-'))
  t.after(() => rm(folder, { recursive: true, force: true }))
  const authority = await createCertificateAuthority('Gateway authority')
  const leaf = await authority.issue({ commonName: 'gateway', dnsNames: [], ipAddresses: [address, farAddress] })
  const [cert, key, kubeconfig] = [join(folder, 'tls.pem'), join(folder, 'tls-key.pem'), join(folder, 'kubeconfig')]
  await Promise.all([writeFile(cert, leaf.certificatePem), writeFile(key, leaf.privateKeyPem, { mode: 0o600 })])
  const ca = join(folder, 'ca.pem')
  await writeFile(ca, authority.certificatePem)
  await startFar({
    name: 'the API server on the far side',
    program: process.execPath,
    args: ['-e', FAR_SERVER, farAddress, cert, key],
    ready: async (logs) => logs.includes('listening'),
  })
  const port = await freePort(0)
  const origin = `https://${address}:${port}`
  const { start, parts } = worldWithNode()
  const stage = await setStage(t, (options) => start({ ...options, origin }), {
    configure(config) {
      const { allow, as } = config.clusters['named'] ?? {}
      config.clusters['far'] = { server: `https://${farAddress}:${FAR_PORT}`, ca: { file: ca }, allow, as }
      config['publicUrl'] = origin
      config.listen['https'] = { host: address, port, cert: { file: cert }, key: { file: key } }
    },
  })
  const claims = { aud: [AUDIENCE], groups: ['team-a'] }
  const token = stage.world.issuer.mintAccessToken('alice', { claims })
  await writeKubeconfig(kubeconfig, `${origin}/clusters/named`, authority.certificatePem, { token })
  const { kubernetes, podsServe } = parts()
  podsServe((connection) => void connection.pipe(connection))
  await eventually('the pod runs', async () =>
    (await kubernetes.ask('/api/v1/namespaces/team-a/pods/web')).body.includes('"phase":"Running"'),
  )
  /** Asks the API server on the far side, from here. */
  const askFar = (path: string, headers: Readonly<Record<string, string>> = {}) => {
    const asked = request(`${origin}/clusters/far${path}`, {
      headers: { ...headers, authorization: `Bearer ${token}` },
      ca: authority.certificatePem,
      agent: false,
    })
    asked.on('error', () => undefined)
    return asked.end()
  }
  return { stage, kubernetes, folder, kubeconfig, askFar }
}

/** Resolves when it is closed, however it ends. */
function closeOf(stream: Readable): Promise<void> {
  stream.on('error', () => undefined).resume()
  return new Promise((resolve) => stream.once('close', resolve))
}

test('a network that is gone is noticed, and the streams through it are ended', { timeout: 240_000 }, async (t) => {
  const far = await makeFarNetwork()
  t.after(() => far.remove())
  const { stage, kubernetes, folder, kubeconfig, askFar } = await setFarStage(t, far)
  const program = await locate('kubectl')
  const kubectl = (first: string, args: readonly string[], more: Readonly<Record<string, string>> = {}) =>
    far.start({
      name: `kubectl ${args[0]}`,
      program,
      args: ['--namespace=team-a', ...args],
      env: { ...more, HOME: folder, KUBECONFIG: kubeconfig },
      ready: async (logs) => logs.includes(first),
      readyWithin: 30_000,
    })
  const exec = ['exec', 'web', '--', 'sh', '-c', 'echo begun; exec sleep 100']
  const callers = [
    await kubectl('begun', exec),
    await kubectl('begun', exec, SPDY),
    await kubectl('Forwarding from', ['port-forward', 'pod/web', ':80']),
    await kubectl('Forwarding from', ['port-forward', 'pod/web', ':80'], SPDY),
    // Without bookmarks: to bytes that are under way the kernel holds on for a quarter of an hour, and sends no probes.
    await kubectl('ADDED', ['get', '--raw', '/api/v1/namespaces/team-a/configmaps?watch=true']),
  ]
  const watching = askFar('/api/v1/namespaces/team-a/configmaps?watch=true')
  const [answer] = (await once(watching, 'response')) as [Readable]
  const watchEnds = closeOf(answer)
  const joined = askFar('/api/v1/namespaces/team-a/pods/web/exec?command=cat', { connection: 'Upgrade', upgrade: 'SPDY/3.1' })
  const [, connection] = (await once(joined, 'upgrade')) as [unknown, Readable]
  const execEnds = closeOf(connection)

  const live = async (cluster: string) =>
    new RegExp(`mandate_live_streams\\{route="cluster/${cluster}"\\} (\\d+)`).exec(await stage.metrics())?.[1]
  await eventually('all of them are counted', async () => (await live('named')) === String(callers.length) && (await live('far')) === '2')
  const endsBefore = stage.audit('stream-closed').length
  // The API server records the completion of a stream when its connection to the gateway is gone.
  const over = async (part: string) =>
    (await kubernetes.auditLog()).filter(
      ({ requestURI, stage: at, user }) => at === 'ResponseComplete' && requestURI.includes(part) && user.username === BROKER,
    ).length
  for (const [part] of STREAMS) assert.equal(await over(part), 0, part)

  await far.unplug()
  const since = Date.now()
  const noticed = (what: string) => t.diagnostic(`${what} after ${Date.now() - since} ms`)
  await Promise.all([
    eventually('no stream of a caller is counted any more', async () => (await live('named')) === '0', NOTICED_WITHIN_MS).then(() =>
      noticed('the callers were noticed'),
    ),
    execEnds.then(() => noticed('the exec ended')),
    watchEnds.then(() => noticed('the watch ended')),
    eventually('no stream to the far side is counted any more', async () => (await live('far')) === '0', NOTICED_WITHIN_MS),
  ])

  const causes = () =>
    stage
      .audit('stream-closed')
      .slice(endsBefore)
      .map(({ cause }) => cause)
      .sort()
  await eventually('each end is recorded', () => causes().length === callers.length + 2)
  assert.deepEqual(causes(), [...callers.map(() => 'caller-gone'), 'upstream-broke', 'upstream-broke'])
  for (const [part, count] of STREAMS)
    await eventually(`${count} streams of ${part} are over at the API server`, async () => (await over(part)) === count)
})

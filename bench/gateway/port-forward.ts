/**
 * 1 GB through `kubectl port-forward` of a real API server: the CPU that all take part with, directly and through the
 * gateway, and what it adds to the gateway's memory.
 *
 *   node bench/gateway/port-forward.ts [--rounds 3] [--megabytes 1000] [--direct] [--profile FOLDER] [-o json]
 *
 * `--direct` leaves the gateway out; `--profile` has it write a CPU profile there. Both ways are measured in turn with
 * each protocol that kubectl has for it. Neither this program nor the source of the bytes counts: they do the same for
 * both ways.
 */
import { connect } from 'node:net'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { createCertificateAuthority } from '../../src/dev/certificate-authority.ts'
import { type Kubernetes, startKubernetes } from '../../test/real/parts/kube-apiserver.ts'
import { writeKubeconfig } from '../../test/real/parts/kubectl.ts'
import { startKwok } from '../../test/real/parts/kwok.ts'
import { locate } from '../../test/real/parts/locate.ts'
import { startChild, temporaryFolder } from '../../test/real/parts/process.ts'
import { binding, OBJECTS } from './cluster-objects.ts'
import { median } from './median.ts'
import { childOf, cpuOf, forgetPeak, memoryOf } from './proc.ts'
import { startSubject } from './subject.ts'

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '3' },
    megabytes: { type: 'string', default: '1000' },
    direct: { type: 'boolean', default: false },
    output: { type: 'string', short: 'o', default: 'table' },
    profile: { type: 'string' },
  },
})
const [rounds, bytes] = [Number(values.rounds), Number(values.megabytes) * 1e6]
const PROTOCOLS = { websocket: 'true', spdy: 'false' } as const
type Protocol = keyof typeof PROTOCOLS

interface Way {
  readonly kubeconfig: string
  /** The gateway on it, if there is one. */
  readonly gateway?: number
}

/** One transfer. CPU in seconds of API server, kwok, kubectl and gateway together, memory in bytes. */
interface Transfer {
  readonly cpu: number
  readonly gatewayCpu: number
  readonly seconds: number
  readonly gatewayGrew: number
}

const FORWARD_ROLE = {
  apiVersion: 'rbac.authorization.k8s.io/v1',
  kind: 'ClusterRole',
  metadata: { name: 'forward' },
  rules: [
    { apiGroups: [''], resources: ['pods'], verbs: ['get'] },
    // WebSocket connections begin with GET, SPDY with POST.
    { apiGroups: [''], resources: ['pods/portforward'], verbs: ['get', 'create'] },
  ],
}

const stops: (() => Promise<unknown>)[] = []
try {
  await run()
} finally {
  for (const stop of stops.reverse()) await stop()
}

async function run(): Promise<void> {
  const source = await startChild({
    name: 'the source',
    program: process.execPath,
    args: ['bench/gateway/port-forward-source.ts'],
    env: { BYTES: String(bytes) },
    ready: async (logs) => /^\d+$/m.test(logs),
  })
  stops.push(() => source.stop())
  const portForwardTo = Number(/^\d+$/m.exec(source.logs())?.[0])
  const kubernetes = await startKubernetes()
  stops.push(() => kubernetes.stop())
  const kwok = await startKwok(kubernetes, { portForwardTo })
  stops.push(() => kwok.stop())
  const items = [
    ...OBJECTS,
    FORWARD_ROLE,
    binding('forward', { apiGroup: 'rbac.authorization.k8s.io', kind: 'Group', name: 'corp:team-a' }),
  ]
  await must(kubernetes.kubectl(['apply', '-f', '-'], { input: JSON.stringify({ apiVersion: 'v1', kind: 'List', items }) }))
  await must(kubernetes.kubectl(['wait', '--for=condition=Ready', 'pod/web', '--timeout=60s']))

  const ways: Record<string, Way> = { direct: { kubeconfig: kubernetes.adminKubeconfig } }
  if (!values.direct) ways['mandate'] = await throughMandate(kubernetes)
  const measured = new Map<string, Transfer[]>()
  for (let round = 0; round <= rounds; round += 1) {
    for (const protocol of Object.keys(PROTOCOLS) as Protocol[]) {
      for (const [name, way] of Object.entries(ways)) {
        const one = await transfer(way, protocol)
        const { cpu, gatewayCpu, seconds, gatewayGrew } = one
        const mb = (gatewayGrew / 1e6).toFixed(1)
        console.error(
          `round ${round} ${name} ${protocol}: ${cpu.toFixed(2)} s CPU, gateway ${gatewayCpu.toFixed(2)} s and ${mb} MB, ${seconds.toFixed(1)} s`,
        )
        // The first is for the compilers and caches of all that take part.
        const key = `${name} ${protocol}`
        if (round > 0) measured.set(key, [...(measured.get(key) ?? []), one])
      }
    }
  }
  print(measured)
}

/** Starts the gateway with TLS before that API server; kubectl sends no bearer to plain http. */
async function throughMandate(kubernetes: Kubernetes): Promise<Way> {
  const token = (await must(kubernetes.kubectl(['create', 'token', 'gateway', '-n', 'mandate', '--duration', '2h']))).trim()
  const authority = await createCertificateAuthority('bench')
  const leaf = await authority.issue({ commonName: 'localhost', dnsNames: ['localhost'], ipAddresses: ['127.0.0.1'] })
  const tls = { certificatePem: `${leaf.certificatePem}\n${authority.certificatePem}`, privateKeyPem: leaf.privateKeyPem }
  const node = values.profile === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${values.profile}`]
  const subject = await startSubject({ server: kubernetes.url, ca: kubernetes.caPem, brokerToken: token, tls, node })
  stops.push(() => subject.stop())
  const folder = await temporaryFolder('port-forward')
  stops.push(() => folder.remove())
  const kubeconfig = join(folder.path, 'kubeconfig')
  const proof = { token: subject.bearer() }
  await writeKubeconfig(kubeconfig, `${subject.origin}/clusters/prod`, authority.certificatePem, proof)
  return { kubeconfig, gateway: subject.process.pid ?? 0 }
}

async function transfer({ kubeconfig, gateway }: Way, protocol: Protocol): Promise<Transfer> {
  const kubectl = await startChild({
    name: 'kubectl port-forward',
    program: await locate('kubectl'),
    args: ['port-forward', 'pod/web', ':8080', '--address', '127.0.0.1'],
    env: { KUBECONFIG: kubeconfig, HOME: join(kubeconfig, '..'), KUBECTL_PORT_FORWARD_WEBSOCKETS: PROTOCOLS[protocol] },
    ready: async (logs) => logs.includes('Forwarding from'),
    readyWithin: 30_000,
  })
  try {
    const local = Number(/Forwarding from 127\.0\.0\.1:(\d+)/.exec(kubectl.logs())?.[1])
    const others = [await childOf(process.pid, 'kube-apiserver'), await childOf(process.pid, 'kwok'), kubectl.pid]
    const cpuOfAll = async () => (await Promise.all(others.map(cpuOf))).reduce((sum, one) => sum + one, 0)
    if (gateway !== undefined) await forgetPeak(gateway)
    const memory = gateway === undefined ? 0 : (await memoryOf(gateway)).now
    const [before, gatewayBefore] = [await cpuOfAll(), gateway === undefined ? 0 : await cpuOf(gateway)]
    const began = performance.now()
    const received = await drain(local)
    const seconds = (performance.now() - began) / 1_000
    if (received !== bytes) throw new Error(`${received} of ${bytes} bytes arrived\n${kubectl.logs()}`)
    const gatewayCpu = gateway === undefined ? 0 : (await cpuOf(gateway)) - gatewayBefore
    const gatewayGrew = gateway === undefined ? 0 : (await memoryOf(gateway)).peak - memory
    return { cpu: (await cpuOfAll()) - before + gatewayCpu, gatewayCpu, seconds, gatewayGrew }
  } finally {
    await kubectl.stop()
  }
}

/** Takes what comes until the other side ends, and tells how many bytes that was. */
function drain(port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    let received = 0
    const socket = connect({ port, host: '127.0.0.1' })
    socket.on('data', (part) => {
      received += part.length
      // kubectl may keep its side open although the source has ended.
      if (received >= bytes) socket.destroy()
    })
    socket.setTimeout(60_000, () => socket.destroy(new Error(`nothing came for a minute after ${received} bytes`)))
    socket.on('error', reject).on('close', () => resolve(received))
  })
}

function print(measured: ReadonlyMap<string, readonly Transfer[]>): void {
  const middle = (key: string, of: (one: Transfer) => number) => median((measured.get(key) ?? []).map(of))
  const rows = [...measured].map(([way]) => ({
    way,
    cpuSeconds: middle(way, ({ cpu }) => cpu),
    gatewayCpuSeconds: middle(way, ({ gatewayCpu }) => gatewayCpu),
    seconds: middle(way, ({ seconds }) => seconds),
    gatewayGrewBytes: Math.max(...(measured.get(way) ?? []).map(({ gatewayGrew }) => gatewayGrew)),
  }))
  const cpu = (way: string) => rows.find((row) => row.way === way)?.cpuSeconds ?? Number.NaN
  const targets = Object.keys(PROTOCOLS).flatMap((protocol) => {
    const row = rows.find(({ way }) => way === `mandate ${protocol}`)
    if (row === undefined) return []
    return [
      { what: `${protocol}: CPU against direct`, atMost: 1.5, measured: row.cpuSeconds / cpu(`direct ${protocol}`) },
      { what: `${protocol}: memory of the gateway, MB`, atMost: 32, measured: row.gatewayGrewBytes / 1e6 },
    ]
  })
  const judged = targets.map((target) => ({ ...target, met: target.measured <= target.atMost }))
  if (values.output === 'json') return console.log(JSON.stringify({ bytes, rounds, rows, targets: judged }, undefined, 2))
  console.log(
    `${bytes / 1e6} MB, ${rounds} rounds\n\n| way | CPU s | of it the gateway | s | the gateway grew by MB |\n| --- | --- | --- | --- | --- |`,
  )
  for (const { way, cpuSeconds, gatewayCpuSeconds, seconds, gatewayGrewBytes } of rows) {
    console.log(
      `| ${way} | ${cpuSeconds.toFixed(2)} | ${gatewayCpuSeconds.toFixed(2)} | ${seconds.toFixed(1)} | ${(gatewayGrewBytes / 1e6).toFixed(1)} |`,
    )
  }
  for (const { what, atMost, measured: value, met } of judged)
    console.log(`${what}: ${value.toFixed(2)}, at most ${atMost}: ${met ? 'met' : 'MISSED'}`)
}

async function must(finished: Promise<{ code: number; stdout: string; stderr: string }>): Promise<string> {
  const { code, stdout, stderr } = await finished
  if (code !== 0) throw new Error(`kubectl: ${stderr}`)
  return stdout
}

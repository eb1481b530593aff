/** The ways to the trivial upstream that are compared, each with its proxy started, signed in to, and proven. */
import { randomBytes } from 'node:crypto'
import { freePort } from '../../src/dev/free-port.ts'
import { startIssuer } from '../../src/dev/issuer/issuer.ts'
import { createBrowser } from '../../test/fakes/browser.ts'
import { startCaddy } from '../../test/real/parts/caddy.ts'
import type { FrontServer } from '../../test/real/parts/front-server.ts'
import { startNginx } from '../../test/real/parts/nginx.ts'
import { redirectUriOf, startOAuth2Proxy } from '../../test/real/parts/oauth2-proxy.ts'
import { startPinned } from '../../test/real/parts/pinned-child.ts'
import { startRedis } from '../../test/real/parts/redis.ts'
import type { LoadTarget } from './load.ts'
import { startMandateUnderLoad, type TargetKind } from './mandate-under-load.ts'
import { prove } from './prove.ts'

export const LANES = [
  'direct',
  'nginx',
  'caddy',
  'mandate-cookie',
  'mandate-bearer',
  'oauth2-proxy-cookie',
  'oauth2-proxy-redis',
  'oauth2-proxy-bearer',
] as const
export type LaneName = (typeof LANES)[number]

/** One way to the upstream. */
export interface Lane {
  readonly name: LaneName
  /** What load asks for. */
  readonly target: LoadTarget
  /** The same way to the answer that shows what arrived at the upstream. */
  readonly probeUrl: string
  /** The proxy; absent where there is none. */
  readonly pid?: number
  /** Grows by each request. */
  readonly log?: string
  /** The beginning of a header line, in lower case, that tells the upstream who asks. A proxy that has one must refuse without credentials. */
  readonly identity?: string
}

export interface Lanes {
  readonly all: readonly Lane[]
  stop(): Promise<void>
}

export interface Cores {
  readonly proxy: number
  readonly load: number
}

const LOAD_PATH = '/api/v1/namespaces/bench/pods/web'
const PROBE_PATH = '/api/v1/namespaces/bench/pods/probe'
const ALICE = { name: 'alice', sub: 'alice', email: 'alice@bench.example', emailVerified: true, groups: ['team-a'] }
const CLIENT = 'oauth2-proxy'

/** How the gateway among them is started. */
export interface GatewayOptions {
  readonly target: TargetKind
  /** Options of its Node. */
  readonly node: readonly string[]
}

/** Starts them all; what started is stopped again when one fails. */
export async function startLanes(wanted: ReadonlySet<LaneName>, cores: Cores, gateway: GatewayOptions): Promise<Lanes> {
  const stops: (() => Promise<unknown>)[] = []
  const stop = async () => {
    for (const end of stops.splice(0).reverse()) await end()
  }
  const keep = <T extends { stop(): Promise<unknown> }>(part: T): T => {
    stops.push(() => part.stop())
    return part
  }
  try {
    const upstream = keep(await startTrivialUpstream(cores.load)).url
    const redisUrl = keep(await startRedis()).url
    const all: Lane[] = [{ name: 'direct', ...ways(upstream, {}) }]
    const plain = (name: LaneName, { url, pid, accessLog }: FrontServer): Lane => ({ name, ...ways(url, {}), pid, log: accessLog })
    if (wanted.has('nginx')) all.push(plain('nginx', keep(await startNginx({ upstream, core: cores.proxy }))))
    if (wanted.has('caddy')) all.push(plain('caddy', keep(await startCaddy({ upstream, core: cores.proxy }))))
    if (anyOf(wanted, 'mandate')) {
      const mandate = await startMandateUnderLoad({ ...gateway, upstream, redisUrl, core: cores.proxy })
      keep(mandate.subject)
      const { pid, url, host, identity } = mandate
      const log = mandate.subject.auditLog
      const cookie = await mandate.subject.cookie()
      const authorization = `Bearer ${mandate.subject.bearer()}`
      all.push({ name: 'mandate-cookie', ...ways(url, { Host: host, Cookie: cookie }), pid, log, identity })
      all.push({ name: 'mandate-bearer', ...ways(url, { Host: host, Authorization: authorization }), pid, log, identity })
    }
    if (anyOf(wanted, 'oauth2-proxy')) all.push(...(await oauth2ProxyLanes(upstream, redisUrl, cores.proxy, keep)))
    for (const lane of all) await prove(lane)
    return { all: all.filter(({ name }) => wanted.has(name)), stop }
  } catch (error) {
    await stop()
    throw error
  }
}

function anyOf(wanted: ReadonlySet<LaneName>, product: string): boolean {
  return [...wanted].some((name) => name.startsWith(product))
}

function ways(url: string, headers: Record<string, string>): Pick<Lane, 'target' | 'probeUrl'> {
  return { target: { url: `${url}${LOAD_PATH}`, headers }, probeUrl: `${url}${PROBE_PATH}` }
}

/** Two instances, one for each store; the bearer goes to the one without Redis. Both have real sign-ins behind them. */
async function oauth2ProxyLanes(
  upstream: string,
  redisUrl: string,
  core: number,
  keep: <T extends { stop(): Promise<unknown> }>(part: T) => T,
): Promise<Lane[]> {
  const ports = { cookie: await freePort(0), redis: await freePort(0) }
  const secret = randomBytes(16).toString('hex')
  const issuer = await startIssuer({
    users: [ALICE],
    audience: 'api://bench',
    lifetimes: { accessToken: 7_200, idToken: 7_200 },
    clients: [{ id: CLIENT, secret, redirectUris: [ports.cookie, ports.redis].map(redirectUriOf) }],
  })
  keep({ stop: () => issuer.close() })
  const lanes: Lane[] = []
  for (const store of ['cookie', 'redis'] as const) {
    const port = ports[store]
    const common = { upstream, core, port, issuer: issuer.issuer, clientId: CLIENT, clientSecret: secret }
    const proxy = keep(await startOAuth2Proxy({ ...common, ...(store === 'redis' ? { redisUrl } : {}) }))
    const facts = { pid: proxy.pid, log: proxy.accessLog, identity: 'x-forwarded-email: alice@bench.example' }
    const origin = `http://localhost:${port}`
    const browser = createBrowser()
    await browser.signIn(`${origin}${LOAD_PATH}`, ALICE.name)
    const cookie = browser.cookies(`${origin}/`).map(({ name, value }) => `${name}=${value}`)
    const headers = { Host: `localhost:${port}`, Cookie: cookie.join('; ') }
    lanes.push({ name: `oauth2-proxy-${store}`, ...ways(proxy.url, headers), ...facts })
    if (store !== 'cookie') continue
    const authorization = { Host: `localhost:${port}`, Authorization: `Bearer ${issuer.mintIdToken(ALICE.name, CLIENT)}` }
    lanes.push({ name: 'oauth2-proxy-bearer', ...ways(proxy.url, authorization), ...facts })
  }
  return lanes
}

/** The trivial upstream on the load's core. */
export async function startTrivialUpstream(core: number): Promise<{ readonly url: string; stop(): Promise<void> }> {
  const child = await startPinned(core, {
    name: 'the trivial upstream',
    program: process.execPath,
    args: ['bench/gateway/trivial-upstream.ts'],
    ready: async (logs) => /^\d+$/m.test(logs),
    readyWithin: 10_000,
  })
  return { url: `http://127.0.0.1:${/^\d+$/m.exec(child.logs())?.[0]}`, stop: () => child.stop() }
}

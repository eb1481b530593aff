/**
 * One route and one token, against 1,000 routes and 10,000 tokens that take turns: two gateways on one core before one
 * upstream, visited in turn.
 */
import { randomUUID } from 'node:crypto'
import { temporaryFolder } from '../../test/real/parts/process.ts'
import { startRedis } from '../../test/real/parts/redis.ts'
import { startTrivialUpstream } from '../gateway/lanes.ts'
import { type LoadTarget, saturate, steady } from '../gateway/load.ts'
import { cpuOf } from '../gateway/proc.ts'
import { type Subject, startSubject } from '../gateway/subject.ts'
import { type Row, rowOf, type SaturatedVisit, type SteadyVisit } from '../gateway/targets.ts'

export interface ManyRoutesOptions {
  readonly rounds: number
  readonly seconds: number
  readonly rate: number
  readonly cores: { readonly proxy: number; readonly load: number }
}

export interface ManyRoutes {
  readonly one: Row
  readonly many: Row
}

const ROUTES = 1_000
const TOKENS = 10_000
/** Compilers of Node work on for several seconds, and every token is verified once. */
const WARM_UP_SECONDS = 12
const BELOW = 'api/v1/namespaces/bench/pods/web'

interface Way {
  readonly subject: Subject
  readonly target: LoadTarget
  readonly saturated: SaturatedVisit[]
  readonly steady: SteadyVisit[]
}

export async function measureManyRoutes({ rounds, seconds, rate, cores }: ManyRoutesOptions): Promise<ManyRoutes> {
  const folder = await temporaryFolder('many-routes')
  const upstream = await startTrivialUpstream(cores.load)
  const redis = await startRedis()
  const ways: Way[] = []
  try {
    for (const [routes, tokens] of [
      [1, 1],
      [ROUTES, TOKENS],
    ] as const)
      ways.push(await startWay(routes, tokens, upstream.url, redis.url, cores.proxy))
    const options = { folder: folder.path, core: cores.load, seconds }
    for (const { target } of ways) await saturate(target, { ...options, seconds: WARM_UP_SECONDS })
    for (let round = 0; round < rounds; round += 1) {
      for (const way of ways) {
        way.saturated.push(await withCpu(way, () => saturate(way.target, options)))
        way.steady.push(await withCpu(way, () => steady(way.target, rate, options)))
      }
    }
    const [one, many] = ways.map((way) => rowOf('mandate-bearer', way.saturated, way.steady))
    if (one === undefined || many === undefined) throw new Error('two ways were to be measured')
    return { one, many }
  } finally {
    for (const { subject } of ways) await subject.stop()
    await redis.stop()
    await upstream.stop()
    await folder.remove()
  }
}

async function startWay(routes: number, tokens: number, upstream: string, redisUrl: string, core: number): Promise<Way> {
  const subject = await startSubject({
    server: upstream,
    redisUrl,
    core,
    adapt: (config) => {
      delete config['clusters']
      config['routes'] = Array.from({ length: routes }, (_, at) => ({
        name: `service-${at}`,
        match: { host: 'api.localhost', path: `/service-${at}/**`, methods: ['GET'] },
        allow: [{ callers: ['machine'], scopes: ['write'] }, { scopes: ['read'] }],
        upstream,
      }))
    },
  })
  const { port } = new URL(subject.origin)
  const turns = Array.from({ length: tokens }, (_, at) => ({
    path: `/service-${at % routes}/${BELOW}`,
    headers: { Authorization: `Bearer ${subject.bearer({ scope: 'read', jti: randomUUID() })}` },
  }))
  const target = { url: `http://127.0.0.1:${port}/`, headers: { Host: `api.localhost:${port}` }, turns }
  return { subject, target, saturated: [], steady: [] }
}

async function withCpu<T extends object>({ subject }: Way, load: () => Promise<T>): Promise<T & { cpu: number; others: number }> {
  const pid = subject.process.pid ?? 0
  const before = await cpuOf(pid)
  const result = await load()
  return { ...result, cpu: (await cpuOf(pid)) - before, others: 0 }
}

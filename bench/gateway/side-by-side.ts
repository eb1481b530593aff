/**
 * Mandate beside nginx, Caddy and oauth2-proxy before one trivial upstream: what a request costs, and how long it takes.
 *
 *   node bench/gateway/side-by-side.ts [--rounds 3] [--seconds 4] [--rate 3000] [--only LANE,LANE] [--target route] [-o json]
 *
 * Needs `test/real/install bench` and two cores: every proxy runs on the first alone, load, upstream, Redis and this
 * program on the second. Each round visits every way once saturated and once at the fixed rate, so that a machine whose
 * speed drifts is slow or fast for all of them. Takes under six minutes.
 *
 * `--target cluster` has Mandate serve the upstream as a cluster instead of by a route. `--profile FOLDER` has it write a
 * CPU profile there, and `--node OPTION` (as often as you like) starts it with that option of Node or V8.
 */
import { execFileSync } from 'node:child_process'
import { availableParallelism, cpus } from 'node:os'
import { parseArgs } from 'node:util'
import { temporaryFolder } from '../../test/real/parts/process.ts'
import { LANES, type Lane, type LaneName, startLanes } from './lanes.ts'
import { CONNECTIONS, saturate, steady } from './load.ts'
import { TARGETS } from './mandate-under-load.ts'
import { busyOf, cpuOf } from './proc.ts'
import { carries, type Judged, judge, type Row, rowOf, type SaturatedVisit, type SteadyVisit, type Taken } from './targets.ts'

const CORES = { proxy: 0, load: 1 }
// Compilers of Node work on for several seconds, on threads that count: 70 µs a request after 4 s, 10 after 10 s.
const WARM_UP_SECONDS = 8

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '3' },
    seconds: { type: 'string', default: '4' },
    rate: { type: 'string', default: '3000' },
    only: { type: 'string' },
    output: { type: 'string', short: 'o', default: 'table' },
    profile: { type: 'string' },
    target: { type: 'string', default: 'route' },
    node: { type: 'string', multiple: true, default: [] },
  },
})
const [rounds, seconds, rate] = [Number(values.rounds), Number(values.seconds), Number(values.rate)]
const wanted = new Set(values.only === undefined ? LANES : LANES.filter((name) => values.only?.split(',').includes(name)))
const target = TARGETS.find((kind) => kind === values.target)
if (target === undefined) throw new Error(`--target takes one of ${TARGETS.join(', ')}`)
if (wanted.size === 0) throw new Error(`--only takes some of ${LANES.join(',')}`)
if (availableParallelism() < 2) throw new Error('two cores are needed: one for the proxy, one for the load')
execFileSync('taskset', ['-a', '-p', '-c', String(CORES.load), String(process.pid)], { stdio: 'ignore' })

const folder = await temporaryFolder('side-by-side')
const profile = values.profile === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${values.profile}`]
const lanes = await startLanes(wanted, CORES, { target, node: [...profile, ...values.node] })
try {
  const rows = await measure(lanes.all)
  const judged = judge(rows, rate)
  if (values.output === 'json')
    console.log(JSON.stringify({ machine: machine(), rounds, seconds, rate, rows, targets: judged }, undefined, 2))
  else print(rows, judged)
} finally {
  await lanes.stop()
  await folder.remove()
}

async function measure(all: readonly Lane[]): Promise<Row[]> {
  const options = { folder: folder.path, core: CORES.load }
  for (const { target } of all) await saturate(target, { ...options, seconds: WARM_UP_SECONDS })
  const visits = new Map<LaneName, { saturated: SaturatedVisit[]; steady: SteadyVisit[] }>(
    all.map(({ name }) => [name, { saturated: [], steady: [] }]),
  )
  for (let round = 1; round <= rounds; round += 1) {
    for (const { name, target, pid } of all) {
      const saturated = await withCpu(pid, () => saturate(target, { ...options, seconds }))
      const fixed = await withCpu(pid, () => steady(target, rate, { ...options, seconds }))
      visits.get(name)?.saturated.push(saturated)
      visits.get(name)?.steady.push(fixed)
      const cost = (cpu: number | undefined, requests: number) => (cpu === undefined ? '-' : ((cpu * 1e6) / requests).toFixed(0))
      const share = ({ others, seconds: long }: Taken & { seconds: number }) => `${((100 * others) / long).toFixed(0)} %`
      console.error(
        `round ${round} ${name}: ${(saturated.requests / saturated.seconds).toFixed(0)}/s at ${cost(saturated.cpu, saturated.requests)} µs; ` +
          `at ${fixed.rate.toFixed(0)}/s ${cost(fixed.cpu, fixed.requests)} µs, p50 ${fixed.p50Ms.toFixed(2)} ms, p99 ${fixed.p99Ms.toFixed(2)} ms; ` +
          `others took ${share(saturated)} and ${share(fixed)} of the core`,
      )
    }
  }
  return [...visits].map(([name, visited]) => rowOf(name, visited.saturated, visited.steady))
}

async function withCpu<T extends object>(pid: number | undefined, load: () => Promise<T>): Promise<T & Taken> {
  const proxy = () => (pid === undefined ? Promise.resolve(0) : cpuOf(pid))
  const [ownBefore, coreBefore] = [await proxy(), await busyOf(CORES.proxy)]
  const result = await load()
  const [own, core] = [(await proxy()) - ownBefore, (await busyOf(CORES.proxy)) - coreBefore]
  return { ...result, cpu: pid === undefined ? undefined : own, others: Math.max(0, core - own) }
}

function machine(): string {
  return `${cpus().length} cores, ${cpus()[0]?.model ?? 'unknown processor'}, Node ${process.version}`
}

function print(rows: readonly Row[], judged: readonly Judged[]): void {
  const number = (value: number, digits: number) => (Number.isNaN(value) ? '' : value.toFixed(digits))
  console.log(`${machine()}; ${CONNECTIONS} connections, ${rounds} rounds of ${seconds} s and ${seconds} s\n`)
  console.log(
    `| way | requests/s | CPU µs each | of the core | others | at ${rate}/s: CPU µs | p50 ms | p99 ms | others |\n| --- | --- | --- | --- | --- | --- | --- | --- | --- |`,
  )
  for (const row of rows) {
    const { lane, saturated, steady: fixed } = row
    const held = carries(row, rate) ? '' : ` (${fixed.rate.toFixed(0)}/s only)`
    const cells = [lane, number(saturated.perSecond, 0), number(saturated.cpuUs, 1), number(saturated.busy, 2), number(saturated.others, 2)]
    cells.push(`${number(fixed.cpuUs, 1)}${held}`, number(fixed.p50Ms, 2), number(fixed.p99Ms, 2), number(fixed.others, 2))
    console.log(`| ${cells.join(' | ')} |`)
  }
  if (judged.length === 0) return
  console.log('\n| target | at most | measured | |\n| --- | --- | --- | --- |')
  for (const { what, atMost, measured, met } of judged) {
    console.log(`| ${what} | ${atMost} | ${measured.toFixed(2)} | ${said(met)} |`)
  }
}

function said(met: boolean | undefined): string {
  if (met === undefined) return 'cannot be told: the rate was not carried'
  return met ? 'met' : '**missed**'
}

/**
 * The two kinds of load, both with 64 connections that stay open, on one core.
 *
 * wrk asks as fast as answers come, which shows what a request costs when there is no idle time to hide in. vegeta sends
 * at a fixed rate whatever the answers do: percentiles of a closed loop leave out the requests that a slow answer kept
 * from being sent. It is the one open-loop tool among those at hand that gives percentiles; h2load paces each
 * connection by its own answers. Headers go through files, since tokens have no place in a process's arguments.
 */
import { execFile } from 'node:child_process'
import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { locateForBench } from '../../test/real/parts/bench-programs.ts'

export interface LoadTarget {
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  /** Requests that take turns, in place of the one above; each has the headers above besides its own. */
  readonly turns?: ReadonlyArray<{ readonly path: string; readonly headers: Readonly<Record<string, string>> }>
}

export interface Saturated {
  readonly requests: number
  readonly seconds: number
  readonly p50Ms: number
  readonly p99Ms: number
}

export interface Steady {
  readonly requests: number
  readonly seconds: number
  /** Requests a second that were really sent: less than asked when all connections wait for answers. */
  readonly rate: number
  readonly p50Ms: number
  readonly p99Ms: number
}

export interface LoadOptions {
  /** A folder for the files of this run. */
  readonly folder: string
  readonly core: number
  readonly seconds: number
}

export const CONNECTIONS = 64

const run = promisify(execFile)

/** As much as the target answers. Throws when any answer is not 2xx, or a connection breaks. */
export async function saturate({ url, headers, turns }: LoadTarget, { folder, core, seconds }: LoadOptions): Promise<Saturated> {
  const script = join(folder, 'wrk.lua')
  const lines = Object.entries(headers).map(([name, value]) => `wrk.headers[${JSON.stringify(name)}] = ${JSON.stringify(value)}`)
  await writeFile(script, `${lines.join('\n')}\n${turns === undefined ? '' : taking(turns)}${REPORT}`, { mode: 0o600 })
  const args = ['-c', String(core), await locateForBench('wrk'), '-t1', `-c${CONNECTIONS}`, `-d${seconds}s`, '-s', script, url]
  const { stdout } = await run('taskset', args, { timeout: (seconds + 30) * 1_000 })
  const said = /^result (\{.*\})$/m.exec(stdout)?.[1]
  if (said === undefined) throw new Error(`wrk said nothing of use: ${stdout.slice(-500)}`)
  const { requests, us, failed, p50, p99 } = JSON.parse(said) as Record<'requests' | 'us' | 'failed' | 'p50' | 'p99', number>
  if (failed > 0 || requests === 0) throw new Error(`${failed} of ${requests} requests failed at ${new URL(url).host}`)
  return { requests, seconds: us / 1e6, p50Ms: p50 / 1e3, p99Ms: p99 / 1e3 }
}

/** Every request is written once, before the first is sent. */
function taking(turns: NonNullable<LoadTarget['turns']>): string {
  const text = (value: string) => JSON.stringify(value)
  const rows = turns.map(
    ({ path, headers }) =>
      `{${text(path)},{${Object.entries(headers)
        .map(([name, value]) => `[${text(name)}]=${text(value)}`)
        .join(',')}}}`,
  )
  // A function of Lua holds 65,536 constants at most.
  const chunks = Array.from({ length: Math.ceil(rows.length / 1_000) }, (_, at) => rows.slice(at * 1_000, (at + 1) * 1_000))
  const tables = chunks.map((chunk) => `;(function() for _, turn in ipairs({${chunk.join(',')}}) do add(turn) end end)()`)
  return `
local written, at = {}, 0
local turns = {}
local function add(turn) turns[#turns + 1] = turn end
${tables.join('\n')}
function init(args)
  for i, turn in ipairs(turns) do
    local headers = {}
    for name, value in pairs(wrk.headers) do headers[name] = value end
    for name, value in pairs(turn[2]) do headers[name] = value end
    written[i] = wrk.format("GET", turn[1], headers)
  end
end
function request()
  at = at % #written + 1
  return written[at]
end
`
}

const REPORT = `
function done(summary, latency, requests)
  local e = summary.errors
  io.write(string.format('result {"requests":%d,"us":%d,"failed":%d,"p50":%.1f,"p99":%.1f}\\n', summary.requests, summary.duration,
    e.connect + e.read + e.write + e.status + e.timeout, latency:percentile(50), latency:percentile(99)))
end
`

/** `rate` requests a second. Throws when any answer is not 200. */
export async function steady(
  { url, headers, turns = [{ path: '', headers: {} }] }: LoadTarget,
  rate: number,
  { folder, core, seconds }: LoadOptions,
): Promise<Steady> {
  const [targets, results] = [join(folder, 'vegeta.targets'), join(folder, 'vegeta.results')]
  const asked = turns.map(({ path, headers: own }) => {
    const lines = Object.entries({ ...headers, ...own }).map(([name, value]) => `${name}: ${value}\n`)
    return `GET ${path === '' ? url : new URL(path, url).href}\n${lines.join('')}`
  })
  await writeFile(targets, asked.join('\n'), { mode: 0o600 })
  const vegeta = await locateForBench('vegeta')
  const args = ['-c', String(core), vegeta, 'attack', '-format=http', `-targets=${targets}`, `-rate=${rate}/s`, `-duration=${seconds}s`]
  const bounds = [
    `-connections=${CONNECTIONS}`,
    `-max-connections=${CONNECTIONS}`,
    `-workers=${CONNECTIONS}`,
    `-max-workers=${CONNECTIONS}`,
  ]
  const environment = { env: { ...process.env, GOMAXPROCS: '1' }, timeout: (seconds + 60) * 1_000 }
  await run('taskset', [...args, ...bounds, '-redirects=-1', '-max-body=0', `-output=${results}`], environment)
  const { stdout } = await run(vegeta, ['report', '-type=json', results], environment)
  await rm(results)
  const report = JSON.parse(stdout) as VegetaReport
  const { requests, success, rate: sent, duration, latencies } = report
  if (success < 1)
    throw new Error(`answers of ${new URL(url).host}: ${JSON.stringify(report.status_codes)} ${report.errors.join('; ').slice(0, 300)}`)
  return { requests, seconds: duration / 1e9, rate: sent, p50Ms: latencies['50th'] / 1e6, p99Ms: latencies['99th'] / 1e6 }
}

interface VegetaReport {
  readonly requests: number
  readonly success: number
  readonly rate: number
  readonly duration: number
  readonly latencies: Readonly<Record<'50th' | '99th', number>>
  readonly status_codes: Readonly<Record<string, number>>
  readonly errors: readonly string[]
}

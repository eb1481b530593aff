/**
 * What routes cost: many of them, many tokens, a token's first sight, large bodies and the metrics page. Prints tables for
 * RESULTS.md.
 *
 *   node bench/routes/run.ts [--rounds 5] [--seconds 4] [--rate 2000]
 *
 * Needs `test/real/install bench` and two cores. Takes about five minutes.
 */
import { cpus } from 'node:os'
import { parseArgs } from 'node:util'
import { measureBigBodies } from './big-bodies.ts'
import { measureFirstSight } from './first-sight.ts'
import { measureManyRoutes } from './many-routes.ts'
import { measureMetricsPage } from './metrics-page.ts'

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    seconds: { type: 'string', default: '4' },
    rate: { type: 'string', default: '2000' },
  },
})
const rate = Number(values.rate)

console.log(`${cpus().length} cores, ${cpus()[0]?.model ?? 'unknown processor'}, Node ${process.version}\n`)
const row = (...cells: readonly string[]) => console.log(`| ${cells.join(' | ')} |`)

const { one, many } = await measureManyRoutes({
  rounds: Number(values.rounds),
  seconds: Number(values.seconds),
  rate,
  cores: { proxy: 0, load: 1 },
})
row('way', 'requests/s', 'CPU µs each', `at ${rate}/s: CPU µs`, 'p50 ms', 'p99 ms')
row(...Array.from({ length: 6 }, () => '---'))
for (const [name, { saturated, steady }] of [
  ['1 route, 1 token', one],
  ['1,000 routes, 10,000 tokens', many],
] as const)
  row(
    name,
    saturated.perSecond.toFixed(0),
    saturated.cpuUs.toFixed(1),
    steady.cpuUs.toFixed(1),
    steady.p50Ms.toFixed(2),
    steady.p99Ms.toFixed(2),
  )
const { bareUs, mandateUs } = await measureFirstSight(2_000)
console.log('')
row('what', 'target', 'measured')
row('---', '---', '---')
row('CPU a request with many against one', 'at most 1.05', (many.saturated.cpuUs / one.saturated.cpuUs).toFixed(3))
row(
  'the first sight of a token (RS256) against bare jose',
  'at most 1.5',
  `${(mandateUs / bareUs).toFixed(2)} (${mandateUs.toFixed(0)} µs against ${bareUs.toFixed(0)} µs)`,
)
const { upAdded, downAdded } = await measureBigBodies(1e9, 2)
row(
  'memory that 1 GB adds, up and down, the worst of two rounds',
  'at most 64 MB',
  `${(upAdded / 1e6).toFixed(0)} MB and ${(downAdded / 1e6).toFixed(0)} MB`,
)
const { bytes, series, renderedMs } = await measureMetricsPage()
row(`metrics page at 50 routes, ${series} series`, 'under 500 kB and 50 ms', `${(bytes / 1e3).toFixed(0)} kB, ${renderedMs.toFixed(0)} ms`)

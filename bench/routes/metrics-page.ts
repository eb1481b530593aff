/** Measures the metrics page at 50 routes with every series that plausibly comes about, and prints it as rows for RESULTS.md. */
import { fillMetrics } from '../../src/metrics.fake.ts'
import { createMetrics } from '../../src/metrics.ts'
import { median } from '../gateway/median.ts'

const ROUTES = 50
const ROUNDS = 25

export interface MetricsPage {
  readonly bytes: number
  readonly series: number
  /** Median time to render, in milliseconds, and that of the processor in it. */
  readonly renderedMs: number
  readonly processorMs: number
}

/** Renders it several times; the first ones, before the code is compiled, count as well. */
export async function measureMetricsPage(): Promise<MetricsPage> {
  const metrics = createMetrics()
  fillMetrics(metrics, ROUTES)
  const times: number[] = []
  const processor: number[] = []
  let body = ''
  for (let round = 0; round < ROUNDS; round += 1) {
    const before = process.cpuUsage()
    const began = performance.now()
    ;({ body } = await metrics.expose())
    times.push(performance.now() - began)
    const { user, system } = process.cpuUsage(before)
    processor.push((user + system) / 1000)
  }
  const series = body.split('\n').filter((line) => line !== '' && !line.startsWith('#')).length
  return { bytes: Buffer.byteLength(body), series, renderedMs: median(times), processorMs: median(processor) }
}

if (import.meta.main) {
  const { bytes, series, renderedMs, processorMs } = await measureMetricsPage()
  console.log('| what | target | measured |\n|---|---|---|')
  console.log(`| metrics page at ${ROUTES} routes, ${series} series | under 500 kB | ${(bytes / 1000).toFixed(0)} kB |`)
  console.log(`| rendering it, median of ${ROUNDS} | under 50 ms | ${renderedMs.toFixed(1)} ms (processor ${processorMs.toFixed(1)} ms) |`)
}

/** Runs the measurements of the gateway and prints them as a table for RESULTS.md. Takes about three minutes. */
import { cpus } from 'node:os'
import { measureLatency } from './latency.ts'
import { median } from './median.ts'
import { measureSizes } from './sizes.ts'
import { startSubject } from './subject.ts'
import { measureWatches } from './watches.ts'

const row = (what: string, target: string, measured: string) => console.log(`| ${what} | ${target} | ${measured} |`)
const ms = (value: number) => `${value.toFixed(2)} ms`
const kB = (bytes: number) => `${(bytes / 1000).toFixed(1)} kB`

console.log(
  `${new Date().toISOString().slice(0, 10)}, ${cpus().length} cores, ${cpus()[0]?.model ?? 'unknown processor'}, Node ${process.version}\n`,
)
console.log('| what | target | measured |\n|---|---|---|')

const ready: number[] = []
for (let i = 0; i < 5; i += 1) {
  const subject = await startSubject({ server: 'http://127.0.0.1:9', brokerToken: 'bench' })
  ready.push(subject.readyAfterMs)
  await subject.stop()
}
row('`mandate gateway` ready, median of 5', 'under 1 s', ms(median(ready)))

const { recordBytes, tokensRatio } = await measureSizes()
row('a login record in Redis, MEMORY USAGE', 'at most 1 kB', `${recordBytes} bytes`)
row('its tokens against their raw size', 'at most 1.15', tokensRatio.toFixed(3))

const { directP50Ms, cookieP50Ms, bearerP50Ms, callsPerRequest } = await measureLatency()
row('GET of one pod, direct, p50', '', ms(directP50Ms))
row(
  'the same by cookie: added at p50',
  'at most 1 ms',
  `${ms(cookieP50Ms - directP50Ms)} (ratio ${(cookieP50Ms / directP50Ms).toFixed(2)})`,
)
row(
  'the same by bearer: added at p50',
  'at most 1 ms',
  `${ms(bearerP50Ms - directP50Ms)} (ratio ${(bearerP50Ms / directP50Ms).toFixed(2)})`,
)
row("API calls for each request, by the API server's audit log", '1', callsPerRequest.toFixed(3))

for (const tls of [false, true]) {
  for (const state of ['cold', 'warm'] as const) {
    const { bytesEach, watches } = await measureWatches(2_000, tls, state)
    row(
      `${watches} watches, RSS each, ${tls ? 'TLS on both sides' : 'no TLS'}, ${state} gateway`,
      tls ? 'reported' : 'at most 40 kB',
      kB(bytesEach),
    )
  }
}

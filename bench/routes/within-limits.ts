/**
 * A gateway as it ships within the limits of a container: how much memory it takes, how often it is throttled, and how
 * long requests take. The limits are real: control groups of version 1, so root is needed.
 *
 *   npm run build && node bench/routes/within-limits.ts [--memory 128] [--cpu 0.2] [--tokens 500] [--node OPTION]
 */

import { randomUUID } from 'node:crypto'
import { mkdir, readFile, rmdir, writeFile } from 'node:fs/promises'
import { parseArgs } from 'node:util'
import { temporaryFolder } from '../../test/real/parts/process.ts'
import { startTrivialUpstream } from '../gateway/lanes.ts'
import { type LoadTarget, saturate, steady } from '../gateway/load.ts'
import { cpuOf, memoryOf } from '../gateway/proc.ts'
import { startSubject } from '../gateway/subject.ts'

const { values } = parseArgs({
  options: {
    memory: { type: 'string', default: '128' },
    cpu: { type: 'string', default: '0.2' },
    node: { type: 'string', multiple: true, default: [] },
    tokens: { type: 'string', default: '500' },
  },
})
const MIB = 1_048_576
const PERIOD_US = 100_000
const name = `mandate-bench-${process.pid}`
const groups = { memory: `/sys/fs/cgroup/memory/${name}`, cpu: `/sys/fs/cgroup/cpu/${name}` }

const numberIn = async (file: string) => Number(await readFile(file, 'utf8'))
const throttled = async () => Number(/^nr_throttled (\d+)$/m.exec(await readFile(`${groups.cpu}/cpu.stat`, 'utf8'))?.[1] ?? Number.NaN)

for (const folder of Object.values(groups)) await mkdir(folder)
await writeFile(`${groups.memory}/memory.limit_in_bytes`, String(Number(values.memory) * MIB))
await writeFile(`${groups.cpu}/cpu.cfs_period_us`, String(PERIOD_US))
await writeFile(`${groups.cpu}/cpu.cfs_quota_us`, String(Math.round(Number(values.cpu) * PERIOD_US)))
const folder = await temporaryFolder('within-limits')
const upstream = await startTrivialUpstream(1)
try {
  const subject = await startSubject({
    server: upstream.url,
    program: 'dist/main.js',
    node: values.node,
    groups: Object.values(groups),
    adapt: (config) => {
      delete config['clusters']
      config['routes'] = [{ match: { host: 'api.localhost', path: '/**' }, allow: { scopes: ['read'] }, upstream: upstream.url }]
    },
  })
  const pid = subject.process.pid ?? 0
  try {
    console.log(`${values.memory} MiB, ${values.cpu} CPU: ready after ${(subject.readyAfterMs / 1000).toFixed(1)} s\n`)
    console.log(
      '| load | requests/s | CPU | p50 ms | p99 ms | RSS MiB | group MiB, at most | throttled periods |\n| --- | --- | --- | --- | --- | --- | --- | --- |',
    )
    const port = new URL(subject.origin).port
    const turns = Array.from({ length: Number(values.tokens) }, () => ({
      path: '/api/v1/namespaces/bench/pods/web',
      headers: { Authorization: `Bearer ${subject.bearer({ scope: 'read', jti: randomUUID() })}` },
    }))
    const target: LoadTarget = { url: `http://127.0.0.1:${port}/`, headers: { Host: `api.localhost:${port}` }, turns }
    const visit = async (
      load: string,
      seconds: number,
      run: () => Promise<{ requests: number; seconds: number; p50Ms: number; p99Ms: number } | undefined>,
    ) => {
      const before = [await cpuOf(pid), await throttled()] as const
      const result = await run()
      const took = result?.seconds ?? seconds
      const cells = [
        load,
        result === undefined ? '' : (result.requests / took).toFixed(0),
        (((await cpuOf(pid)) - before[0]) / took).toFixed(3),
        result?.p50Ms.toFixed(1) ?? '',
        result?.p99Ms.toFixed(1) ?? '',
        ((await memoryOf(pid)).now / MIB).toFixed(0),
        ((await numberIn(`${groups.memory}/memory.max_usage_in_bytes`)) / MIB).toFixed(0),
        String((await throttled()) - before[1]),
      ]
      console.log(`| ${cells.join(' | ')} |`)
    }
    const options = { folder: folder.path, core: 1 }
    await visit('idle', 20, () => new Promise((resolve) => setTimeout(() => resolve(undefined), 20_000)))
    for (const rate of [10, 50, 100]) await visit(`${rate}/s`, 30, () => steady(target, rate, { ...options, seconds: 30 }))
    await visit('as much as it takes', 20, () => saturate(target, { ...options, seconds: 20 }))
    await visit('idle again', 20, () => new Promise((resolve) => setTimeout(() => resolve(undefined), 20_000)))
  } finally {
    await subject.stop()
  }
} finally {
  await upstream.stop()
  await folder.remove()
  for (const group of Object.values(groups)) await rmdir(group)
}

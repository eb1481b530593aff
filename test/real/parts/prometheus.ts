/** A real Prometheus on loopback, and promtool. */
import { execFile } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { stringify } from 'yaml'
import { ask } from './ask.ts'
import { locate } from './locate.ts'
import { startChild, temporaryFolder, withFreePorts } from './process.ts'

/** What it scrapes: the addresses (`127.0.0.1:9090`) by the name of their job. */
export type ScrapeJobs = Readonly<Record<string, readonly string[]>>

export interface PrometheusOptions {
  readonly jobs: ScrapeJobs
  /** Groups of rules as in a rules file; they are evaluated each second. */
  readonly groups?: readonly object[]
}

/** One series of an answer. */
export interface Sample {
  readonly labels: Readonly<Record<string, string>>
  /** NaN where Prometheus says so. */
  readonly value: number
}

export interface Target {
  readonly job: string
  readonly address: string
  readonly health: string
  readonly lastError: string
}

export interface RuleState {
  readonly name: string
  readonly health: string
  readonly lastError?: string
}

export interface Prometheus {
  readonly url: string
  /** Evaluates an expression now. Throws with Prometheus's own words when it takes it for wrong. */
  query(expression: string): Promise<readonly Sample[]>
  /** The values of a label over the series that a selector chooses, as a dashboard's choice asks for them. */
  labelValues(label: string, selector: string): Promise<readonly string[]>
  targets(): Promise<readonly Target[]>
  /** Every rule, and whether its last evaluation went well. */
  rules(): Promise<readonly RuleState[]>
  /** Ends it and removes its data. */
  stop(): Promise<void>
}

/** Starts one that scrapes each second. Throws an Error with its output when it does not start. */
export async function startPrometheus({ jobs, groups = [] }: PrometheusOptions): Promise<Prometheus> {
  const program = await locate('prometheus')
  const folder = await temporaryFolder('prometheus')
  const at = (name: string): string => join(folder.path, name)
  try {
    await writeFile(at('rules.yaml'), stringify({ groups }))
    await writeFile(at('prometheus.yaml'), stringify(configuration(jobs, at('rules.yaml'))))
    return await withFreePorts(1, async ([port = 0]) => {
      const url = `http://127.0.0.1:${port}`
      const child = await startChild({
        name: 'prometheus',
        program,
        args: [
          `--config.file=${at('prometheus.yaml')}`,
          `--storage.tsdb.path=${at(`data-${port}`)}`,
          `--web.listen-address=127.0.0.1:${port}`,
        ],
        ready: async (logs) => logs.includes('Server is ready to receive web requests') && (await ask(`${url}/-/ready`)).status === 200,
        readyWithin: 30_000,
      })
      return {
        ...api(url),
        url,
        async stop() {
          await child.stop()
          await folder.remove()
        },
      }
    })
  } catch (error) {
    await folder.remove()
    throw error
  }
}

function configuration(jobs: ScrapeJobs, rules: string): object {
  return {
    global: { scrape_interval: '1s', scrape_timeout: '1s', evaluation_interval: '1s' },
    rule_files: [rules],
    scrape_configs: Object.entries(jobs).map(([job, targets]) => ({ job_name: job, static_configs: [{ targets }] })),
  }
}

interface Vector {
  readonly resultType: 'vector' | 'scalar'
  readonly result: ReadonlyArray<{ readonly metric: Record<string, string>; readonly value: readonly [number, string] }>
}

interface ActiveTargets {
  readonly activeTargets: ReadonlyArray<{
    readonly labels: Readonly<Record<string, string>>
    readonly health: string
    readonly lastError: string
  }>
}

function api(url: string): Pick<Prometheus, 'query' | 'labelValues' | 'targets' | 'rules'> {
  const read = async <T>(path: string, parameters: Readonly<Record<string, string>> = {}): Promise<T> => {
    const { body } = await ask(`${url}/api/v1/${path}?${new URLSearchParams(parameters)}`)
    const answer = JSON.parse(body) as { status: string; error?: string; data: T }
    if (answer.status !== 'success') throw new Error(`Prometheus does not take ${JSON.stringify(parameters)}: ${answer.error}`)
    return answer.data
  }
  return {
    async query(expression) {
      const { resultType, result } = await read<Vector>('query', { query: expression })
      if (resultType !== 'vector') throw new Error(`${expression} gives a ${resultType}, not series`)
      return result.map(({ metric, value }) => ({ labels: metric, value: Number(value[1]) }))
    },
    labelValues: (label, selector) => read(`label/${label}/values`, { 'match[]': selector }),
    async targets() {
      const { activeTargets } = await read<ActiveTargets>('targets')
      return activeTargets.map(({ labels, health, lastError }) => ({
        job: labels['job'] ?? '',
        address: labels['instance'] ?? '',
        health,
        lastError,
      }))
    },
    async rules() {
      const { groups } = await read<{ groups: ReadonlyArray<{ rules: readonly RuleState[] }> }>('rules')
      return groups.flatMap(({ rules }) => rules)
    },
  }
}

/** What promtool said; both of its streams together. */
export interface Checked {
  readonly code: number
  readonly output: string
}

/** Runs promtool in a folder; `input` goes to its standard input. Any exit code is an answer. */
export async function promtool(args: readonly string[], { cwd, input }: { cwd?: string; input?: string } = {}): Promise<Checked> {
  const program = await locate('promtool')
  return new Promise((resolve) => {
    const child = execFile(program, args, { timeout: 240_000, ...(cwd === undefined ? {} : { cwd }) }, (error, stdout, stderr) =>
      resolve({ code: error === null ? 0 : typeof error.code === 'number' ? error.code : 1, output: stdout + stderr }),
    )
    // Whoever reads none of it closes its end.
    child.stdin?.on('error', () => undefined)
    child.stdin?.end(input ?? '')
  })
}

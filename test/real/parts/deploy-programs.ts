/** The programs that read what `deploy/` has: helm, terraform and hcl2json, and the operator's resource definitions. */
import { spawn } from 'node:child_process'
import { access } from 'node:fs/promises'
import { join } from 'node:path'
import type { Finished } from './kubectl.ts'
import { cacheFolder, pinned } from './locate.ts'
import { temporaryFolder } from './process.ts'

export interface RunOptions {
  readonly cwd?: string
  /** What it reads on standard input. */
  readonly input?: string
  /** Added to this process's environment. */
  readonly env?: Readonly<Record<string, string>>
}

/** Runs a program to its end, two minutes at most. Any exit code is an answer; throws only when it cannot be run. */
export function run(program: string, args: readonly string[], { cwd, input = '', env = {} }: RunOptions = {}): Promise<Finished> {
  const child = spawn(program, args, { cwd, env: { ...process.env, ...env }, stdio: 'pipe', timeout: 120_000 })
  let [stdout, stderr] = ['', '']
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text
  })
  // It may end without reading what it was given.
  child.stdin.on('error', () => {})
  child.stdin.end(input)
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code) => resolve({ code: code ?? 1, stdout, stderr }))
  })
}

/** Path of the helm that test/real/install built. Throws when it is not there. */
export const locateHelm = (): Promise<string> => built('helm', 'HELM_VERSION')

/** Runs helm to its end. The machine's own settings, plugins and repositories do not matter. */
export async function helm(args: readonly string[], options: RunOptions = {}): Promise<Finished> {
  const home = await temporaryFolder('helm')
  const own = Object.fromEntries(['CACHE', 'CONFIG', 'DATA'].map((what) => [`HELM_${what}_HOME`, join(home.path, what)]))
  // Without a cluster given none is asked, whatever kubeconfig the machine has.
  const env = { KUBECONFIG: join(home.path, 'none'), ...own, ...options.env }
  try {
    return await run(await locateHelm(), args, { ...options, env })
  } finally {
    await home.remove()
  }
}

/** Runs terraform to its end: the built one, else that of PATH, as test/real/install chose. */
export async function terraform(args: readonly string[], options: RunOptions = {}): Promise<Finished> {
  const program = await built('terraform', 'TERRAFORM_VERSION').catch(() => 'terraform')
  const home = await temporaryFolder('terraform')
  const env = { CHECKPOINT_DISABLE: '1', TF_DATA_DIR: home.path, ...options.env }
  try {
    return await run(program, args, { ...options, env })
  } finally {
    await home.remove()
  }
}

/** An HCL file as JSON: blocks as lists, expressions as `${...}`. Throws when it does not parse. */
export async function parseHcl(path: string): Promise<unknown> {
  const { code, stdout, stderr } = await run(await built('hcl2json', 'HCL_JSON_VERSION'), [path])
  if (code !== 0) throw new Error(`${path} does not parse: ${stderr}`)
  return JSON.parse(stdout)
}

/** The folder with the resource definitions of ServiceMonitor and PrometheusRule. */
export async function operatorDefinitions(): Promise<string> {
  return cacheFolder('operator-crds', await pinned('OPERATOR_VERSION'))
}

async function built(name: string, version: string): Promise<string> {
  const path = join(cacheFolder(name, await pinned(version)), name)
  await access(path).catch(() => {
    throw new Error(`${name} is not on this machine: run test/real/install`)
  })
  return path
}

/**
 * Reads `mandate.yaml`, checks it whole and freezes it. Every fault is reported at once, each with its path, what was
 * wrong and the mend. A configuration that is unsafe does not load; `advice.ts` holds what is legal but unwise.
 */
import { readFile } from 'node:fs/promises'
import { LineCounter, parseDocument } from 'yaml'
import type { z } from 'zod'
import type { ClusterConfig } from './cluster.ts'
import type { ProviderConfig } from './provider.ts'
import { configSchema, type RawConfig } from './schema.ts'
import { unsafe } from './unsafe.ts'

export interface Fault {
  /** Where: keys joined by dots, as one would find them in the file. */
  readonly path: string
  readonly problem: string
  readonly mend: string
}

export type Config = Readonly<Omit<RawConfig, 'providers' | 'clusters'>> & {
  readonly providers: Readonly<Record<string, ProviderConfig>>
  readonly clusters: Readonly<Record<string, ClusterConfig>>
}

/** All the faults of one configuration. Its message lists them, a line each. */
export class ConfigFaulty extends Error {
  override readonly name = 'ConfigFaulty'
  readonly code = 'config_faulty'
  readonly faults: readonly Fault[]

  constructor(faults: readonly Fault[]) {
    super(faults.map((fault) => `${fault.path || '(whole file)'}: ${fault.problem}. Mend: ${fault.mend}.`).join('\n'))
    this.faults = faults
  }
}

/** Loads a file. Throws ConfigFaulty, also when the file cannot be read. */
export async function loadConfig(path: string): Promise<Config> {
  let source: string
  try {
    source = await readFile(path, 'utf8')
  } catch {
    throw new ConfigFaulty([{ path, problem: 'the file cannot be read', mend: 'give an existing file with --config' }])
  }
  return parseConfig(source)
}

/** Parses configuration text (YAML 1.2, so JSON as well). Throws ConfigFaulty with every fault found. */
export function parseConfig(source: string): Config {
  const lines = new LineCounter()
  const document = parseDocument(source, { lineCounter: lines, uniqueKeys: true })
  if (document.errors.length > 0) {
    throw new ConfigFaulty(
      document.errors.map((error) => {
        const at = lines.linePos(error.pos[0])
        return { path: `line ${at.line}, column ${at.col}`, problem: `not valid YAML (${error.code.toLowerCase()})`, mend: 'correct the syntax there' }
      }),
    )
  }
  return checkConfig(document.toJS())
}

/** Checks an already parsed value: the entry for configuration that is built in code. */
export function checkConfig(value: unknown): Config {
  const parsed = configSchema.safeParse(value)
  if (!parsed.success) throw new ConfigFaulty(parsed.error.issues.flatMap((issue) => faultsOf(issue)))
  const config = complete(parsed.data)
  const faults = unsafe(config)
  if (faults.length > 0) throw new ConfigFaulty(faults)
  return deepFreeze(config)
}

function complete(raw: RawConfig): Config {
  const providers = Object.entries(raw.providers).map(([name, provider]): [string, ProviderConfig] => [
    name,
    // For access tokens without an audience `unsafe` reports the fault; '' never equals an aud.
    { ...provider, name, audience: provider.audience ?? (provider.accept === 'id-token' ? provider.clientId : ''), prefix: provider.kubernetes.prefix ?? `${name}:` },
  ])
  const clusters = Object.entries(raw.clusters).map(([name, cluster]): [string, ClusterConfig] => [name, { ...cluster, name }])
  return { ...raw, providers: Object.fromEntries(providers), clusters: Object.fromEntries(clusters) }
}

function faultsOf(issue: z.core.$ZodIssue): Fault[] {
  const path = issue.path.map(String).join('.')
  const below = (key: string) => (path === '' ? key : `${path}.${key}`)
  switch (issue.code) {
    case 'unrecognized_keys':
      return issue.keys.map((key) => ({ path: below(key), problem: 'is not a key that Mandate knows', mend: 'remove it, or correct its spelling (docs/reference/config.md lists all keys)' }))
    case 'invalid_type':
      return [
        'input' in issue && issue.input !== undefined
          ? { path, problem: `is not of the type ${issue.expected}`, mend: `write a value of the type ${issue.expected}` }
          : { path, problem: issue.message.includes('undefined') ? 'is missing' : `is not of the type ${issue.expected}`, mend: `give a value of the type ${issue.expected}` },
      ]
    case 'invalid_value':
      return [{ path, problem: 'is not one of the values it may have', mend: `use one of ${issue.values.map(String).join(', ')}` }]
    case 'custom':
      return [{ path, problem: issue.message, mend: typeof issue.params?.['mend'] === 'string' ? issue.params['mend'] : 'correct it as described' }]
    default:
      return [{ path, problem: issue.message, mend: 'write a value of that form' }]
  }
}

function deepFreeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value)
    for (const inner of Object.values(value)) deepFreeze(inner)
  }
  return value
}

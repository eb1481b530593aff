/**
 * Reads `mandate.yaml`, checks it whole and freezes it. Every fault is reported at once, each with its path, what was
 * wrong and the mend. A configuration that is unsafe does not load; `advice.ts` holds what is legal but unwise.
 */
import { readFile, stat } from 'node:fs/promises'
import { asWritten, emptyClaims, emptyLimits, numbersReadOtherwise, routeNamesOf } from './as-written.ts'
import type { BrokerConfig } from './broker.ts'
import type { ClusterConfig } from './cluster.ts'
import { ConfigFaulty, type Fault, faultsOf, unknownKey } from './faults.ts'
import { keysAt } from './known-keys.ts'
import { parseYaml, parseYamlAsText } from './parse-yaml.ts'
import type { ProviderConfig } from './provider.ts'
import { completeProvider } from './providers.ts'
import { namedRoutes, type RouteConfig } from './route.ts'
import { configSchema, type RawConfig } from './schema.ts'
import { unsafe } from './unsafe.ts'

export type Config = Readonly<Omit<RawConfig, 'providers' | 'clusters' | 'brokered' | 'routes'>> & {
  readonly providers: Readonly<Record<string, ProviderConfig>>
  readonly clusters: Readonly<Record<string, ClusterConfig>>
  readonly brokered: Readonly<Record<string, BrokerConfig>>
  readonly routes: readonly RouteConfig[]
}

const LARGEST_FILE = 1_000_000

/** Loads a file. Throws ConfigFaulty, also when the file cannot be read. */
export async function loadConfig(path: string): Promise<Config> {
  const about = (problem: string, mend: string) => new ConfigFaulty([{ path, problem, mend }])
  const found = await stat(path).catch(() => undefined)
  if (found === undefined) throw about('the file cannot be read', 'give an existing file with --config')
  if (found.isDirectory()) throw about('is a directory', 'give the file within it')
  // Devices and pipes say size 0, so what was read is measured as well.
  if (found.size > LARGEST_FILE) throw about('is larger than 1 MB', 'give the configuration, not another file')
  const source = await readFile(path, 'utf8').catch(() => {
    throw about('the file cannot be read', 'make it readable to this user')
  })
  return parseConfig(source)
}

/** Parses configuration text (YAML 1.2, so JSON as well). Throws ConfigFaulty with every fault found. */
export function parseConfig(source: string): Config {
  if (source.length > LARGEST_FILE)
    throw new ConfigFaulty([{ path: '', problem: 'is larger than 1 MB', mend: 'give the configuration, not another file' }])
  return check(parseYaml(source), () => parseYamlAsText(source))
}

/**
 * Checks an already parsed value: the entry for configuration that is built in code. Rules over several keys are
 * applied once each key by itself is right, because they could not be judged before.
 */
export function checkConfig(value: unknown): Config {
  return check(value, undefined)
}

function check(value: unknown, asText: (() => unknown) | undefined): Config {
  const parsed = readForm(value)
  const hidden = [...hiddenKeys(value), ...emptyClaims(value), ...(asText === undefined ? [] : numbersReadOtherwise(value, asText))]
  const names = routeNamesOf(value)
  if (!parsed.success) {
    const faults = faultsOf(parsed.error.issues, { root: value, keysAt: (path) => keysAt(configSchema, value, path) })
    throw new ConfigFaulty([...faults, ...hidden.filter(({ path }) => !faults.some((fault) => fault.path === path))], names)
  }
  if (hidden.length > 0) throw new ConfigFaulty(hidden, names)
  const config = complete(parsed.data)
  const faults = [...unsafe(config).map((fault) => asWritten(fault, value)), ...emptyLimits(value)]
  if (faults.length > 0) throw new ConfigFaulty(faults, names)
  return deepFreeze(config)
}

/** Objects without a prototype, which no file holds, can make a check of the library fail rather than say no. */
function readForm(value: unknown) {
  try {
    return configSchema.safeParse(value)
  } catch {
    throw new ConfigFaulty([
      { path: '', problem: 'holds what is no plain data', mend: 'make it of objects, lists, text, numbers and booleans' },
    ])
  }
}

/** Names of providers and clusters, and keys of what is brokered and of routes, that zod leaves out of a record without a word. */
function hiddenKeys(value: unknown): Fault[] {
  const named = ['providers', 'clusters'].filter((section) => hides(own(value, section)))
  const deep = ['brokered', 'routes'].flatMap((section) => hiddenBelow(own(value, section), [section], new Set()))
  return [...named.map((section) => unknownKey([section, '__proto__'])), ...deep]
}

function hides(value: unknown): boolean {
  return typeof value === 'object' && value !== null && Object.hasOwn(value, '__proto__')
}

/** Schemas and templates are groups of any keys, as deep as one likes. */
function hiddenBelow(value: unknown, path: readonly string[], seen: Set<unknown>): Fault[] {
  if (typeof value !== 'object' || value === null || seen.has(value)) return []
  seen.add(value)
  const inner = Object.keys(value).flatMap((key) => (key === '__proto__' ? [] : hiddenBelow(own(value, key), [...path, key], seen)))
  return hides(value) ? [unknownKey([...path, '__proto__']), ...inner] : inner
}

function own(value: unknown, key: string): unknown {
  return typeof value === 'object' && value !== null ? Object.getOwnPropertyDescriptor(value, key)?.value : undefined
}

function complete(raw: RawConfig): Config {
  const ruleClaims = [...new Set(raw.routes.flatMap(({ allow }) => allow.flatMap(({ claims = {} }) => Object.keys(claims))))]
  const providers = Object.entries(raw.providers).map(([name, provider]): [string, ProviderConfig] => [
    name,
    completeProvider(name, provider, ruleClaims),
  ])
  const clusters = Object.entries(raw.clusters).map(([name, cluster]): [string, ClusterConfig] => [name, { ...cluster, name }])
  const brokered = Object.entries(raw.brokered).map(([name, broker]): [string, BrokerConfig] => [name, { ...broker, name }])
  return {
    ...raw,
    providers: Object.fromEntries(providers),
    clusters: Object.fromEntries(clusters),
    brokered: Object.fromEntries(brokered),
    routes: namedRoutes(raw.routes),
  }
}

function deepFreeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value)
    for (const inner of Object.values(value)) deepFreeze(inner)
  }
  return value
}

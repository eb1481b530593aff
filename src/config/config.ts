/**
 * Reads `mandate.yaml`, checks it whole and freezes it. Every fault is reported at once, each with its path, what was
 * wrong and the mend. A configuration that is unsafe does not load; `advice.ts` holds what is legal but unwise.
 */
import { readFile, stat } from 'node:fs/promises'
import type { BrokerConfig } from './broker.ts'
import type { ClusterConfig } from './cluster.ts'
import { asWritten, emptyClaims, emptyLimits, numbersReadOtherwise } from './faults/as-written.ts'
import { ConfigFaulty, type Fault, faultsOf, type RouteNames, unknownKey } from './faults/faults.ts'
import { keysAt } from './faults/known-keys.ts'
import { located, placesIn, rememberPlaces } from './faults/places.ts'
import { routeNamesOf } from './faults/route-names.ts'
import { inBoth, notSet, type StandIn, standingIn, unsetIn } from './faults/unset-variables.ts'
import { parseYaml, parseYamlAsText } from './parse-yaml.ts'
import type { ProviderConfig } from './provider.ts'
import { completeProvider } from './providers.ts'
import { systemCode } from './references.ts'
import { namedRoutes, type RouteConfig } from './route.ts'
import { configSchema, type RawConfig } from './schema.ts'
import { unsafe } from './unsafe/unsafe.ts'

export type Config = Readonly<Omit<RawConfig, 'providers' | 'clusters' | 'brokered' | 'routes'>> & {
  readonly providers: Readonly<Record<string, ProviderConfig>>
  readonly clusters: Readonly<Record<string, ClusterConfig>>
  readonly brokered: Readonly<Record<string, BrokerConfig>>
  readonly routes: readonly RouteConfig[]
}

const LARGEST_FILE = 1_000_000

/** How a configuration is read. */
export interface Reading {
  /** With something else in the place of text from variables that are not set: to be judged, not to be run. */
  readonly withoutVariables?: StandIn
  /** How faults name the file. */
  readonly file?: string
}

/** Loads a file. Throws ConfigFaulty, also when the file cannot be read. */
export async function loadConfig(path: string): Promise<Config> {
  return parseConfig(await sourceOf(path), { file: path })
}

/** Loads a file to judge it without the variables that are not set: with one thing in their place, and with another. */
export async function loadWithoutVariables(path: string): Promise<readonly [Config, Config]> {
  const source = await sourceOf(path)
  const reading = { file: path }
  return [parseConfig(source, { ...reading, withoutVariables: 'one' }), parseConfig(source, { ...reading, withoutVariables: 'other' })]
}

async function sourceOf(path: string): Promise<string> {
  const about = (problem: string, mend: string) => new ConfigFaulty([{ code: 'unreadable', path, problem, mend }])
  const found = await stat(path).catch((error: unknown) => {
    throw about(`the file cannot be read${systemCode(error)}`, 'give an existing file with --config')
  })
  if (found.isDirectory()) throw about('is a directory', 'give the file within it')
  // Devices and pipes say size 0, so what was read is measured as well.
  if (found.size > LARGEST_FILE) throw about('is larger than 1 MB', 'give the configuration, not another file')
  return await readFile(path, 'utf8').catch((error: unknown) => {
    throw about(`the file cannot be read${systemCode(error)}`, 'make it readable to this user')
  })
}

/** Parses configuration text (YAML 1.2, so JSON as well). Throws ConfigFaulty with every fault found. */
export function parseConfig(source: string, reading?: Reading): Config {
  if (source.length > LARGEST_FILE)
    throw new ConfigFaulty([
      { code: 'unreadable', path: '', problem: 'is larger than 1 MB', mend: 'give the configuration, not another file' },
    ])
  const places = placesIn(source)
  const config = located(places, reading?.file, () => check(parseYaml(source), () => parseYamlAsText(source), reading))
  rememberPlaces(config, places)
  return config
}

/**
 * Checks an already parsed value: the entry for configuration that is built in code. Rules over several keys are
 * applied once each key by itself is right, because they could not be judged before.
 */
export function checkConfig(value: unknown, reading?: Reading): Config {
  return check(value, undefined, reading)
}

function check(value: unknown, asText: (() => unknown) | undefined, { withoutVariables }: Reading = {}): Config {
  const one = judge(value, asText, withoutVariables ?? 'one')
  const other = one.unset.length === 0 ? one : judge(value, asText, withoutVariables === 'other' ? 'one' : 'other')
  const told = withoutVariables === undefined ? one.unset : []
  const faults = [...told, ...(one === other ? one.faults : inBoth(one.faults, other.faults))]
  const config = one.config ?? other.config
  if (faults.length > 0 || config === undefined) throw new ConfigFaulty(faults, one.names)
  return deepFreeze(config)
}

interface Judged {
  /** Present when it has the form of a configuration, safe or not. */
  readonly config?: Config
  /** Faults of variables that are not set, and the others. */
  readonly unset: readonly Fault[]
  readonly faults: readonly Fault[]
  readonly names: RouteNames
}

/** Judges a value, with something in the place of the variables that are not set. */
function judge(value: unknown, asText: (() => unknown) | undefined, which: StandIn): Judged {
  const parsed = readForm(value)
  const hidden = [...hiddenKeys(value), ...emptyClaims(value), ...(asText === undefined ? [] : numbersReadOtherwise(value, asText))]
  const names = routeNamesOf(value)
  if (!parsed.success) {
    const missing = unsetIn(parsed.error.issues)
    if (missing.length > 0) {
      const rest = judge(standingIn(value, missing, which), asText, which)
      return { ...rest, unset: [...missing.map(notSet), ...rest.unset] }
    }
    const faults = faultsOf(parsed.error.issues, { root: value, keysAt: (path) => keysAt(configSchema, value, path) })
    return { faults: [...faults, ...hidden.filter(({ path }) => !faults.some((fault) => fault.path === path))], unset: [], names }
  }
  if (hidden.length > 0) return { faults: hidden, unset: [], names }
  const config = complete(parsed.data)
  return { config, faults: [...unsafe(config).map((fault) => asWritten(fault, value)), ...emptyLimits(value)], unset: [], names }
}

/** Objects without a prototype, which no file holds, can make a check of the library fail rather than say no. */
function readForm(value: unknown) {
  try {
    return configSchema.safeParse(value)
  } catch {
    throw new ConfigFaulty([
      {
        code: 'wrong_type',
        path: '',
        problem: 'holds what is no plain data',
        mend: 'make it of objects, lists, text, numbers and booleans',
      },
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

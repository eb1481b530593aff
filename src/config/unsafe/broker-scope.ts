/** One operation as its faults are looked for: what its expressions may name, which kinds there are, and how a fault is told. */
import type { BrokerConfig, KindConfig, OperationConfig, WriteConfig } from '../broker.ts'
import type { Denied } from '../deny-list.ts'
import type { Fault } from '../faults/faults.ts'

export interface Scope {
  readonly broker: BrokerConfig
  readonly operation: OperationConfig
  /** Names of the parameters of the path. */
  readonly parameters: ReadonlySet<string>
  /** Objects that were read before what is looked at, by their names. */
  readonly given: ReadonlySet<string>
  /** Steps before what is looked at, by their names. */
  readonly written: ReadonlyMap<string, WriteConfig>
}

/** What Mandate writes besides the kinds that are configured. */
export const SECRET: KindConfig = { group: '', version: 'v1', resource: 'secrets', kind: 'Secret', namespaced: true }
export const SERVICE_ACCOUNT: KindConfig = {
  group: '',
  version: 'v1',
  resource: 'serviceaccounts',
  kind: 'ServiceAccount',
  namespaced: true,
}

/** The scope of an operation before anything of it was read or written. */
export function scopeOf(broker: BrokerConfig, operation: OperationConfig): Scope {
  return { broker, operation, parameters: new Set(parametersOf(operation.match.path)), given: new Set(), written: new Map() }
}

/** The parameters of a path in their order; one that stands there twice comes twice. */
export function parametersOf(path: string): string[] {
  return path
    .split('/')
    .filter((segment) => segment.startsWith('{'))
    .map((segment) => segment.slice(1, -1))
}

/** The kind of that name, unless it is not configured. */
export function kindNamed({ kinds }: BrokerConfig, name: string): KindConfig | undefined {
  return Object.hasOwn(kinds, name) ? kinds[name] : undefined
}

/** What a step writes to; undefined when its kind is not configured. */
export function kindOfStep(broker: BrokerConfig, step: WriteConfig): KindConfig | undefined {
  return step.do === 'token' ? SERVICE_ACCOUNT : kindNamed(broker, step.kind)
}

/** `resource.group`, as `rightsOpen` names kinds. */
export function kindText({ group, resource }: Pick<KindConfig, 'group' | 'resource'>): string {
  return group === '' ? resource : `${resource}.${group}`
}

/** True when the configuration lifts an entry of the deny-list. */
export function isLifted({ deniedOpen }: BrokerConfig, entry: Denied): boolean {
  return deniedOpen.includes(entry)
}

/** The fault of what only `deniedOpen` could allow. */
export function deniedFault(path: string, what: string, entry: Denied): Fault {
  return { path, problem: `${what}, which is on the deny-list`, mend: `remove it, or lift it by deniedOpen: [${entry}] and nothing less` }
}

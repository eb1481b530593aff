/**
 * Faults of where a step or a read goes: its kind, its namespace and its name.
 *
 * Security: a namespace is one of those the broker works in, and none in which the cluster's own parts live. What stands in
 * so many words is seen here; what is computed is looked at with each request.
 */
import type { BrokerConfig, Computed, KindConfig } from '../broker.ts'
import { isNamespaceKind, isSystemNamespace } from '../deny-list.ts'
import type { Fault } from '../faults/faults.ts'
import { type Place, textFaults } from './broker-expressions.ts'
import { deniedFault, isLifted, kindNamed, type Scope } from './broker-scope.ts'

export interface Named {
  readonly kind: string
  readonly namespace?: Computed | undefined
  readonly name?: Computed | undefined
}

/** The faults of an object's kind, namespace and name. */
export function objectFaults(named: Named, path: string, place: Place, scope: Scope): Fault[] {
  const kind = kindNamed(scope.broker, named.kind)
  return [
    ...(kind === undefined ? [unknownKind(`${path}.kind`)] : placeFaults(kind, named.namespace, path)),
    ...(named.namespace === undefined ? [] : namespaceFaults(named.namespace, `${path}.namespace`, scope)),
    ...(named.name === undefined ? [] : nameFaults(named.name, `${path}.name`, place, scope)),
    ...namespaceObjectFaults(kind, named.name, path, scope.broker),
  ]
}

export function unknownKind(path: string): Fault {
  return { path, problem: 'is not one of kinds', mend: 'name a kind that kinds has' }
}

function placeFaults({ namespaced }: KindConfig, namespace: Computed | undefined, path: string): Fault[] {
  if (namespaced === (namespace !== undefined)) return []
  return [
    namespaced
      ? { path: `${path}.namespace`, problem: 'is missing', mend: 'say in which namespace, or have the kind say namespaced: false' }
      : { path: `${path}.namespace`, problem: 'stands by a kind that is in no namespace', mend: 'remove it' },
  ]
}

/** The faults of a namespace, computed or literal. */
export function namespaceFaults(namespace: Computed, path: string, scope: Scope): Fault[] {
  const faults = textFaults(namespace, path, 'a namespace', scope)
  const literal = literalOf(namespace)
  if (literal === undefined) return faults
  if (!/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/.test(literal))
    return [...faults, { path, problem: 'is no name that a namespace can have', mend: 'write a namespace' }]
  return boundsFaults(scope.broker, literal, path)
}

function boundsFaults(broker: BrokerConfig, namespace: string, path: string): Fault[] {
  const system = systemNamespaceFaults(broker, namespace, path)
  if (system.length > 0 || broker.namespaces === '*' || broker.namespaces.includes(namespace)) return system
  return [{ path, problem: 'is not one of namespaces', mend: 'add it there, or write one of those' }]
}

/** The fault of a namespace of the cluster's own parts, unless those are lifted. */
export function systemNamespaceFaults(broker: BrokerConfig, namespace: string, path: string): Fault[] {
  if (!isSystemNamespace(namespace) || isLifted(broker, 'system-namespaces')) return []
  return [deniedFault(path, "is a namespace of the cluster's own parts", 'system-namespaces')]
}

/** The text that stands there in so many words; undefined for what is computed. */
function literalOf(value: Computed | undefined): string | undefined {
  return typeof value === 'string' ? value : undefined
}

/** A namespace can be an object as well, and is bounded by the same list. */
function namespaceObjectFaults(kind: KindConfig | undefined, name: Computed | undefined, path: string, broker: BrokerConfig): Fault[] {
  const literal = literalOf(name)
  if (kind === undefined || !isNamespaceKind(kind) || literal === undefined) return []
  return boundsFaults(broker, literal, `${path}.name`)
}

/** The faults of the name of an object, computed or literal. */
export function nameFaults(name: Computed, path: string, place: Place, scope: Scope): Fault[] {
  const literal = literalOf(name)
  if (literal !== undefined && !/^[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?$/.test(literal))
    return [
      { path, problem: 'is no name that an object can have', mend: 'write lower-case letters, digits, hyphens and dots, at most 253' },
    ]
  return textFaults(name, path, place, scope)
}

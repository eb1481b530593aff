/**
 * Faults of kinds: what is said of them that is not so.
 *
 * Security: `namespaces` bounds what lies in namespaces. A kind that is said to lie in none is asked about and written without
 * one, so that a list or a name of it would reach past that bound.
 */
import type { BrokerConfig } from '../broker.ts'
import { isNamespaceKind } from '../deny-list.ts'
import type { Fault } from '../faults/faults.ts'

/** Kubernetes' own kinds in namespaces, by their group; '*' for all of a group. */
const IN_NAMESPACES: Readonly<Record<string, readonly string[] | '*'>> = {
  '': [
    'configmaps',
    'endpoints',
    'events',
    'limitranges',
    'persistentvolumeclaims',
    'pods',
    'podtemplates',
    'replicationcontrollers',
    'resourcequotas',
    'secrets',
    'serviceaccounts',
    'services',
  ],
  apps: '*',
  autoscaling: '*',
  batch: '*',
  'coordination.k8s.io': ['leases'],
  'networking.k8s.io': ['ingresses', 'networkpolicies'],
  policy: ['poddisruptionbudgets'],
  'rbac.authorization.k8s.io': ['rolebindings', 'roles'],
}

/** The faults of all kinds of a broker. */
export function kindsFaults({ kinds }: BrokerConfig, at: string): Fault[] {
  return Object.entries(kinds).flatMap(([name, { group, resource, namespaced }]): Fault[] => {
    const known = Object.hasOwn(IN_NAMESPACES, group) ? IN_NAMESPACES[group] : undefined
    if (namespaced || known === undefined || (known !== '*' && !known.includes(resource))) return []
    return [{ path: `${at}.kinds.${name}.namespaced`, problem: 'is false, and the kind is in namespaces', mend: 'remove it' }]
  })
}

/** Advice on the kinds that operations work with and `namespaces` says nothing of. */
export function kindsAdvice({ kinds, operations }: BrokerConfig, at: string): Fault[] {
  const used = new Set(
    operations.flatMap(({ given, asUser, writes = [] }) => [
      ...Object.values(given).map(({ kind }) => kind),
      ...(asUser === undefined ? [] : [asUser.kind]),
      ...writes.flatMap((step) => (step.do === 'token' ? [] : [step.kind])),
    ]),
  )
  return Object.entries(kinds)
    .filter(([name, kind]) => used.has(name) && !kind.namespaced && !isNamespaceKind(kind))
    .map(([name]) => ({
      path: `${at}.kinds.${name}`,
      problem: 'is in no namespace: `namespaces` does not bound it',
      mend: 'remove it unless an operation is for all namespaces',
    }))
}

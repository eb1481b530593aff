/**
 * Faults of reviews that stand for a write: a question that the API server could not answer for that write.
 *
 * Security: the review is made in the namespace of the write and nowhere else, so its kind must lie as the write's does. And
 * what it names must be looked at: a create is asked about without a name, and one object is never meant by none.
 */
import type { KindConfig, ReviewConfig } from '../broker.ts'
import type { Fault } from '../faults/faults.ts'
import { nameFaults, unknownKind } from './broker-objects.ts'
import { deniedFault, isLifted, kindNamed, type Scope } from './broker-scope.ts'

/** Verbs of requests for one object, and of those for many. */
const OF_ONE = new Set(['get', 'update', 'patch', 'delete'])
const OF_MANY = new Set(['list', 'watch', 'deletecollection'])

/** What one may do oneself, and who one is: every cluster has a role by which all who are known may ask that. */
const OF_EVERYBODY = new Set(['authorization.k8s.io', 'authentication.k8s.io'])

/** The faults of a review by which a write to `written` goes; `written` is undefined when its kind is not configured. */
export function reviewFaults(review: ReviewConfig, written: KindConfig | undefined, path: string, scope: Scope): Fault[] {
  const kind = kindNamed(scope.broker, review.kind)
  const faults = kind === undefined ? [unknownKind(`${path}.kind`)] : kindFaults(kind, written, review, path, scope)
  return [...faults, ...namedFaults(review, path, scope)]
}

function kindFaults(kind: KindConfig, written: KindConfig | undefined, review: ReviewConfig, path: string, scope: Scope): Fault[] {
  const faults: Fault[] = []
  if (written !== undefined && kind.namespaced !== written.namespaced) {
    faults.push({
      path: `${path}.kind`,
      problem: `is ${kind.namespaced ? 'in namespaces and what is written is not' : 'in no namespace and what is written is in one'}`,
      mend: 'review a kind that lies where the write goes',
    })
  }
  if (OF_EVERYBODY.has(kind.group))
    faults.push({
      path: `${path}.kind`,
      problem: `is of ${kind.group}, which is granted to everybody`,
      mend: 'review a kind that roles grant',
    })
  const opensNodes = kind.group === '' && kind.resource === 'nodes' && review.subresource === 'proxy'
  if (opensNodes && !isLifted(scope.broker, 'nodes/proxy')) faults.push(deniedFault(`${path}.subresource`, 'is nodes/proxy', 'nodes/proxy'))
  return faults
}

function namedFaults({ verb, name, subresource }: ReviewConfig, path: string, scope: Scope): Fault[] {
  const wholeKind = OF_MANY.has(verb) || (verb === 'create' && subresource === undefined)
  if (name !== undefined) {
    if (!wholeKind) return nameFaults(name, `${path}.name`, 'the name of what is written', scope)
    return [{ path: `${path}.name`, problem: `is looked at by no review of ${verb}`, mend: 'remove it, or review another verb' }]
  }
  if (wholeKind || !(OF_ONE.has(verb) || verb === 'create')) return []
  return [{ path: `${path}.name`, problem: 'is missing', mend: `say which object one must be allowed to ${verb}` }]
}

/** Faults of what an operation writes, step by step: each with what stands before it. */

import { givesAway } from '../../gives-away.ts'
import type { BrokerConfig, KindConfig, OperationConfig, WriteConfig } from '../broker.ts'
import { isRbac, isSecret } from '../deny-list.ts'
import type { Fault } from '../faults/faults.ts'
import { textOf } from './broker-expressions.ts'
import { nameFaults, namespaceFaults, objectFaults } from './broker-objects.ts'
import { reviewFaults } from './broker-reviews.ts'
import { deniedFault, isLifted, kindNamed, kindOfStep, kindText, type Scope, SECRET } from './broker-scope.ts'
import { patchFaults, statusFaults, wholeObjectFaults } from './broker-templates.ts'

/** The faults of all steps of an operation, whose `given` are all in the scope. */
export function writeFaults(operation: OperationConfig, at: string, scope: Scope): Fault[] {
  const { writes = [], answer } = operation
  const written = new Map(scope.written)
  const faults = writes.flatMap((step, place) => {
    const path = `${at}.writes.${place}`
    const found = [...stepFaults(step, path, { ...scope, written: new Map(written) }), ...asFaults(step, path, scope, written)]
    if (step.as !== undefined && !written.has(step.as)) written.set(step.as, step)
    return found
  })
  if (answer === undefined || written.has(answer)) return faults
  return [...faults, { path: `${at}.answer`, problem: 'names no step', mend: 'write the as of one of writes' }]
}

function asFaults({ as }: WriteConfig, path: string, { given }: Scope, written: ReadonlyMap<string, WriteConfig>): Fault[] {
  if (as === undefined || !(given.has(as) || written.has(as))) return []
  return [
    {
      path: `${path}.as`,
      problem: `is the name of ${given.has(as) ? 'one of given' : 'an earlier step'} as well`,
      mend: 'give each its own name',
    },
  ]
}

function stepFaults(step: WriteConfig, path: string, scope: Scope): Fault[] {
  const kind = kindOfStep(scope.broker, step)
  const review = step.review === undefined ? [] : reviewFaults(step.review, kind, `${path}.review`, scope)
  if (step.do === 'token') return [...tokenFaults(step, path, scope), ...review]
  return [
    ...objectFaults(step, path, 'the name of what is written', scope),
    ...(kind === undefined ? [] : kindFaults(step, kind, path, scope.broker)),
    ...contentFaults(step, kind, path, scope),
    ...('ownedBy' in step && step.ownedBy !== undefined ? ownerFaults(step.ownedBy, { kind, namespace: step.namespace }, path, scope) : []),
    ...review,
  ]
}

function contentFaults(step: Exclude<WriteConfig, { do: 'token' }>, kind: KindConfig | undefined, path: string, scope: Scope): Fault[] {
  switch (step.do) {
    case 'create':
    case 'apply':
      return wholeObjectFaults(step, kind, `${path}.object`, scope)
    case 'patch':
      return patchFaults(step, `${path}.patch`, scope)
    case 'status':
      return statusFaults(step, `${path}.status`, scope)
    case 'delete':
      return []
  }
}

function kindFaults(step: Exclude<WriteConfig, { do: 'token' }>, kind: KindConfig, path: string, broker: BrokerConfig): Fault[] {
  const faults: Fault[] = []
  const entry = step.do === 'status' ? `${kindText(kind)}/status` : kindText(kind)
  if (isRbac(kind) && !isLifted(broker, 'rbac')) faults.push(deniedFault(`${path}.kind`, `is of ${kind.group}`, 'rbac'))
  // The API server answers a change with the whole object.
  const shows = step.do === 'apply' || step.do === 'patch' || step.do === 'status'
  if (shows && isSecret(kind) && !isLifted(broker, 'secrets'))
    faults.push(deniedFault(`${path}.kind`, 'is of Secrets, and the answer to a change is a read of the whole', 'secrets'))
  if (step.do === 'delete' && isSecret(kind) && !isLifted(broker, 'secrets'))
    faults.push(deniedFault(`${path}.kind`, 'is of Secrets, and what is deleted is read before', 'secrets'))
  if (givesAway(entry) && !broker.rightsOpen.includes(entry)) {
    faults.push({
      path: `${path}.kind`,
      problem: 'gives rights or secrets away to whoever has it written',
      mend: `remove it, or name it in rightsOpen: [${entry}]`,
    })
  }
  return faults
}

function tokenFaults(step: Extract<WriteConfig, { do: 'token' }>, path: string, scope: Scope): Fault[] {
  const { into, inAnswerOpen, namespace } = step
  const faults = namespaceFaults(namespace, `${path}.namespace`, scope)
  if (into === undefined) {
    if (inAnswerOpen) return faults
    return [...faults, { path, problem: 'is a token that goes nowhere', mend: 'give it a Secret by into' }]
  }
  const within = `${path}.into`
  return [
    ...faults,
    ...nameFaults(into.secret, `${within}.secret`, 'the name of what is written', scope),
    ...ownerFaults(into.ownedBy, { kind: SECRET, namespace }, within, scope),
    ...(into.review === undefined ? [] : reviewFaults(into.review, SECRET, `${within}.review`, scope)),
  ]
}

interface Owned {
  readonly kind: KindConfig | undefined
  readonly namespace?: unknown
}

function ownerFaults(name: string, owned: Owned, at: string, { broker, operation, given, written }: Scope): Fault[] {
  const path = `${at}.ownedBy`
  const step = written.get(name)
  if (step === undefined && !given.has(name))
    return [{ path, problem: 'names neither an earlier step nor one of given', mend: 'write the as of an earlier step, or a key of given' }]
  if (step?.do === 'token' || step?.do === 'delete')
    return [{ path, problem: 'names a step that leaves no object', mend: 'name what is there to own it' }]
  const owner = step ?? operation.given[name]
  const kind = owner && kindNamed(broker, owner.kind)
  if (owner === undefined || kind === undefined || owned.kind === undefined || isLifted(broker, 'secrets')) return []
  // The cluster's own garbage collector sees an owner in the same namespace or in none; another would have to be looked for.
  if (!isSecret(owned.kind) || !kind.namespaced || textOf(owner.namespace)?.source === textOf(owned.namespace)?.source) return []
  return [deniedFault(path, 'is in another namespace, so that cleaning up after it would read Secrets', 'secrets')]
}

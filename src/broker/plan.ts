/**
 * Where the writes of one request go, and what the user must be allowed for each: known before anybody is asked anything.
 *
 * Security: a namespace or name that is no name of Kubernetes is refused as the fault of the request that it is; a
 * namespace that the operator did not list, or that is the system's, is refused whatever the user may do there.
 */
import { isNamespaceKind, isSystemNamespace } from '../config/deny-list.ts'
import { Refusal } from '../errors.ts'
import type { Action } from '../kubernetes/reviewed-action.ts'
import type { Json } from '../template/json.ts'
import type { ComputedText } from '../template/template.ts'
import type { Broker, Kind, Place, StandIn, Step, TokenStep } from './operation.ts'

export type Variables = Readonly<Record<string, Json>>

/** One write of the service account, and what is reviewed for it where that is something else. */
export interface PlannedWrite {
  readonly write: Required<Action>
  readonly reviewed: Required<Action> | undefined
}

export interface Located {
  readonly kind: Kind
  /** '' for kinds that are in none. */
  readonly namespace: string
  readonly name: string
}

export interface Planned extends Located {
  readonly step: Step
  readonly writes: readonly PlannedWrite[]
  /** Where the Secret of a token goes. */
  readonly into: Located | undefined
}

const NAMESPACE = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/
const NAME = /^[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?$/

/** Throws a Refusal: `parameter_invalid`, `namespace_refused`; an ExpressionFailed for an expression without a value. */
export function planStep(broker: Broker, step: Step, variables: Variables): Planned {
  const at = locate(broker, step, variables)
  const plan = (verb: string, subresource = '', to: Located = at, review: StandIn | undefined = step.review): PlannedWrite => ({
    write: actionOn(to, verb, subresource),
    reviewed: review && standingIn(review, to.namespace, variables),
  })
  switch (step.do) {
    case 'apply':
      return { step, ...at, into: undefined, writes: [plan('patch'), plan('create')] }
    case 'create':
    case 'patch':
    case 'delete':
      return { step, ...at, into: undefined, writes: [plan(step.do)] }
    case 'status':
      return { step, ...at, into: undefined, writes: [plan('patch', 'status')] }
    case 'token': {
      const into = intoOf(broker, step, variables)
      const minted = plan('create', 'token')
      return { step, ...at, into, writes: into === undefined ? [minted] : [minted, plan('create', '', into, step.into?.review)] }
    }
  }
}

function intoOf(broker: Broker, { into }: TokenStep, variables: Variables): Located | undefined {
  return into && locate(broker, into, variables)
}

/** Which object. */
export function locate(broker: Broker, { kind, namespace, name }: Place, variables: Variables): Located {
  const at = { kind, namespace: namespaceOf(broker, namespace, variables), name: nameOf(name, variables) }
  // A namespace is itself an object.
  if (isNamespaceKind(kind)) refuseOthers(broker, at.name)
  return at
}

function refuseOthers(broker: Broker, namespace: string): void {
  const listed = broker.namespaces === '*' || broker.namespaces.has(namespace)
  if (!listed || (isSystemNamespace(namespace) && !broker.lifted.has('system-namespaces'))) throw new Refusal('namespace_refused')
}

/** The namespace, or '' for what is in none. */
export function namespaceOf(broker: Broker, namespace: ComputedText | undefined, variables: Variables): string {
  if (namespace === undefined) return ''
  const text = namespace.fill(variables)
  if (!NAMESPACE.test(text)) throw new Refusal('parameter_invalid', { detail: 'the namespace is not one' })
  refuseOthers(broker, text)
  return text
}

export function nameOf(name: ComputedText, variables: Variables): string {
  const text = name.fill(variables)
  if (!NAME.test(text)) {
    throw new Refusal('parameter_invalid', { detail: 'a name is not one: lower-case letters, digits, hyphens and dots, at most 253' })
  }
  return text
}

function actionOn({ kind: { group, version, resource }, namespace, name }: Located, verb: string, subresource: string): Required<Action> {
  return { verb, group, version, resource, subresource, namespace, name }
}

function standingIn({ verb, kind, subresource, name }: StandIn, namespace: string, variables: Variables): Required<Action> {
  return actionOn({ kind, namespace, name: name === undefined ? '' : nameOf(name, variables) }, verb, subresource)
}

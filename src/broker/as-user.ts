/** Where an operation leads that goes to the API server with the user's own credential. */
import { Refusal } from '../errors.ts'
import { collectionPath, namedPath } from '../kubernetes/resource-path.ts'
import type { Log } from '../log.ts'
import type { Principal } from '../principal.ts'
import { ExpressionFailed } from '../template/expression.ts'
import { principalOf } from './asked.ts'
import type { AsUser, Broker } from './operation.ts'
import { locate, namespaceOf } from './plan.ts'

/** The path for the API server. Throws a Refusal: `parameter_invalid`, `namespace_refused`, `template_failed`. */
export function asUserPath(
  broker: Broker,
  { kind, namespace, name }: AsUser,
  path: Readonly<Record<string, string>>,
  principal: Principal,
  log: Log,
  operation: string,
): string {
  const variables = { path, principal: principalOf(principal) }
  try {
    const { group, version, resource } = kind
    const where = { group, version, resource }
    if (name === undefined) return collectionPath({ ...where, namespace: namespaceOf(broker, namespace, variables) })
    const at = locate(broker, { kind, namespace, name }, variables)
    return namedPath({ ...where, namespace: at.namespace, name: at.name })
  } catch (error) {
    if (!(error instanceof ExpressionFailed)) throw error
    log.warn('an expression has no value for a request', { broker: broker.name, operation, problem: error.message })
    throw new Refusal('template_failed')
  }
}

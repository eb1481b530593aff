/**
 * Brokered operations: a method and a path that lead to what the operator declared, as the caller.
 *
 * Security: method, path and everything that is done come from the configuration; of a request only the parameters of the
 * path, the body and a few query fields of lists are read. Every answer is in a sandbox: JSON of ours, or what the API server says to the user. A cookie writes only from the
 * origin of its host, and opens nothing that another site led the browser to, as under /clusters.
 */
import type { Attempt } from '../access.ts'
import type { Presented } from '../authenticate/authenticator.ts'
import { type BrokerTarget, brokeredAct } from '../broker/act.ts'
import { asUserPath } from '../broker/as-user.ts'
import type { AsUser, Operation, Segment } from '../broker/operation.ts'
import { Refusal } from '../errors.ts'
import { kubernetesAct } from '../forward/kubernetes.ts'
import type { Act } from '../grant.ts'
import { isTrue } from '../kubernetes/request-info.ts'
import { answered } from './answers.ts'
import type { Cluster } from './clusters.ts'
import { ledByAnotherSite, queryOf, type Visit } from './visit.ts'

/** A broker, and the cluster whose credential source carries its callers' rights. */
export interface Brokered {
  readonly target: BrokerTarget
  readonly cluster: Cluster
}

export interface BrokeredAttempt {
  readonly attempt: Attempt
  readonly act: Act
  readonly stream: boolean
}

/** The operations of one host. */
export interface OperationIndex {
  /**
   * The operation for a request, with the parameters of its path. Where only the method is another it is one of the path,
   * with why it is refused once it is known who asks; unless a route takes the path as well (`routed`): that keeps all other
   * methods.
   */
  find(visit: Visit, routed: boolean): Found | undefined
}

interface Found {
  readonly refusal?: Refusal
  readonly brokered: Brokered
  readonly operation: Operation
  readonly path: Readonly<Record<string, string>>
}

const MOST_RECORDED = 256
/** What the API server reads of a list's query; each of them once. */
const OF_LISTS = [
  'labelSelector',
  'fieldSelector',
  'limit',
  'continue',
  'resourceVersion',
  'resourceVersionMatch',
  'watch',
  'allowWatchBookmarks',
  'sendInitialEvents',
  'timeoutSeconds',
]
const OF_DELETES = ['propagationPolicy', 'gracePeriodSeconds', 'dryRun']

/** Operations by host name. */
export function createOperations(all: readonly Brokered[]): ReadonlyMap<string, OperationIndex> {
  const declared = all.flatMap((brokered) => brokered.target.broker.operations.map((operation) => ({ brokered, operation })))
  const hosts = new Set(declared.map(({ operation }) => operation.host))
  return new Map([...hosts].map((host) => [host, indexOf(declared.filter(({ operation }) => operation.host === host))]))
}

function indexOf(declared: ReadonlyArray<Omit<Found, 'path'>>): OperationIndex {
  const byLength = Map.groupBy(declared, ({ operation }) => operation.segments.length)
  return {
    find({ target, request }, routed) {
      const fitting = (byLength.get(target.segments.length) ?? []).flatMap(({ brokered, operation }) => {
        const path = parametersOf(operation.segments, target.segments)
        return path === undefined ? [] : [{ brokered, operation, path }]
      })
      if (fitting.length === 0) return undefined
      const found = fitting.find(({ operation }) => operation.method === request.method)
      if (found === undefined && routed) return undefined
      if (found !== undefined) return found
      const methods = [...new Set(fitting.map(({ operation }) => operation.method))]
      const [any] = fitting
      return any && { ...any, refusal: new Refusal('method_unsupported', { methods }) }
    },
  }
}

/** The parameters by their names, or undefined when the path is another. */
function parametersOf(segments: readonly Segment[], asked: readonly string[]): Record<string, string> | undefined {
  const found: Record<string, string> = {}
  for (const [at, segment] of segments.entries()) {
    const text = asked[at] ?? ''
    if ('literal' in segment) {
      if (segment.literal !== text) return undefined
    } else if (text === '') return undefined
    else found[segment.parameter] = text
  }
  return found
}

/** Prepares one request for the journey. Throws Refusal: `origin_refused`, `parameter_invalid`. */
export function brokeredAttempt(
  { brokered, operation, path, refusal }: Found,
  visit: Visit,
  presentedOf: (visit: Visit, writes: boolean) => Presented,
  bodyLimit: number,
): BrokeredAttempt {
  const { target, cluster } = brokered
  const { asUser } = operation
  const writes = asUser === undefined || asUser.do === 'delete'
  const presented = presentedOf(visit, writes)
  if (presented.cookie !== undefined && ledByAnotherSite(presented.fetchSite))
    throw new Refusal('origin_refused', { detail: 'another site led the browser here' })
  const resource = { type: 'brokered', id: target.broker.name, properties: { operation: operation.name, ...cut(path) } } as const
  const attempt: Attempt = {
    id: visit.requestId,
    address: visit.address,
    traceparent: visit.head.values.get('traceparent'),
    presented,
    refusal,
    action: { name: operation.name, writes },
    resource,
    target: cluster.target,
    source: cluster.source,
    sourceName: cluster.sourceName,
  }
  if (asUser === undefined) return { attempt, act: writingAct(brokered, operation, path, visit), stream: false }
  // Of the query only this is looked at before it is known who asks: what goes on has a place among the streams.
  const query = queryOf(visit, ['watch'])
  const stream = asUser.watch && isTrue(query.get('watch'))
  return { attempt, act: passingAct(brokered, operation, asUser, path, stream, visit, bodyLimit), stream }
}

function writingAct({ target }: Brokered, operation: Operation, path: Found['path'], visit: Visit): Act {
  const { request, response, requestId, head } = visit
  const act = brokeredAct(target, operation, {
    request,
    response,
    attempt: requestId,
    resource: `brokered/${target.broker.name}`,
    path,
    idempotencyKey: head.values.get('idempotency-key'),
    answer: (status, value) => answered(response, status, value, requestId),
  })
  return async (grant) => {
    if (visit.target.search !== '') throw new Refusal('parameter_invalid', { detail: 'this operation takes no query' })
    return act(grant)
  }
}

/** Sends it to the API server as the user: reads, and deletes that need no rights of ours. */
function passingAct(
  { target, cluster }: Brokered,
  operation: Operation,
  asUser: AsUser,
  path: Found['path'],
  stream: boolean,
  visit: Visit,
  bodyLimit: number,
): Act {
  const { request, response } = visit
  return async (grant) => {
    const query = askedQuery(asUser, visit)
    const at = asUserPath(target.broker, asUser, path, grant.caller.principal, target.log, operation.name)
    const act = kubernetesAct(cluster.upstream, {
      request,
      response,
      path: query.size === 0 ? at : `${at}?${query}`,
      mount: '',
      stream,
      piecewise: true,
      writes: asUser.do === 'delete',
      effect: `${request.method} ${at.slice(0, MOST_RECORDED)}`,
      bodyLimit,
    })
    return act(grant)
  }
}

/** The query that is sent on: fields that this operation has, each once. */
function askedQuery({ do: verb, watch }: AsUser, visit: Visit): URLSearchParams {
  const taken = verb === 'list' ? OF_LISTS : verb === 'delete' ? OF_DELETES : []
  const query = queryOf(visit, taken)
  for (const name of query.keys()) {
    if (!taken.includes(name)) throw new Refusal('parameter_invalid', { detail: 'the query has a field that this operation does not take' })
  }
  if (!watch && query.has('watch')) throw new Refusal('parameter_invalid', { detail: 'this operation cannot be watched' })
  return query
}

function cut(path: Found['path']): Record<string, string> {
  return Object.fromEntries(Object.entries(path).map(([name, value]) => [`path.${name}`, value.slice(0, MOST_RECORDED)]))
}

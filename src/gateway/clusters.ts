/**
 * /clusters/{name}/**: the Kubernetes API as the caller.
 *
 * Security: audience, cluster and credential come from the matched route, never from a header. A cookie never opens a
 * `proxy` subresource, where a tenant's page would answer. Exec, attach and port-forward count as writes even by GET,
 * because that is what they are.
 */
import type { Attempt } from '../access.ts'
import type { CredentialSource, Target } from '../assume/credential-source.ts'
import type { Presented } from '../authenticate/authenticator.ts'
import type { Action, Resource } from '../decision.ts'
import { Refusal } from '../errors.ts'
import { type KubernetesUpstream, kubernetesAct } from '../forward/kubernetes.ts'
import type { Act } from '../grant.ts'
import { isTrue, parseRequestInfo, type RequestInfo } from '../kubernetes/request-info.ts'
import { queryOf, requireMethod, type Visit } from './visit.ts'

export interface Cluster {
  readonly name: string
  readonly upstream: KubernetesUpstream
  readonly source: CredentialSource
  readonly sourceName: string
  readonly target: Target
}

export interface ClusterAttempt {
  readonly attempt: Attempt
  readonly act: Act
  readonly stream: boolean
}

const CONNECTING = new Set(['exec', 'attach', 'portforward', 'proxy'])
const READS = new Set(['get', 'list', 'watch'])
// TRACE above all is not among them: it would answer with the request's own headers, our credential included.
const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'] as const
// What the API server reads of a query before it decides; it takes the first of several, others the last.
const DECIDING = ['watch', 'follow', 'fieldSelector']

/** Prepares one request for the journey. Throws Refusal `cluster_unknown` or `proxy_subresource_refused`. */
export function clusterAttempt(
  clusters: ReadonlyMap<string, Cluster>,
  visit: Visit,
  presentedOf: (visit: Visit, writes: boolean) => Presented,
  bodyLimit: number,
): ClusterAttempt {
  const { target: asked, request, response } = visit
  const cluster = clusters.get(asked.segments[1] ?? '')
  if (cluster === undefined) throw new Refusal('cluster_unknown')
  requireMethod(visit, ...METHODS)
  const method = request.method ?? 'GET'
  const query = queryOf(visit, DECIDING)
  const info = infoOf(method, asked.segments.slice(2), query)
  const writes =
    !(READS.has(info.verb) || (!info.isResourceRequest && (method === 'GET' || method === 'HEAD'))) || CONNECTING.has(info.subresource)
  const presented = presentedOf(visit, writes)
  if (presented.cookie !== undefined && (info.subresource === 'proxy' || info.verb === 'proxy'))
    throw new Refusal('proxy_subresource_refused')
  const stream = info.verb === 'watch' || (info.subresource === 'log' && isTrue(query.get('follow')))
  const action: Action = { name: info.verb, writes }
  const resource: Resource = { type: 'cluster', id: cluster.name, properties: propertiesOf(info) }
  // Cut, not rebuilt: what was parsed above is what is sent.
  const mount = `/clusters/${cluster.name}`
  const path = asked.raw.slice(mount.length) || '/'
  const act = kubernetesAct(cluster.upstream, {
    request,
    response,
    path: path.startsWith('?') ? `/${path}` : path,
    mount,
    stream,
    writes,
    effect: `${method} ${describe(info)}`,
    bodyLimit,
  })
  const attempt: Attempt = {
    id: visit.requestId,
    address: visit.address,
    presented,
    action,
    resource,
    target: cluster.target,
    source: cluster.source,
    sourceName: cluster.sourceName,
  }
  return { attempt, act, stream }
}

function infoOf(method: string, segments: readonly string[], query: URLSearchParams): RequestInfo {
  try {
    return parseRequestInfo(method, `/${segments.join('/')}`, query)
  } catch {
    throw new Refusal('path_ambiguous', { detail: 'a special verb has nothing after it' })
  }
}

function propertiesOf(info: RequestInfo): Record<string, string> {
  if (!info.isResourceRequest) return { path: info.path.slice(0, 256) }
  const all = { group: info.apiGroup, resource: info.resource, subresource: info.subresource, namespace: info.namespace, name: info.name }
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== ''))
}

function describe(info: RequestInfo): string {
  if (!info.isResourceRequest) return info.path.slice(0, 256)
  const resource = [info.resource, info.subresource].filter(Boolean).join('/')
  return `${info.verb} ${resource}${info.apiGroup && `.${info.apiGroup}`} ${[info.namespace, info.name].filter(Boolean).join('/')}`.trim()
}

/**
 * /clusters/{name}/**: the Kubernetes API as the caller.
 *
 * Security: audience, cluster and credential come from the matched route, never from a header. A cookie never opens a
 * `proxy` subresource, where a tenant's page would answer, and opens nothing that another site led the browser to: a
 * link must not choose which cluster gets the caller's token. Exec, attach and port-forward count as writes even by
 * GET, because that is what they are, and so does every upgrade; and whatever its path, only GET and HEAD read.
 */
import type { Attempt } from '../access.ts'
import type { CredentialSource, Target } from '../assume/credential-source.ts'
import type { Presented } from '../authenticate/authenticator.ts'
import type { Action, Resource } from '../decision.ts'
import { Refusal } from '../errors.ts'
import type { ExchangeTarget } from '../forward/exchange.ts'
import { kubernetesAct } from '../forward/kubernetes.ts'
import { kubernetesUpgradeAct } from '../forward/kubernetes-upgrade.ts'
import type { Act } from '../grant.ts'
import { isTrue, parseRequestInfo, type RequestInfo } from '../kubernetes/request-info.ts'
import { askedProtocol } from './upgrades.ts'
import { ledByAnotherSite, queryOf, requireMethod, type Visit } from './visit.ts'

export interface Cluster {
  readonly name: string
  readonly upstream: ExchangeTarget
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
// Enough for every name of Kubernetes; a log line is not to be as long as a caller likes.
const MOST_RECORDED = 256
// TRACE above all is not among them: it would answer with the request's own headers, our credential included.
const UPGRADING = ['GET', 'POST'] as const
const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'] as const
// What the API server reads of a query before it decides; it takes the first of several, others the last.
const DECIDING = ['watch', 'follow', 'fieldSelector']

/** Prepares one request for the journey. Throws Refusal: `cluster_unknown`, `origin_refused`, `proxy_subresource_refused`. */
export function clusterAttempt(
  clusters: ReadonlyMap<string, Cluster>,
  visit: Visit,
  presentedOf: (visit: Visit, writes: boolean) => Presented,
  bodyLimit: number,
): ClusterAttempt {
  const { target: asked, request, response, upgrade } = visit
  const name = asked.segments[1] ?? ''
  if (name === '') throw new Refusal('cluster_unknown', { detail: 'name a cluster: /clusters/NAME/' })
  const cluster = clusters.get(name)
  if (cluster === undefined) throw new Refusal('cluster_unknown')
  requireMethod(visit, ...(upgrade === undefined ? METHODS : UPGRADING))
  const method = request.method ?? 'GET'
  const query = queryOf(visit, DECIDING)
  const info = infoOf(method, asked.segments.slice(2), query)
  const reads = (method === 'GET' || method === 'HEAD') && (!info.isResourceRequest || READS.has(info.verb))
  const writes = !reads || upgrade !== undefined || CONNECTING.has(info.subresource)
  const presented = presentedOf(visit, writes)
  const proxied = info.subresource === 'proxy' || info.verb === 'proxy'
  if (presented.cookie !== undefined) {
    if (ledByAnotherSite(presented.fetchSite)) throw new Refusal('origin_refused', { detail: 'another site led the browser here' })
    if (proxied) throw new Refusal('proxy_subresource_refused')
  }
  // The answer to HEAD has no body that could go on, and its connection ends with its head.
  const stream =
    upgrade !== undefined ||
    (method !== 'HEAD' && (proxied || info.verb === 'watch' || (info.subresource === 'log' && isTrue(query.get('follow')))))
  const action: Action = { name: info.verb, writes }
  const resource: Resource = { type: 'cluster', id: cluster.name, properties: propertiesOf(info) }
  // Cut, not rebuilt: what was parsed above is what is sent.
  const mount = `/clusters/${cluster.name}`
  const rest = asked.raw.slice(mount.length) || '/'
  const exchange = {
    request,
    response,
    path: rest.startsWith('?') ? `/${rest}` : rest,
    mount,
    writes,
    effect: `${method} ${describe(info)}`,
  }
  const act =
    upgrade === undefined
      ? kubernetesAct(cluster.upstream, { ...exchange, stream, piecewise: !proxied, bodyLimit })
      : kubernetesUpgradeAct(cluster.upstream, {
          ...exchange,
          connection: upgrade.socket,
          early: upgrade.early,
          asked: askedProtocol(visit.head),
        })
  const attempt: Attempt = {
    id: visit.requestId,
    address: visit.address,
    traceparent: visit.head.values.get('traceparent'),
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
  if (!info.isResourceRequest) return { path: cut(info.path) }
  const all = { group: info.apiGroup, resource: info.resource, subresource: info.subresource, namespace: info.namespace, name: info.name }
  return Object.fromEntries(
    Object.entries(all)
      .filter(([, value]) => value !== '')
      .map(([key, value]) => [key, cut(value)]),
  )
}

function cut(text: string): string {
  return text.slice(0, MOST_RECORDED)
}

function describe(info: RequestInfo): string {
  if (!info.isResourceRequest) return cut(info.path)
  const resource = [info.resource, info.subresource].filter(Boolean).map(cut).join('/')
  const named = [info.namespace, info.name].filter(Boolean).map(cut).join('/')
  return `${info.verb} ${resource}${info.apiGroup && `.${cut(info.apiGroup)}`} ${named}`.trim()
}

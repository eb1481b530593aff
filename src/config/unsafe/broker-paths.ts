/**
 * Where operations are served: hosts and paths that must not be configured.
 *
 * Security: which operation a request is for must not depend on an order. So two that could take the same request are
 * refused, parameters included, and so are those that would stand where people sign in or before what a route names.
 */
import type { BrokerConfig, OperationConfig } from '../broker.ts'
import type { Config } from '../config.ts'
import type { Fault } from '../faults/faults.ts'
import { isLoopbackHost } from '../loopback.ts'
import { parametersOf } from './broker-scope.ts'
import { aliasesOf, RESERVED } from './route-faults.ts'

type Parts = Pick<Config, 'brokered' | 'routes' | 'publicUrl' | 'listen'>

interface Served {
  readonly broker: BrokerConfig
  readonly operation: OperationConfig
  /** `brokered.NAME.operations.N` */
  readonly at: string
  readonly host: string
  readonly segments: readonly string[]
}

/** The faults of the hosts and paths of all operations of all brokers. */
export function brokerPathFaults(config: Parts): Fault[] {
  const all = servedBy(config)
  return all.flatMap((served, place) => [
    ...twiceFaults(served),
    ...hostFaults(config, served),
    ...reservedFaults(config, served),
    ...ambiguityFaults(served, all.slice(0, place)),
    ...routeFaults(config, served),
  ])
}

function servedBy({ brokered, publicUrl }: Parts): Served[] {
  const { hostname } = new URL(publicUrl)
  return Object.values(brokered).flatMap((broker) =>
    broker.operations.map((operation, place) => ({
      broker,
      operation,
      at: `brokered.${broker.name}.operations.${place}`,
      host: operation.match.host ?? hostname,
      segments: operation.match.path.slice(1).split('/'),
    })),
  )
}

function twiceFaults({ at, operation }: Served): Fault[] {
  const names = parametersOf(operation.match.path)
  const twice = new Set(names.filter((name, place) => names.indexOf(name) !== place))
  return [...twice].map((name) => ({
    path: `${at}.match.path`,
    problem: `has the parameter ${name} twice`,
    mend: 'give each parameter its own name',
  }))
}

function hostFaults(config: Parts, { at, host }: Served): Fault[] {
  const { protocol, hostname } = new URL(config.publicUrl)
  const path = `${at}.match.host`
  if (aliasesOf(config).has(host))
    return [{ path, problem: 'is another name of the sign-in host', mend: `write ${hostname}, or the host of a route` }]
  if (protocol === 'http:' && !isLoopbackHost(host) && !host.endsWith('.localhost')) {
    return [
      {
        path,
        problem: 'would be served over plain http, as publicUrl is, to other machines',
        mend: 'use https in publicUrl, or a host such as app.localhost',
      },
    ]
  }
  // Only the sign-in host and the hosts of routes have cookies, and an origin that writes are compared with.
  if (host !== hostname && !config.routes.some(({ match }) => match.host === host))
    return [
      { path, problem: 'is neither the host of publicUrl nor that of a route', mend: 'leave it out, or write the host of one of routes' },
    ]
  return []
}

function reservedFaults({ publicUrl }: Parts, { at, host, segments }: Served): Fault[] {
  const [first = ''] = segments
  const onSignInHost = host === new URL(publicUrl).hostname
  // A parameter there would be every first segment, those of Mandate too.
  if (onSignInHost ? !RESERVED.has(first) && !isParameter(first) : first !== '.mandate') return []
  const problem = 'covers a path that is reserved for Mandate itself'
  const mend = onSignInHost ? 'begin it with a first segment of its own, such as /projects' : 'choose another path'
  return [{ path: `${at}.match.path`, problem, mend }]
}

function ambiguityFaults({ at, host, operation, segments }: Served, earlier: readonly Served[]): Fault[] {
  const other = earlier.find(
    (one) => one.host === host && one.operation.match.method === operation.match.method && meet(one.segments, segments),
  )
  if (other === undefined) return []
  const mend = 'give one of the two a segment that the other does not have'
  return [{ path: `${at}.match`, problem: `takes requests that ${other.at} takes as well`, mend }]
}

/** An operation may stand below the `/**` of a route, word for word as far as that goes; then the route keeps all else. */
function routeFaults({ routes }: Parts, { at, host, segments }: Served): Fault[] {
  const hidden = routes.findIndex(({ match }) => {
    const named = match.path.slice(1).split('/')
    if (match.host !== host) return false
    const stem = named.at(-1) === '**' ? named.slice(0, -1) : undefined
    // To a route a path and the same with a slash behind it are one.
    if (stem === undefined) return meet(named.at(-1) === '' ? named.slice(0, -1) : named, segments)
    return segments.length >= stem.length && meet(stem, segments.slice(0, stem.length)) && !isBelow(segments, stem)
  })
  if (hidden === -1) return []
  const mend = 'give the two paths that differ, or let the operation stand below the /** of the route word for word'
  return [{ path: `${at}.match.path`, problem: `takes requests that routes.${hidden} names`, mend }]
}

function isBelow(segments: readonly string[], stem: readonly string[]): boolean {
  return segments.length > stem.length && stem.every((segment, place) => segment === segments[place])
}

/** True when one request fits both. */
function meet(one: readonly string[], other: readonly string[]): boolean {
  if (one.length !== other.length) return false
  return one.every((segment, place) => {
    const against = other[place] ?? ''
    return segment === against || isParameter(segment) || isParameter(against)
  })
}

function isParameter(segment: string): boolean {
  return segment.startsWith('{')
}

/**
 * Door 1: HTTP. Framing first, then either the journey or one of the few endpoints outside it.
 *
 * The endpoints outside the journey are the ones that make or end callers, and the two that show who one is:
 * /, /login, /callback/{provider}, /logout, /back-channel-logout/{provider}, /whoami, and what lies below /.mandate.
 * Everything else is the journey or a 404. They and /clusters are on the sign-in host alone; every other host has its
 * routes and /.mandate/session. Health and metrics are on a port of their own (`operations.ts`).
 */
import { randomUUID } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { reasonOf, type Steps } from '../access.ts'
import type { AuditSink } from '../audit/audit-sink.ts'
import type { Presented } from '../authenticate/authenticator.ts'
import { Refusal } from '../errors.ts'
import type { Log } from '../log.ts'
import type { Metrics } from '../metrics.ts'
import type { Caller } from '../principal.ts'
import { Secret } from '../secret.ts'
import { isLedToPublicUrl } from './alias.ts'
import { answerRedirect, type Form } from './answers.ts'
import { brokeredAttempt, type OperationIndex } from './brokered.ts'
import { type Cluster, clusterAttempt } from './clusters.ts'
import type { CommandLineEndpoint } from './command-line.ts'
import type { Cookies } from './cookies.ts'
import type { HostSignIn } from './host-sessions.ts'
import type { InFlight } from './in-flight.ts'
import { createJourney, routeLabel } from './journey.ts'
import { type About, askedHost, createRefusals, type Refused } from './refusals.ts'
import { hostnameOf, type RequestHead, readHead } from './request-head.ts'
import { readTarget } from './request-target.ts'
import { type AskedRoute, isLed, MOST_RECORDED, type RouteAttempt, type RouteHost, requireRoute, routeAttempt } from './routes.ts'
import type { SignInEndpoints } from './sign-in.ts'
import type { SignOutEndpoints } from './sign-out.ts'
import { asksWebSocket, offersUpgrade, readSubprotocols, refusedOffer } from './upgrades.ts'
import { seemsToWantPage, type Upgrade, type Visit, wantsPage } from './visit.ts'
import type { YouAreEndpoints } from './you-are.ts'

export interface GatewayParts {
  readonly steps: Steps
  readonly audit: AuditSink
  readonly metrics: Metrics
  readonly log: Log
  readonly cookies: Cookies
  readonly clusters: ReadonlyMap<string, Cluster>
  /** By host name. */
  readonly routeHosts: ReadonlyMap<string, RouteHost>
  /** By host name. */
  readonly operations: ReadonlyMap<string, OperationIndex>
  /** Origin of the sign-in host. */
  readonly origin: string
  readonly signIn: SignInEndpoints
  readonly signOut: SignOutEndpoints
  readonly hostSignIn: HostSignIn
  readonly youAre: YouAreEndpoints
  readonly commandLine: CommandLineEndpoint
  /** Host names, without ports, that this gateway answers to. */
  readonly hostnames: ReadonlySet<string>
  readonly addressOf: (peer: string | undefined, forwardedFor: string | undefined) => string
  readonly bodyLimit: number
  readonly inFlight: InFlight
}

export interface Gateway {
  /** Answers one request. Never rejects. */
  answer(request: IncomingMessage, response: ServerResponse, upgrade?: Upgrade): Promise<void>
  /** Counts and records what was refused before there was a request to answer. Never rejects. */
  refuseUnread(peer: string | undefined, refusal: Refusal): Promise<void>
}

/** What authenticators may see of a visit to the host with the origin `self`. */
export function presentedBy(cookies: Cookies, self: string): (visit: Visit, writes: boolean, bearerHeader?: string) => Presented {
  return ({ head, request }, writes, bearerHeader) => {
    return {
      method: request.method ?? 'GET',
      writes,
      cookie: cookies.login(head.values.get('cookie')),
      authorization: authorizationOf(head, bearerHeader),
      self,
      origin: head.values.get('origin'),
      fetchSite: head.values.get('sec-fetch-site'),
    }
  }
}

function authorizationOf(head: RequestHead, bearerHeader: string | undefined): Secret | undefined {
  const alias = bearerHeader === undefined ? undefined : head.values.get(bearerHeader)
  if (alias !== undefined && head.values.has('authorization'))
    throw new Refusal('two_credentials', { detail: `authorization and ${bearerHeader}` })
  // A token has no space in it: with one it is a whole value of Authorization.
  const authorization = alias === undefined || alias.includes(' ') ? (alias ?? head.values.get('authorization')) : `Bearer ${alias}`
  const { bearer } = readSubprotocols(head)
  if (bearer !== undefined && authorization !== undefined)
    throw new Refusal('two_credentials', { detail: 'a subprotocol of WebSocket and a header' })
  if (bearer !== undefined) return bearer
  return authorization === undefined ? undefined : new Secret(authorization)
}

export function createGateway(parts: GatewayParts): Gateway {
  const presentedOf = presentedBy(parts.cookies, parts.origin)
  const signInHostname = new URL(parts.origin).hostname
  const journey = createJourney(parts)
  const refusals = createRefusals(parts)
  const refuse = refusals.answer

  const enter = (request: IncomingMessage, response: ServerResponse, upgrade: Upgrade | undefined, requestId: string) => {
    const head = readHead(request.rawHeaders)
    const hostname = hostnameOf(head.values.get('host'))
    if (!parts.hostnames.has(hostname)) throw new Refusal('host_unknown')
    const target = readTarget(request.url ?? '')
    const visit: Visit = { request, response, upgrade, requestId, head, target, address: addressOf(request, head) }
    return { visit, hostname }
  }

  const addressOf = (request: IncomingMessage, head?: RequestHead) =>
    parts.addressOf(request.socket.remoteAddress, head?.values.get('x-forwarded-for'))

  /** An endpoint outside the journey, or undefined when the path belongs to the journey or to nobody. */
  const endpointOf = ({ target }: Visit): ((visit: Visit) => Promise<void>) | undefined => {
    const [first = '', second, ...rest] = target.segments
    if (rest.length > 0) return undefined
    if (second !== undefined) {
      if (first === 'callback') return (visit) => parts.signIn.callback(visit, second)
      if (first === 'back-channel-logout') return (visit) => parts.signOut.backChannel(visit, second)
      if (first === '.mandate' && second === 'command-line') return parts.commandLine.document
      if (first === '.mandate' && second === 'authorize') return parts.hostSignIn.authorize
      return undefined
    }
    switch (first) {
      case '':
        return parts.youAre.home
      case 'login':
        return parts.signIn.login
      case 'logout':
        return parts.signOut.logout
      case 'whoami':
        return parts.youAre.whoami
      default:
        return undefined
    }
  }

  const toCluster = async (visit: Visit): Promise<void> => {
    const prepared = clusterAttempt(parts.clusters, visit, presentedOf, parts.bodyLimit)
    const refusal = await journey(prepared)
    if (refusal !== undefined) await refuse(visit.response, visit.requestId, 'status', refusal, { route: routeLabel(prepared) })
  }

  /** True when the request was for an operation. */
  const toOperation = async (visit: Visit, hostname: string, presented: typeof presentedOf, routed: boolean): Promise<boolean> => {
    const found = parts.operations.get(hostname)?.find(visit, routed)
    if (found === undefined) return false
    const prepared = brokeredAttempt(found, visit, presented, parts.bodyLimit)
    const refusal = await journey(prepared)
    if (refusal !== undefined) await refuse(visit.response, visit.requestId, 'problem', refusal, { route: routeLabel(prepared) })
    return true
  }

  /** What is wrong before it is known who asks is recorded with its route all the same. */
  const prepareRoute = async (visit: Visit, host: RouteHost, found: AskedRoute, form: Form): Promise<RouteAttempt | undefined> => {
    try {
      return routeAttempt(host, found, visit)
    } catch (error) {
      const { request, response, requestId, address, target } = visit
      const resource = `route/${found.route.name}`
      const about = { resource, properties: { path: target.path.slice(0, MOST_RECORDED) } }
      const refusal = await refusals.record(request.method ?? '', requestId, address, reasonOf(error, parts.log), about)
      // A stranger is not told that a route is here which others forward: the record says so.
      const said = refusal.code === 'not_found' ? new Refusal('not_found') : refusal
      await refuse(response, requestId, form, said, { route: resource, visit, host, persons: found.route.persons })
      return undefined
    }
  }

  const toRoute = async (visit: Visit, host: RouteHost, found: AskedRoute, form: Form): Promise<void> => {
    const prepared = await prepareRoute(visit, host, found, form)
    if (prepared === undefined) return
    const route = routeLabel(prepared)
    let caller: Caller | undefined
    const refusal = await journey(prepared, (heard) => {
      caller = heard
    })
    if (refusal === undefined) return
    const { persons } = found.route
    if (!isLed(visit, found.route, prepared.attempt.presented, refusal) || visit.response.headersSent)
      return refuse(visit.response, visit.requestId, form, refusal, { route, visit, host, persons, caller })
    refusals.count(refusal, route)
    parts.hostSignIn.lead(visit, host)
  }

  /** An upgrade elsewhere than to a cluster: for a route that takes WebSockets, and for nothing else on its host. */
  const toWebSocket = async (visit: Visit, host: RouteHost | undefined): Promise<void> => {
    const isOurs = visit.target.segments[0] === '.mandate' || (host?.isSignInHost === true && endpointOf(visit) !== undefined)
    const asked = !isOurs && asksWebSocket(visit.request.method, visit.head.values.get('upgrade'))
    const route = asked ? host?.find(visit.target.segments, 'GET')?.route : undefined
    if (host === undefined || route?.upstream?.webSockets !== true) throw new Refusal('upgrade_unsupported')
    await toRoute(visit, host, { route }, 'problem')
  }

  /** Everything on a host that is not the sign-in host. */
  const onRouteHost = async (visit: Visit, host: RouteHost, form: Form): Promise<void> => {
    const [first, second, ...rest] = visit.target.segments
    if (first === '.mandate') {
      if (second === 'session' && rest.length === 0) return parts.hostSignIn.session(visit, host)
      throw new Refusal('not_found')
    }
    const found = host.find(visit.target.segments, visit.request.method ?? '')
    if (await toOperation(visit, host.hostname, host.presentedOf, found !== undefined)) return
    await toRoute(visit, host, requireRoute(found), form)
  }

  /** Everything on the sign-in host but /clusters. */
  const onSignInHost = async (visit: Visit, host: RouteHost | undefined, form: Form): Promise<void> => {
    const endpoint = endpointOf(visit)
    if (endpoint !== undefined) return endpoint(visit)
    const found = host?.find(visit.target.segments, visit.request.method ?? '')
    if (await toOperation(visit, signInHostname, presentedOf, found !== undefined)) return
    if (host === undefined) throw new Refusal('not_found')
    await toRoute(visit, host, requireRoute(found), form)
  }

  return {
    async answer(request, response, upgrade) {
      const requestId = randomUUID()
      let form: Form = request.url?.startsWith('/clusters/') ? 'status' : 'problem'
      if (form === 'problem' && upgrade === undefined && seemsToWantPage(request)) form = 'page'
      let refused: Refused = {}
      let address = addressOf(request)
      let about: About | undefined
      // A write to a socket that is gone is the caller's departure, not a fault.
      response.on('error', () => undefined)
      try {
        const { visit, hostname } = enter(request, response, upgrade, requestId)
        address = visit.address
        about = { resource: 'gateway', properties: { host: hostname, path: visit.target.path.slice(0, MOST_RECORDED) } }
        const host = parts.routeHosts.get(hostname)
        refused = { visit, host }
        const isRouteHost = host?.isSignInHost === false
        const isForCluster = !isRouteHost && visit.target.segments[0] === 'clusters' && visit.target.segments.length > 1
        // What is not handed over speaks no other protocol; other offers (h2c) may be passed over (RFC 9110 7.8).
        if (upgrade === undefined && offersUpgrade(visit.head.values.get('upgrade'))) throw refusedOffer(visit.head)
        if (isForCluster) return await toCluster(visit)
        if (upgrade !== undefined) return await toWebSocket(visit, host)
        form = wantsPage(visit) ? 'page' : 'problem'
        if (host === undefined && hostname !== signInHostname && isLedToPublicUrl(visit, parts.origin))
          return answerRedirect(response, parts.origin + visit.target.raw, requestId)
        await (isRouteHost ? onRouteHost(visit, host, form) : onSignInHost(visit, host, form))
      } catch (error) {
        const reason = reasonOf(error, parts.log)
        if (reason.code === 'host_unknown') about = askedHost(request.headers.host)
        const refusal = await refusals.record(request.method ?? '', requestId, address, reason, about)
        const { visit, host } = refused
        const isTheirs = form === 'page' && refusal.code === 'denied' && visit !== undefined && host?.isSignInHost !== false
        const caller = isTheirs ? await parts.youAre.asker(visit) : undefined
        await refuse(response, requestId, form, refusal, { ...refused, caller })
      }
    },
    async refuseUnread(peer, refusal) {
      await refusals.unread(parts.addressOf(peer, undefined), refusal)
    },
  }
}

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
import { access, type Outcome, reasonOf, type Steps } from '../access.ts'
import type { AuditSink } from '../audit/audit-sink.ts'
import type { Presented } from '../authenticate/authenticator.ts'
import { Refusal } from '../errors.ts'
import type { Act, Grant } from '../grant.ts'
import type { Log } from '../log.ts'
import { type Metrics, methodLabel, statusLabel } from '../metrics.ts'
import { Secret } from '../secret.ts'
import { answerRefusal, type Form } from './answers.ts'
import { type BrokeredAttempt, brokeredAttempt, type OperationIndex } from './brokered.ts'
import { type Cluster, type ClusterAttempt, clusterAttempt } from './clusters.ts'
import type { CommandLineEndpoint } from './command-line.ts'
import type { Cookies } from './cookies.ts'
import type { HostSignIn } from './host-sessions.ts'
import type { InFlight, Place } from './in-flight.ts'
import { type RequestHead, readHead } from './request-head.ts'
import { readTarget } from './request-target.ts'
import { type Route, type RouteAttempt, type RouteHost, routeAttempt } from './routes.ts'
import type { SignInEndpoints } from './sign-in.ts'
import type { SignOutEndpoints } from './sign-out.ts'
import { offersUpgrade, readSubprotocols } from './upgrades.ts'
import { type Upgrade, type Visit, wantsPage } from './visit.ts'
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
export function presentedBy(cookies: Cookies, self: string): (visit: Visit, writes: boolean) => Presented {
  return ({ head, request }, writes) => {
    return {
      method: request.method ?? 'GET',
      writes,
      cookie: cookies.login(head.values.get('cookie')),
      authorization: authorizationOf(head),
      self,
      origin: head.values.get('origin'),
      fetchSite: head.values.get('sec-fetch-site'),
    }
  }
}

function authorizationOf(head: RequestHead): Secret | undefined {
  const authorization = head.values.get('authorization')
  const { bearer } = readSubprotocols(head)
  if (bearer !== undefined && authorization !== undefined) throw new Refusal('two_credentials')
  if (bearer !== undefined) return bearer
  return authorization === undefined ? undefined : new Secret(authorization)
}

export function createGateway(parts: GatewayParts): Gateway {
  const presentedOf = presentedBy(parts.cookies, parts.origin)
  const signInHostname = new URL(parts.origin).hostname

  const enter = (request: IncomingMessage, response: ServerResponse, upgrade: Upgrade | undefined, requestId: string) => {
    const head = readHead(request.rawHeaders)
    const hostname = hostnameOf(head)
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

  /** The refusal with which it ended, or undefined when it was answered. */
  const journey = async (prepared: ClusterAttempt | RouteAttempt | BrokeredAttempt): Promise<Refusal | undefined> => {
    const { attempt, stream } = prepared
    const began = performance.now()
    const place = parts.inFlight.place(parts.steps.authorizer, stream)
    const act = 'mayGoOn' in prepared && prepared.mayGoOn ? countedOnceItGoesOn(prepared.act, place) : prepared.act
    const outcome = await access({ ...parts.steps, authorizer: place.authorizer }, attempt, act).finally(place.leave)
    const route = `${attempt.resource.type}/${attempt.resource.id}`
    parts.metrics.count('mandate_requests_total', {
      route,
      method: methodLabel(attempt.presented.method),
      status: statusLabel(statusOf(outcome)),
    })
    const wentOn = stream || (outcome.result === 'acted' && outcome.acted.result === 'stream-closed')
    if (!wentOn) parts.metrics.observe('mandate_request_duration_seconds', { route }, (performance.now() - began) / 1000)
    return outcome.result === 'refused' ? outcome.refusal : undefined
  }

  const toCluster = async (visit: Visit): Promise<void> => {
    const refusal = await journey(clusterAttempt(parts.clusters, visit, presentedOf, parts.bodyLimit))
    if (refusal !== undefined) refuse(visit.response, visit.requestId, 'status', refusal)
  }

  /** True when the request was for an operation. */
  const toOperation = async (visit: Visit, hostname: string, presented: typeof presentedOf, routed: boolean): Promise<boolean> => {
    const found = parts.operations.get(hostname)?.find(visit, routed)
    if (found === undefined) return false
    const refusal = await journey(brokeredAttempt(found, visit, presented, parts.bodyLimit))
    if (refusal !== undefined) refuse(visit.response, visit.requestId, 'problem', refusal)
    return true
  }

  const toRoute = async (visit: Visit, host: RouteHost, route: Route, form: Form): Promise<void> => {
    const prepared = routeAttempt(host, route, visit, parts.bodyLimit)
    const refusal = await journey(prepared)
    if (refusal === undefined) return
    // Whoever opens a page and is nobody yet is led to sign in; a tool, and who showed a bearer, is told.
    const leads = refusal.status === 401 && route.persons && prepared.attempt.presented.authorization === undefined
    if (!leads || !opensPage(visit) || visit.response.headersSent) return refuse(visit.response, visit.requestId, form, refusal)
    parts.metrics.count('mandate_refusals_total', { reason: refusal.code })
    parts.hostSignIn.lead(visit, host)
  }

  /** Everything on a host that is not the sign-in host. */
  const onRouteHost = async (visit: Visit, host: RouteHost, form: Form): Promise<void> => {
    const [first, second, ...rest] = visit.target.segments
    if (first === '.mandate') {
      if (second === 'session' && rest.length === 0) return parts.hostSignIn.session(visit, host)
      throw new Refusal('not_found')
    }
    const route = host.find(visit.target.segments)
    if (await toOperation(visit, host.hostname, host.presentedOf, route !== undefined)) return
    if (route === undefined) throw new Refusal('not_found')
    await toRoute(visit, host, route, form)
  }

  /** Everything on the sign-in host but /clusters. */
  const onSignInHost = async (visit: Visit, host: RouteHost | undefined, form: Form): Promise<void> => {
    const endpoint = endpointOf(visit)
    if (endpoint !== undefined) return endpoint(visit)
    const route = host?.find(visit.target.segments)
    if (await toOperation(visit, signInHostname, presentedOf, route !== undefined)) return
    if (host === undefined || route === undefined) throw new Refusal('not_found')
    await toRoute(visit, host, route, form)
  }

  const refuse = (response: ServerResponse, requestId: string, form: Form, refusal: Refusal) => {
    parts.metrics.count('mandate_refusals_total', { reason: refusal.code })
    // Absolute, because it may be said on a host that nobody signs in on.
    answerRefusal({ response, requestId, form, signIn: `${parts.origin}/login` }, refusal)
  }

  /** Refusals outside the journey are recorded here; inside it `access` has done so. */
  const recordRefusal = async (method: string, requestId: string, address: string, refusal: Refusal): Promise<Refusal> => {
    try {
      const action = methodLabel(method).toLowerCase()
      await parts.audit.record({
        event: 'refused',
        attempt: requestId,
        address,
        who: undefined,
        action,
        resource: 'gateway',
        properties: {},
        code: refusal.code,
        detail: refusal.detail,
        count: 1,
      })
      return refusal
    } catch {
      return new Refusal('audit_unavailable')
    }
  }

  return {
    async answer(request, response, upgrade) {
      const requestId = randomUUID()
      let form: Form = request.url?.startsWith('/clusters/') ? 'status' : 'problem'
      let address = addressOf(request)
      // A write to a socket that is gone is the caller's departure, not a fault.
      response.on('error', () => undefined)
      try {
        const { visit, hostname } = enter(request, response, upgrade, requestId)
        address = visit.address
        const host = parts.routeHosts.get(hostname)
        const isRouteHost = host?.isSignInHost === false
        // Elsewhere nothing speaks another protocol; other offers (h2c) may be passed over (RFC 9110 7.8).
        if ((upgrade === undefined || isRouteHost) && offersUpgrade(visit.head.values.get('upgrade')))
          throw new Refusal('upgrade_unsupported')
        if (!isRouteHost && visit.target.segments[0] === 'clusters' && visit.target.segments.length > 1) return await toCluster(visit)
        form = wantsPage(visit) ? 'page' : 'problem'
        await (isRouteHost ? onRouteHost(visit, host, form) : onSignInHost(visit, host, form))
      } catch (error) {
        refuse(response, requestId, form, await recordRefusal(request.method ?? '', requestId, address, reasonOf(error, parts.log)))
      }
    },
    async refuseUnread(peer, refusal) {
      parts.metrics.count('mandate_refusals_total', { reason: refusal.code })
      await recordRefusal('', randomUUID(), parts.addressOf(peer, undefined), refusal)
    },
  }
}

/** Counts an attempt among the streams from when its answer turns out to be one; there must be a place left. */
function countedOnceItGoesOn(act: Act, place: Place): Act {
  return (grant) => {
    const streamOpened: Grant['streamOpened'] = async (upstreamAuditId) => {
      place.goesOn()
      await grant.streamOpened(upstreamAuditId)
    }
    return act({ ...grant, streamOpened })
  }
}

function statusOf(outcome: Outcome): number {
  return outcome.result === 'refused' ? outcome.refusal.status : outcome.acted.status
}

/** True when a browser opens a page, not when a script of one asks for HTML: it could not follow to another origin. */
function opensPage(visit: Visit): boolean {
  const mode = visit.head.values.get('sec-fetch-mode')
  return wantsPage(visit) && (mode === undefined || mode === 'navigate')
}

/**
 * The name in the Host header, without its port; '' for what is none. A name that is not ours is refused: DNS rebinding
 * ends here, and no cache in front is poisoned.
 */
function hostnameOf(head: RequestHead): string {
  const host = head.values.get('host')?.toLowerCase() ?? ''
  return /^(\[[0-9a-f:]+\]|[a-z0-9.-]+)(?::\d{1,5})?$/.exec(host)?.[1] ?? ''
}

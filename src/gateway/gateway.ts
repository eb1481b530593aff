/**
 * Door 1: HTTP. Framing first, then either the journey or one of the few endpoints outside it.
 *
 * The endpoints outside the journey are the ones that make or end callers, and the two that show who one is:
 * /, /login, /callback/{provider}, /logout, /back-channel-logout/{provider}, /whoami, and /.mandate/command-line. Everything else is the journey
 * or a 404. Health and metrics are on a port of their own (`operations.ts`).
 */
import { randomUUID } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { access, type Outcome, reasonOf, type Steps } from '../access.ts'
import type { AuditSink } from '../audit/audit-sink.ts'
import type { Presented } from '../authenticate/authenticator.ts'
import { Refusal } from '../errors.ts'
import type { Log } from '../log.ts'
import { type Metrics, methodLabel, statusLabel } from '../metrics.ts'
import { Secret } from '../secret.ts'
import { answerRefusal, type Form } from './answers.ts'
import { type Cluster, clusterAttempt } from './clusters.ts'
import type { CommandLineEndpoint } from './command-line.ts'
import type { Cookies } from './cookies.ts'
import type { InFlight } from './in-flight.ts'
import { type RequestHead, readHead } from './request-head.ts'
import { readTarget } from './request-target.ts'
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
  readonly signIn: SignInEndpoints
  readonly signOut: SignOutEndpoints
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

/** What authenticators may see of a visit. */
export function presentedBy(cookies: Cookies): (visit: Visit, writes: boolean) => Presented {
  return ({ head, request }, writes) => {
    return {
      method: request.method ?? 'GET',
      writes,
      cookie: cookies.login(head.values.get('cookie')),
      authorization: authorizationOf(head),
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
  const presentedOf = presentedBy(parts.cookies)

  const enter = (request: IncomingMessage, response: ServerResponse, upgrade: Upgrade | undefined, requestId: string): Visit => {
    const head = readHead(request.rawHeaders)
    checkHost(parts, head)
    const target = readTarget(request.url ?? '')
    return { request, response, upgrade, requestId, head, target, address: addressOf(request, head) }
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

  const journey = async (visit: Visit): Promise<void> => {
    const began = performance.now()
    const { attempt, act, stream } = clusterAttempt(parts.clusters, visit, presentedOf, parts.bodyLimit)
    const place = parts.inFlight.place(parts.steps.authorizer, stream)
    const outcome = await access({ ...parts.steps, authorizer: place.authorizer }, attempt, act).finally(place.leave)
    const route = `cluster/${attempt.resource.id}`
    parts.metrics.count('mandate_requests_total', {
      route,
      method: methodLabel(attempt.presented.method),
      status: statusLabel(statusOf(outcome)),
    })
    if (!stream) parts.metrics.observe('mandate_request_duration_seconds', { route }, (performance.now() - began) / 1000)
    if (outcome.result === 'refused') refuse(visit.response, visit.requestId, 'status', outcome.refusal)
  }

  const refuse = (response: ServerResponse, requestId: string, form: Form, refusal: Refusal) => {
    parts.metrics.count('mandate_refusals_total', { reason: refusal.code })
    answerRefusal({ response, requestId, form }, refusal)
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
        const visit = enter(request, response, upgrade, requestId)
        address = visit.address
        // Elsewhere nothing speaks another protocol; other offers (h2c) may be passed over (RFC 9110 7.8).
        if (upgrade === undefined && offersUpgrade(visit.head.values.get('upgrade'))) throw new Refusal('upgrade_unsupported')
        if (visit.target.segments[0] === 'clusters' && visit.target.segments.length > 1) return await journey(visit)
        if (wantsPage(visit)) form = 'page'
        const endpoint = endpointOf(visit)
        if (endpoint === undefined) throw new Refusal('not_found')
        await endpoint(visit)
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

function statusOf(outcome: Outcome): number {
  return outcome.result === 'refused' ? outcome.refusal.status : outcome.acted.status
}

/** A name that is not ours is refused: DNS rebinding ends here, and no cache in front is poisoned. */
function checkHost({ hostnames }: GatewayParts, head: RequestHead): void {
  const host = head.values.get('host')?.toLowerCase() ?? ''
  if (!/^(\[[0-9a-f:]+\]|[a-z0-9.-]+)(:\d{1,5})?$/.test(host)) throw new Refusal('host_unknown')
  if (!hostnames.has(host.replace(/:\d+$/, ''))) throw new Refusal('host_unknown')
}

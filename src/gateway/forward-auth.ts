/**
 * Forward-auth: GET /authorize, where a proxy asks before it forwards a request by itself.
 *
 * The question runs the same journey as a request that Mandate forwards; only the act differs. It answers 200 with the
 * headers that say who asks and the credential, if the route has one, and the proxy puts them on the request.
 *
 * Security: this is a listener of its own for listed peers, never a path on the public ports: there a caller could ask
 * with headers of their own. What is decided on is the request that the proxy tells of; of the question itself only
 * path, method and the lack of a body are looked at. Whatever opens a channel counts as a write, because here nobody sees what
 * passes through it. `/.mandate/` is the proxy's to lead to the public port, so no service is ever granted the codes that
 * arrive there.
 */
import { randomUUID } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { reasonOf } from '../access.ts'
import { present } from '../credential.ts'
import { Refusal } from '../errors.ts'
import type { Act } from '../grant.ts'
import type { Caller } from '../principal.ts'
import { answered, answerRedirect, type Form } from './answers.ts'
import { misspelled, refuseUnpassable } from './forward-auth-caller.ts'
import { type HeaderFamily, readAsked } from './forward-auth-request.ts'
import type { Gateway, GatewayParts } from './gateway.ts'
import { createJourney, routeLabel } from './journey.ts'
import { askedHost, createRefusals, type RefusalParts, type Refused } from './refusals.ts'
import { type RequestHead, readHead } from './request-head.ts'
import { isLed, type RouteHost, type RouteQuestion, requireRoute, routeQuestion } from './routes.ts'
import { seemsToWantPage, type Visit, wantsPage } from './visit.ts'

export interface ForwardAuthParts
  extends Pick<GatewayParts, 'steps' | 'audit' | 'metrics' | 'log' | 'routeHosts' | 'origin' | 'hostSignIn' | 'inFlight'>,
    Pick<RefusalParts, 'youAre'> {
  /** By which headers the proxy says what it was asked. */
  readonly headers: HeaderFamily
  /** The caller's address, by what the listed proxies say. */
  readonly addressOf: GatewayParts['addressOf']
}

/** The proxy passes redirects to the browser (Caddy, Traefik), or knows 401 alone and redirects by itself (nginx). */
const QUESTIONS: ReadonlyMap<string, 'told' | 'redirected'> = new Map([
  ['/authorize', 'told'],
  ['/authorize?sign-in=redirect', 'redirected'],
])

const OTHER_PROTOCOL: Readonly<Record<HeaderFamily, string>> = {
  'x-forwarded': 'have the proxy say the protocol of publicUrl in X-Forwarded-Proto',
  'x-original': 'have the proxy say the protocol of publicUrl in X-Original-URL',
}

/** What the listener of its own answers through. */
export function createForwardAuth(parts: ForwardAuthParts): Gateway {
  const { routeHosts, headers, hostSignIn, log } = parts
  const journey = createJourney(parts)
  const refusals = createRefusals(parts)
  const addressOf = (request: IncomingMessage, head?: RequestHead) =>
    parts.addressOf(request.socket.remoteAddress, head?.values.get('x-forwarded-for'))

  /** The request that is asked about, as a visit to its host. */
  const enter = (
    request: IncomingMessage,
    response: ServerResponse,
    requestId: string,
    heard: (host: string) => void,
  ): { visit: Visit; host: RouteHost } => {
    const head = readHead(request.rawHeaders)
    refuseBody(head)
    refuseUnpassable(head)
    const { method, protocol, host: asked, hostname, target } = readAsked(request.rawHeaders, headers)
    heard(asked)
    const host = routeHosts.get(hostname)
    if (host === undefined) throw new Refusal('host_unknown')
    if (protocol !== host.protocol) throw new Refusal('host_unknown', { detail: OTHER_PROTOCOL[headers] })
    // From here on it is the request that is decided on, whose headers it has; its own method is known to be GET.
    request.method = method
    return { visit: { request, response, upgrade: undefined, requestId, head, target, address: addressOf(request, head) }, host }
  }

  const decide = async (visit: Visit, host: RouteHost, form: Form, notSignedIn: 'told' | 'redirected'): Promise<void> => {
    const { response, requestId, target, request } = visit
    if (target.segments[0] === '.mandate') throw new Refusal('not_found')
    const found = requireRoute(host.find(target.segments, request.method ?? ''))
    const { route } = found
    // What Mandate forwards by itself is not for others to forward.
    if (route.upstream !== undefined) throw new Refusal('not_found')
    // Like another method, it is refused by name: who spells so means it.
    const unclear = misspelled(request.rawHeaders, route.withheld)
    const asked = unclear === undefined ? found : { route, refusal: unclear }
    const question = routeQuestion(host, asked, visit, opensChannel(visit.head))
    const prepared = { attempt: question.attempt, act: permitting(response, question), stream: false }
    let caller: Caller | undefined
    const refusal = await journey(prepared, (heard) => {
      caller = heard
    })
    if (refusal === undefined) return
    const name = routeLabel(prepared)
    const refused: Refused = { route: name, visit, host, persons: route.persons, caller }
    if (!isLed(visit, route, question.attempt.presented, refusal) || response.headersSent)
      return refusals.answer(response, requestId, form, refusal, refused)
    const way = hostSignIn.wayFor(visit, host)
    if (notSignedIn === 'told') {
      response.setHeader('Location', way)
      return refusals.answer(response, requestId, form, refusal, refused)
    }
    refusals.count(refusal, name)
    answerRedirect(response, way, requestId)
  }

  return {
    async answer(request, response) {
      const requestId = randomUUID()
      let form: Form = 'problem'
      let address = addressOf(request)
      let asked: string | undefined
      let refused: Refused = {}
      response.on('error', () => undefined)
      try {
        const notSignedIn = QUESTIONS.get(request.url ?? '')
        if (notSignedIn === undefined) throw new Refusal('not_found')
        if (request.method !== 'GET') {
          response.setHeader('Allow', 'GET')
          throw new Refusal('method_unsupported')
        }
        form = seemsToWantPage(request) ? 'page' : 'problem'
        const { visit, host } = enter(request, response, requestId, (heard) => {
          asked = heard
        })
        address = visit.address
        refused = { visit, host }
        form = wantsPage(visit) ? 'page' : 'problem'
        await decide(visit, host, form, notSignedIn)
      } catch (error) {
        const reason = reasonOf(error, log)
        const about = reason.code === 'host_unknown' ? askedHost(asked) : undefined
        const refusal = await refusals.record(request.method ?? '', requestId, address, reason, about)
        await refusals.answer(response, requestId, form, refusal, refused)
      }
    },
    refuseUnread(peer, refusal) {
      return refusals.unread(parts.addressOf(peer, undefined), refusal)
    },
  }
}

/** Lets the proxy forward. A write is recorded before that: what becomes of it is not ours to see. */
function permitting(response: ServerResponse, { attempt, writes, effect }: RouteQuestion): Act {
  return async (grant) => {
    if (writes) await grant.effect(effect)
    for (const [name, value] of present(grant.credential)) response.setHeader(name, value)
    const bytes = await answered(response, 200, undefined, attempt.id)
    return { result: 'completed', status: 200, bytes, upstreamAuditId: undefined, cause: 'complete' }
  }
}

/** A body is the caller's, which the proxy keeps: one that came along could end where the proxy does not think. */
function refuseBody({ values }: RequestHead): void {
  if (values.has('transfer-encoding') || (values.get('content-length') ?? '0') !== '0')
    throw new Refusal('question_unclear', { detail: 'a question has no body' })
}

/** Proxies drop `Upgrade` from a question, yet not the rest of a WebSocket handshake. */
function opensChannel({ values }: RequestHead): boolean {
  return values.has('upgrade') || values.has('sec-websocket-key') || values.get('sec-fetch-mode') === 'websocket'
}

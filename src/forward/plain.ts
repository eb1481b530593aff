/**
 * Acts on an HTTP service: sends the request on with the caller's identity and passes the answer back as it comes.
 *
 * An event stream (`text/event-stream`) goes on by design; when it is ended its client connects anew and is decided on
 * anew. No request is sent twice: what a service does with one is not ours to know.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { Refusal } from '../errors.ts'
import type { Act } from '../grant.ts'
import { callerBody } from './caller-body.ts'
import { Ends } from './ends.ts'
import { type ExchangeTarget, exchange, type PassedHead } from './exchange.ts'
import { type Arrival, inboundRouteHeaders, outboundRouteHeaders } from './route-headers.ts'
import type { UpstreamHead } from './upstream.ts'

export interface PlainRequest {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  /** Path and query, the bytes that were decided on. */
  readonly path: string
  /** What the service is told of where the request came from. */
  readonly arrival: Arrival
  /** True when the method can change something. */
  readonly writes: boolean
  /** What is recorded as the effect of a write. */
  readonly effect: string
  readonly bodyLimit: number
}

export interface PlainUpstream extends ExchangeTarget {
  /** Origin of the service, by which it may name itself in `Location`. */
  readonly origin: string
}

/** An act for one request. Before the answer's head is written it throws Refusals; after that it reports. */
export function plainAct(target: PlainUpstream, asked: PlainRequest): Act {
  return async (grant) => {
    const { request, response, path, arrival } = asked
    const body = callerBody(request, response, asked.bodyLimit)
    if (asked.writes) await grant.effect(asked.effect)
    const ends = new Ends(grant, response, target.stopping)
    const headers = outboundRouteHeaders(request.rawHeaders, arrival, grant.credential)
    try {
      const acted = await exchange(
        target,
        { request, response, path, body, headers, pass: (head) => pass(target, asked, head) },
        grant,
        ends,
      )
      if (acted === 'again') throw new Refusal('fault')
      return acted
    } finally {
      ends.release()
    }
  }
}

function pass({ origin }: PlainUpstream, { request, arrival }: PlainRequest, head: UpstreamHead): PassedHead {
  const headers = inboundRouteHeaders(head.headers, origin, `${arrival.protocol}://${arrival.host}`, head.status)
  const goesOn = head.status === 200 && request.method !== 'HEAD' && isEventStream(headers)
  return { headers, upstreamAuditId: undefined, goesOn, piecewise: true }
}

function isEventStream(headers: readonly (readonly [string, string])[]): boolean {
  return headers.some(([name, value]) => /^content-type$/i.test(name) && /^text\/event-stream\s*(?:;|$)/i.test(value))
}

/**
 * Acts on an HTTP service: sends the request on with the caller's identity and passes the answer back as it comes.
 *
 * An event stream (`text/event-stream`) goes on by design; when it is ended its client connects anew and is decided on
 * anew. A request is sent twice for two reasons alone. The service did not take the caller's token (401), another one may
 * be had, and the request has no body: then once more with that. Or no answer to it was begun, and it may be sent again
 * (`retry.ts`): then to another server where there is one. Each time that something may be changed is recorded as an
 * effect of its own.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Act } from '../grant.ts'
import { callerBody } from './caller-body.ts'
import { Ends } from './ends.ts'
import { type ExchangeBounds, exchange, type PassedHead } from './exchange.ts'
import { isIdempotent, nextAfter } from './retry.ts'
import { type Arrival, inboundRouteHeaders, outboundRouteHeaders } from './route-headers.ts'
import type { Servers, UpstreamHead } from './upstream.ts'

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

export interface PlainUpstream extends ExchangeBounds {
  readonly servers: Servers
  /** Origins of its servers, by which it may name itself in `Location`. */
  readonly origins: ReadonlySet<string>
  /** How often a request may be sent again when no answer to it was begun. */
  readonly retries: number
  /** Told each time that one is. */
  readonly retried: () => void
  /** True when callers may change to WebSocket there. */
  readonly webSockets: boolean
}

/** An act for one request. Before the answer's head is written it throws Refusals; after that it reports. */
export function plainAct(target: PlainUpstream, asked: PlainRequest): Act {
  return async (grant) => {
    const { request, response, path, arrival, writes, effect } = asked
    const body = callerBody(request, response, asked.bodyLimit)
    if (writes) await grant.effect(effect)
    const ends = new Ends(grant, response, target.stopping)
    let { credential } = grant
    let mayRenew = body === undefined && credential.kind === 'bearer'
    let retriesLeft = body === undefined && isIdempotent(request.method) ? target.retries : 0
    const passHead = (head: UpstreamHead) =>
      mayRenew && head.status === 401 && grant.refused(credential) ? 'again' : pass(target, asked, head)
    try {
      let upstream = target.servers.next()
      for (;;) {
        const headers = outboundRouteHeaders(request.rawHeaders, arrival, credential)
        let refused = false
        try {
          const acted = await exchange(target, { upstream, request, response, path, body, headers, pass: passHead }, grant, ends)
          if (acted !== 'again') return acted
          refused = true
        } catch (error) {
          const next = retriesLeft === 0 || ends.over ? undefined : nextAfter(error, target.servers, upstream)
          if (next === undefined) throw error
          upstream = next
        }
        if (refused) {
          mayRenew = false
          credential = await grant.renew()
        } else {
          retriesLeft -= 1
          target.retried()
        }
        // Nothing is sent for who has left.
        if (writes && !ends.over) await grant.effect(effect)
      }
    } finally {
      ends.release()
    }
  }
}

function pass({ origins }: PlainUpstream, { request, arrival }: PlainRequest, head: UpstreamHead): PassedHead {
  const headers = inboundRouteHeaders(head.headers, origins, `${arrival.protocol}://${arrival.host}`, head.status)
  const goesOn = head.status === 200 && request.method !== 'HEAD' && isEventStream(headers)
  return { headers, upstreamAuditId: undefined, goesOn, piecewise: true }
}

function isEventStream(headers: readonly (readonly [string, string])[]): boolean {
  return headers.some(([name, value]) => /^content-type$/i.test(name) && /^text\/event-stream\s*(?:;|$)/i.test(value))
}

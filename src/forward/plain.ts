/**
 * Acts on an HTTP service: sends the request on with the caller's identity and passes the answer back as it comes.
 *
 * An event stream (`text/event-stream`) goes on by design: it is recorded at its start and end and ends with a proper
 * last chunk when the caller's proof ends, at `streams.maxAge`, or when this replica stops; its client then connects
 * anew and is decided on anew. Any other answer lives no longer either, and one that ends early is cut, so that half a
 * page never looks whole. No request is sent twice: what a service does with one is not ours to know.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { HeaderLine } from '../credential.ts'
import { Refusal } from '../errors.ts'
import type { Act, Acted, Grant } from '../grant.ts'
import { callerBody } from './caller-body.ts'
import { Ends, whyEnded } from './ends.ts'
import { finished, unlessOver } from './finished.ts'
import { type Arrival, inboundRouteHeaders, outboundRouteHeaders } from './route-headers.ts'
import type { Forwarded, OnHead, Upstream, UpstreamHead } from './upstream.ts'

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

export interface PlainUpstream {
  readonly upstream: Upstream
  /** Origin of the service, by which it may name itself in `Location`. */
  readonly origin: string
  readonly streamMaxAgeMs: number
  readonly answerWithinMs: number
  /** Told when an event stream begins (+1) and ends (-1). */
  readonly liveStreams: (change: 1 | -1) => void
  /** Fires when this replica stops. */
  readonly stopping: AbortSignal
}

/** How long a caller may take to fetch the rest of an answer that is over, or that was ended. */
const REST_WITHIN_MS = 60_000
const REST_WITHIN_MS_WHEN_ENDED = 1_000

/** An act for one request. Before the answer's head is written it throws Refusals; after that it reports. */
export function plainAct(target: PlainUpstream, asked: PlainRequest): Act {
  return async (grant) => {
    const body = callerBody(asked.request, asked.response, asked.bodyLimit)
    if (asked.writes) await grant.effect(asked.effect)
    const ends = new Ends(grant, asked.response, target.stopping)
    try {
      return await send(target, asked, grant, body, ends)
    } finally {
      ends.release()
    }
  }
}

async function send(
  target: PlainUpstream,
  asked: PlainRequest,
  grant: Grant,
  body: ReturnType<typeof callerBody>,
  ends: Ends,
): Promise<Acted> {
  const { request, response, arrival } = asked
  const origin = `${arrival.protocol}://${arrival.host}`
  let live = false
  let over = false
  let status = 0

  const begin = (head: UpstreamHead, headers: HeaderLine[]) => {
    status = head.status
    response.writeHead(head.status, flat(headers))
    return response
  }
  const beginStream = async (head: UpstreamHead, headers: HeaderLine[]) => {
    await grant.streamOpened(undefined)
    // Meanwhile the exchange may have ended; then somebody else answers.
    if (over) throw new Refusal('upstream_broke')
    live = true
    target.liveStreams(1)
    ends.live()
    ends.begun(target.streamMaxAgeMs)
    begin(head, headers)
    // The head of a quiet stream must not wait for its first event.
    response.flushHeaders()
    return response
  }
  const onHead: OnHead = (head) => {
    const headers = inboundRouteHeaders(head.headers, target.origin, origin)
    if (head.status === 200 && request.method !== 'HEAD' && isEventStream(headers)) return beginStream(head, headers)
    begin(head, headers)
    unlessOver(response, () => ends.begun(target.streamMaxAgeMs))
    return response
  }

  let forwarded: Forwarded
  try {
    forwarded = await target.upstream.forward(
      {
        method: request.method ?? 'GET',
        path: asked.path,
        headers: outboundRouteHeaders(request.rawHeaders, arrival, grant.credential),
        body,
        cut: ends,
        answerWithinMs: target.answerWithinMs,
      },
      onHead,
    )
  } finally {
    over = true
    if (live) target.liveStreams(-1)
  }
  if (status === 0 && ends.cause === 'caller-gone')
    return { result: 'failed', status, bytes: 0, upstreamAuditId: undefined, cause: ends.cause }
  if (status === 0) throw ends.cause === 'caller-ended' ? whyEnded(grant) : new Refusal('upstream_broke', { detail: 'no answer was begun' })
  const { bytes, end } = forwarded
  const facts = { status, bytes, upstreamAuditId: undefined }
  if (end === 'complete') await finished(response, REST_WITHIN_MS)
  else if (live && end === 'aborted') await finished(response, REST_WITHIN_MS_WHEN_ENDED)
  else response.destroy()
  const cause = ends.cause ?? (end === 'complete' ? 'upstream-ended' : end)
  if (live) return { result: 'stream-closed', cause, ...facts }
  if (end === 'complete') return { result: 'completed', cause: 'complete', ...facts }
  return { result: 'failed', cause, code: 'upstream_broke', ...facts }
}

/** As node takes them. `Array.prototype.flat` is ten times as slow. */
function flat(lines: readonly HeaderLine[]): string[] {
  const all: string[] = []
  for (const line of lines) all.push(line[0], line[1])
  return all
}

function isEventStream(headers: readonly (readonly [string, string])[]): boolean {
  return headers.some(([name, value]) => /^content-type$/i.test(name) && /^text\/event-stream\s*(?:;|$)/i.test(value))
}

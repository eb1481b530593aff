/**
 * Acts on a Kubernetes API server: sends the request on as the caller and passes the answer back.
 *
 * Watches and followed logs go on until the caller leaves, the caller's proof ends, or they are older than
 * `streams.maxAge`; the client then asks again and is decided on anew. They end as a server-side time-out of a watch
 * does, with a proper last chunk. Any other answer lives no longer than that either, and one that ends early is cut, so
 * that half an object never looks whole.
 *
 * Security: of what a target says only the status and an audit id of the usual form are recorded, since a hostile one
 * has the caller's token and could have it written into our log.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Readable } from 'node:stream'
import type { Credential, HeaderLine } from '../credential.ts'
import { Refusal } from '../errors.ts'
import type { Act, Acted, Grant } from '../grant.ts'
import { callerBody } from './caller-body.ts'
import { SANDBOX, shownOnly } from './cookie-answers.ts'
import { type EndCause, Ends, whyEnded } from './ends.ts'
import { finished, unlessOver } from './finished.ts'
import { inboundHeaders, outboundHeaders } from './header-boundary.ts'
import type { Forwarded, OnHead, Upstream, UpstreamHead } from './upstream.ts'

export interface KubernetesRequest {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  /** Path and query for the API server, cut from the bytes that were decided on. */
  readonly path: string
  /** What stood before that path: where this cluster is to the caller. */
  readonly mount: string
  /** True for what goes on by design: a watch, followed logs, whatever a proxied service answers. */
  readonly stream: boolean
  /** True when whatever came so far is whole by itself, as events and lines are: such a stream may be ended properly. */
  readonly piecewise: boolean
  /** True when the verb can change something. */
  readonly writes: boolean
  /** What is recorded as the effect of a write. */
  readonly effect: string
  readonly bodyLimit: number
}

export interface KubernetesUpstream {
  readonly upstream: Upstream
  readonly streamMaxAgeMs: number
  readonly answerWithinMs: number
  /** Told when an answer that goes on begins (+1) and ends (-1). */
  readonly liveStreams: (change: 1 | -1) => void
  /** Fires when this replica stops: answers that go on are then ended as if they had reached their age. */
  readonly stopping: AbortSignal
}

/** How long a caller may take to fetch the rest of an answer that is over, or that was ended. */
const REST_WITHIN_MS = 60_000
const REST_WITHIN_MS_WHEN_ENDED = 1_000
/** API servers use UUIDs. No token fits: it has dots, or is longer. */
const AUDIT_ID = /^[A-Za-z0-9-]{1,64}$/

/** An act for one request. Before the answer's head is written it throws Refusals; after that it reports. */
export function kubernetesAct(target: KubernetesUpstream, asked: KubernetesRequest): Act {
  return async (grant) => {
    const body = callerBody(asked.request, asked.response, asked.bodyLimit)
    if (asked.writes) await grant.effect(asked.effect)
    const ends = new Ends(grant, asked.response, target.stopping)
    try {
      const first = await send(target, asked, grant, grant.credential, body, ends, body === undefined)
      if (first !== 'again') return first
      const renewed = await grant.renew()
      const second = await send(target, asked, grant, renewed, undefined, ends, false)
      if (second === 'again') throw new Refusal('fault')
      return second
    } finally {
      ends.release()
    }
  }
}

async function send(
  target: KubernetesUpstream,
  asked: KubernetesRequest,
  grant: Grant,
  credential: Credential,
  body: Readable | undefined,
  ends: Ends,
  mayRepeat: boolean,
): Promise<Acted | 'again'> {
  const { request, response, path } = asked
  let again = false
  let live = false
  let over = false
  let status = 0
  let auditId: string | undefined

  const begin = (head: UpstreamHead, headers: HeaderLine[]) => {
    status = head.status
    response.writeHead(head.status, [...headers, ...SANDBOX].flat())
    return response
  }
  const beginStream = async (head: UpstreamHead, headers: HeaderLine[]) => {
    await grant.streamOpened(auditId)
    // Meanwhile the exchange may have ended; then somebody else answers.
    if (over) throw new Refusal('upstream_broke')
    live = true
    target.liveStreams(1)
    ends.live()
    ends.begun(target.streamMaxAgeMs)
    begin(head, headers)
    // The head of a quiet watch must not wait for its first event.
    response.flushHeaders()
    return response
  }
  const onHead: OnHead = (head) => {
    if (head.status === 401 && mayRepeat) {
      again = true
      return undefined
    }
    const headers = inboundHeaders(head.headers, asked.mount)
    auditId = auditIdOf(headers)
    if (grant.caller.proof.kind === 'login' && hasBody(request.method, head) && !shownOnly(headerOf(headers, 'content-type'))) {
      throw new Refusal('content_refused')
    }
    if (asked.stream && head.status === 200) return beginStream(head, headers)
    begin(head, headers)
    unlessOver(response, () => ends.begun(target.streamMaxAgeMs))
    return response
  }

  let forwarded: Forwarded
  try {
    forwarded = await target.upstream.forward(
      {
        method: request.method ?? 'GET',
        path,
        headers: outboundHeaders(request.rawHeaders, credential),
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
  if (again) return 'again'
  if (status === 0 && ends.cause === 'caller-gone')
    return { result: 'failed', status, bytes: 0, upstreamAuditId: auditId, cause: ends.cause }
  if (status === 0) throw ends.cause === 'caller-ended' ? whyEnded(grant) : new Refusal('upstream_broke', { detail: 'no answer was begun' })
  return conclude(response, { ...forwarded, status, auditId, live, piecewise: asked.piecewise, cause: ends.cause })
}

interface Conclusion extends Forwarded {
  readonly status: number
  readonly auditId: string | undefined
  readonly live: boolean
  readonly piecewise: boolean
  readonly cause: EndCause | undefined
}

async function conclude(response: ServerResponse, conclusion: Conclusion): Promise<Acted> {
  const { bytes, end, status, auditId, live, piecewise, cause } = conclusion
  const facts = { status, bytes, upstreamAuditId: auditId }
  const whole = end === 'complete' || (live && piecewise && end === 'aborted')
  if (whole) await finished(response, end === 'aborted' ? REST_WITHIN_MS_WHEN_ENDED : REST_WITHIN_MS)
  else response.destroy()
  const why = cause ?? (end === 'complete' ? 'upstream-ended' : end)
  if (live) return { result: 'stream-closed', cause: why, ...facts }
  return end === 'complete'
    ? { result: 'completed', cause: 'complete', ...facts }
    : { result: 'failed', cause: why, code: 'upstream_broke', ...facts }
}

/** The audit id an API server names, if it has the usual form. */
export function auditIdOf(headers: readonly HeaderLine[]): string | undefined {
  const named = headerOf(headers, 'audit-id') ?? ''
  return AUDIT_ID.test(named) ? named : undefined
}

export function headerOf(lines: readonly HeaderLine[], name: string): string | undefined {
  return lines.find(([key]) => key.toLowerCase() === name)?.[1]
}

function hasBody(method: string | undefined, head: { status: number; headers: readonly HeaderLine[] }): boolean {
  return method !== 'HEAD' && head.status !== 204 && head.status !== 304 && headerOf(head.headers, 'content-length') !== '0'
}

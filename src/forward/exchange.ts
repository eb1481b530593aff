/**
 * One request sent on, and its answer passed back: what acting on a cluster and on an HTTP service have in common.
 *
 * What passes the header boundary, and what goes on by design, each of the two says for itself. Here stands how an answer
 * lives and ends. One that goes on is recorded at its start and at its end; it is ended properly when the caller's proof
 * ends, at `streams.maxAge`, or when this replica stops, if what came so far is whole by itself. Any other answer lives no
 * longer, and one that ends early is cut, so that half an object never looks whole.
 *
 * Security: an answer that may be ended properly before its end is sent without a length. With one that is not met the next
 * answer on the connection, which may be another caller's, would be read as the rest of it.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Readable } from 'node:stream'
import type { HeaderLine } from '../credential.ts'
import { Refusal } from '../errors.ts'
import type { Acted, Grant } from '../grant.ts'
import { type Ends, whyEnded } from './ends.ts'
import { finished, unlessOver } from './finished.ts'
import { isEncoded, withoutLength } from './framing.ts'
import type { Forwarded, OnHead, Upstream, UpstreamHead } from './upstream.ts'

/** How long answers may take, and who is told of those that go on. */
export interface ExchangeBounds {
  readonly streamMaxAgeMs: number
  readonly answerWithinMs: number
  /** How long an answer that does not go on may pause once it has begun; undefined for `streamMaxAgeMs`. */
  readonly pauseMs?: number
  /** Told when an answer that goes on begins (+1) and ends (-1). */
  readonly liveStreams: (change: 1 | -1) => void
  /** Fires when this replica stops: answers that go on are then ended as if they had reached their age. */
  readonly stopping: AbortSignal
}

/** Where requests go, and how long answers may take. */
export interface ExchangeTarget extends ExchangeBounds {
  readonly upstream: Upstream
}

/** What of an answer's head passes on, and what kind of answer it begins. */
export interface PassedHead {
  readonly headers: readonly HeaderLine[]
  readonly upstreamAuditId: string | undefined
  /** True for what goes on by design. */
  readonly goesOn: boolean
  /** True when whatever came so far is whole by itself, as events and lines are: then it may be ended properly, unless it is encoded. */
  readonly piecewise: boolean
}

export interface Exchanged {
  readonly upstream: Upstream
  readonly request: IncomingMessage
  readonly response: ServerResponse
  /** Path and query, the bytes that were decided on. */
  readonly path: string
  readonly body: Readable | undefined
  /** As the header boundary made them: name, value, name, value. */
  readonly headers: string[]
  /** Reads the answer's head. Throws a Refusal for an answer that must not pass; `again` drops it unread. */
  readonly pass: (head: UpstreamHead) => PassedHead | 'again'
}

/** How long a caller may take to fetch the rest of an answer that is over, or that was ended. */
const REST_WITHIN_MS = 60_000
const REST_WITHIN_MS_WHEN_ENDED = 1_000

/** Runs it to its end. Before the answer's head is written it throws Refusals; after that it reports. */
export async function exchange(target: ExchangeBounds, asked: Exchanged, grant: Grant, ends: Ends): Promise<Acted | 'again'> {
  const { request, response } = asked
  let again = false
  let live = false
  let over = false
  let endable = false
  let passed: PassedHead | undefined
  let status = 0

  const begin = ({ status: begun }: UpstreamHead, headers: PassedHead['headers']) => {
    status = begun
    response.writeHead(begun, flat(headers))
    return response
  }
  const beginStream = async (head: UpstreamHead, passing: PassedHead) => {
    await grant.streamOpened(passing.upstreamAuditId)
    // Meanwhile the exchange may have ended; then somebody else answers.
    if (over) throw new Refusal('upstream_broke')
    live = true
    target.liveStreams(1)
    ends.live()
    ends.begun(target.streamMaxAgeMs)
    endable = passing.piecewise && !isEncoded(passing.headers)
    begin(head, endable ? withoutLength(passing.headers) : passing.headers)
    // The head of a quiet stream must not wait for its first event.
    response.flushHeaders()
    return response
  }
  const onHead: OnHead = (head) => {
    const found = asked.pass(head)
    if (found === 'again') {
      again = true
      return undefined
    }
    passed = found
    if (found.goesOn) return beginStream(head, found)
    begin(head, found.headers)
    ends.pauseMs = target.pauseMs
    unlessOver(response, () => ends.begun(target.streamMaxAgeMs))
    return response
  }

  let forwarded: Forwarded
  try {
    const { upstream, path, headers, body } = asked
    const { answerWithinMs } = target
    forwarded = await upstream.forward({ method: request.method ?? 'GET', path, headers, body, cut: ends, answerWithinMs }, onHead)
  } finally {
    over = true
    if (live) target.liveStreams(-1)
  }
  if (again) return 'again'
  const upstreamAuditId = passed?.upstreamAuditId
  if (status === 0 && ends.cause === 'caller-gone') return { result: 'failed', status, bytes: 0, upstreamAuditId, cause: ends.cause }
  if (status === 0) throw ends.cause === 'caller-ended' ? whyEnded(grant) : new Refusal('upstream_broke', { detail: 'no answer was begun' })
  const { bytes, end } = forwarded
  if (end === 'complete') await finished(response, REST_WITHIN_MS)
  else if (endable && end === 'aborted') await finished(response, REST_WITHIN_MS_WHEN_ENDED)
  else response.destroy()
  const facts = { status, bytes, upstreamAuditId }
  const cause = ends.cause ?? (end === 'complete' ? 'upstream-ended' : end)
  if (live) return { result: 'stream-closed', cause, ...facts }
  if (end === 'complete') return { result: 'completed', cause: 'complete', ...facts }
  return { result: 'failed', cause, code: 'upstream_broke', ...facts }
}

/** As Node takes them; `flat()` would cost ten times as much. */
function flat(lines: readonly HeaderLine[]): string[] {
  const all: string[] = []
  for (const line of lines) all.push(line[0], line[1])
  return all
}

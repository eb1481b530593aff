/**
 * Acts on a Kubernetes API server: sends the request on as the caller and passes the answer back.
 *
 * Watches and followed logs go on until the caller leaves, the caller's proof ends, or they are older than
 * `streams.maxAge`; the client then asks again and is decided on anew. They end as a server-side time-out of a watch
 * does, with a proper last chunk. Any other answer that ends early is cut, so that half an object never looks whole.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { Readable } from 'node:stream'
import type { Act, Acted, Grant } from '../grant.ts'
import type { Credential, HeaderLine } from '../credential.ts'
import { Refusal } from '../errors.ts'
import { SANDBOX, shownOnly } from './cookie-answers.ts'
import { inboundHeaders, outboundHeaders } from './header-boundary.ts'
import type { Forwarded, OnHead, Upstream } from './upstream.ts'

export interface KubernetesRequest {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  /** Path and query for the API server, cut from the bytes that were decided on. */
  readonly path: string
  /** True for a watch or followed logs. */
  readonly stream: boolean
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
}

/** An act for one request. Before the answer's head is written it throws Refusals; after that it reports. */
export function kubernetesAct(target: KubernetesUpstream, asked: KubernetesRequest): Act {
  return async (grant) => {
    const body = bodyOf(asked)
    if (asked.writes) await grant.effect(asked.effect)
    const ends = new Ends(grant, asked.response)
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

/** Why this exchange must end before the upstream ends it. */
class Ends {
  readonly #abort = new AbortController()
  readonly #grant: Grant
  readonly #response: ServerResponse
  readonly #ended = () => this.#fire('caller-ended')
  readonly #closed = () => this.#fire('caller-gone')
  #timer: NodeJS.Timeout | undefined
  cause: 'caller-ended' | 'caller-gone' | 'max-age' | undefined

  constructor(grant: Grant, response: ServerResponse) {
    this.#grant = grant
    this.#response = response
    if (grant.caller.ended.aborted) this.#ended()
    grant.caller.ended.addEventListener('abort', this.#ended, { once: true })
    response.once('close', this.#closed)
  }

  get signal(): AbortSignal {
    return this.#abort.signal
  }

  limitAge(ms: number): void {
    this.#timer = setTimeout(() => this.#fire('max-age'), Math.min(ms, 0x7fffffff))
  }

  release(): void {
    clearTimeout(this.#timer)
    this.#grant.caller.ended.removeEventListener('abort', this.#ended)
    this.#response.removeListener('close', this.#closed)
  }

  #fire(cause: NonNullable<Ends['cause']>): void {
    this.cause ??= cause
    this.#abort.abort()
  }
}

async function send(target: KubernetesUpstream, asked: KubernetesRequest, grant: Grant, credential: Credential, body: Readable | undefined, ends: Ends, mayRepeat: boolean): Promise<Acted | 'again'> {
  const { request, response, path } = asked
  let again = false
  let live = false
  let status = 0
  let auditId: string | undefined

  const onHead: OnHead = async (head) => {
    if (head.status === 401 && mayRepeat) {
      again = true
      return undefined
    }
    const headers = inboundHeaders(head.headers)
    auditId = headerOf(headers, 'audit-id')
    if (grant.caller.proof.kind === 'login' && hasBody(request.method, head) && !shownOnly(headerOf(headers, 'content-type'))) {
      throw new Refusal('content_refused')
    }
    if (asked.stream && head.status === 200) {
      await grant.streamOpened(auditId)
      live = true
      target.liveStreams(1)
      ends.limitAge(target.streamMaxAgeMs)
    }
    if (ends.signal.aborted) throw new Refusal('login_ended')
    status = head.status
    response.writeHead(head.status, [...headers, ...SANDBOX].flat())
    // The head of a quiet watch must not wait for its first event.
    response.flushHeaders()
    return response
  }

  let forwarded: Forwarded
  try {
    forwarded = await target.upstream.forward({ method: request.method ?? 'GET', path, headers: outboundHeaders(request.rawHeaders, credential), body, signal: ends.signal, answerWithinMs: target.answerWithinMs }, onHead)
  } finally {
    if (live) target.liveStreams(-1)
  }
  if (again) return 'again'
  if (status === 0) throw new Refusal(ends.cause === 'caller-ended' ? 'login_ended' : 'upstream_broke', { detail: 'no answer was begun' })
  return conclude(response, { ...forwarded, status, auditId, live, cause: ends.cause })
}

interface Conclusion extends Forwarded {
  readonly status: number
  readonly auditId: string | undefined
  readonly live: boolean
  readonly cause: Ends['cause']
}

async function conclude(response: ServerResponse, { bytes, end, status, auditId, live, cause }: Conclusion): Promise<Acted> {
  const facts = { status, bytes, upstreamAuditId: auditId }
  const whole = end === 'complete' || (live && end === 'aborted')
  if (whole) await finished(response)
  else response.destroy()
  const why = cause ?? (end === 'complete' ? 'upstream-ended' : end)
  if (live) return { result: 'stream-closed', cause: why, ...facts }
  return end === 'complete' ? { result: 'completed', cause: 'complete', ...facts } : { result: 'failed', cause: why, code: 'upstream_broke', ...facts }
}

function finished(response: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    if (response.destroyed) return resolve()
    response.once('close', resolve)
    response.end(() => resolve())
  })
}

/** The request's body as it comes, counted when its length was not announced. Throws `body_too_large`. */
function bodyOf({ request, bodyLimit }: KubernetesRequest): Readable | undefined {
  const announced = request.headers['content-length']
  if (announced !== undefined) {
    if (Number(announced) > bodyLimit) throw new Refusal('body_too_large', { detail: `at most ${bodyLimit} bytes` })
    return Number(announced) === 0 ? undefined : request
  }
  return request.headers['transfer-encoding'] === undefined ? undefined : Readable.from(bounded(request, bodyLimit), { objectMode: false })
}

async function* bounded(request: IncomingMessage, limit: number): AsyncGenerator<Buffer> {
  let seen = 0
  for await (const chunk of request as AsyncIterable<Buffer>) {
    seen += chunk.length
    if (seen > limit) throw new Refusal('body_too_large', { detail: `at most ${limit} bytes` })
    yield chunk
  }
}

function headerOf(lines: readonly HeaderLine[], name: string): string | undefined {
  return lines.find(([key]) => key.toLowerCase() === name)?.[1]
}

function hasBody(method: string | undefined, head: { status: number; headers: readonly HeaderLine[] }): boolean {
  return method !== 'HEAD' && head.status !== 204 && head.status !== 304 && headerOf(head.headers, 'content-length') !== '0'
}

/**
 * Acts on a Kubernetes API server: sends the request on as the caller and passes the answer back.
 *
 * Watches and followed logs go on until the caller leaves, the caller's proof ends, or they are older than
 * `streams.maxAge`; the client then asks again and is decided on anew. They end as a server-side time-out of a watch
 * does, with a proper last chunk.
 *
 * Security: of what a target says only the status and an audit id of the usual form are recorded, since a hostile one
 * has the caller's token and could have it written into our log.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Credential, HeaderLine } from '../credential.ts'
import { Refusal } from '../errors.ts'
import type { Act, Grant } from '../grant.ts'
import { callerBody } from './caller-body.ts'
import { SANDBOX, shownOnly } from './cookie-answers.ts'
import { Ends } from './ends.ts'
import { type ExchangeTarget, exchange, type PassedHead } from './exchange.ts'
import { inboundHeaders, outboundHeaders } from './header-boundary.ts'
import type { UpstreamHead } from './upstream.ts'

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

/** API servers use UUIDs. No token fits: it has dots, or is longer. */
const AUDIT_ID = /^[A-Za-z0-9-]{1,64}$/

/** An act for one request. Before the answer's head is written it throws Refusals; after that it reports. */
export function kubernetesAct(target: ExchangeTarget, asked: KubernetesRequest): Act {
  return async (grant) => {
    const body = callerBody(asked.request, asked.response, asked.bodyLimit)
    if (asked.writes) await grant.effect(asked.effect)
    const ends = new Ends(grant, asked.response, target.stopping)
    const send = (credential: Credential, mayRepeat: boolean) => {
      const { request, response, path } = asked
      const headers = outboundHeaders(request.rawHeaders, credential)
      const pass = (head: UpstreamHead) => passOf(asked, grant, head, mayRepeat)
      return exchange(target, { upstream: target.upstream, request, response, path, body, headers, pass }, grant, ends)
    }
    try {
      const first = await send(grant.credential, body === undefined)
      const last = first === 'again' ? await send(await grant.renew(), false) : first
      if (last === 'again') throw new Refusal('fault')
      return last
    } finally {
      ends.release()
    }
  }
}

/** On the API server's 401 the request is repeated once with a fresh credential, if it had no body and there is one. */
function passOf(asked: KubernetesRequest, grant: Grant, head: UpstreamHead, mayRepeat: boolean): PassedHead | 'again' {
  if (head.status === 401 && mayRepeat && grant.refused(grant.credential)) return 'again'
  const headers = inboundHeaders(head.headers, asked.mount)
  if (grant.caller.proof.kind === 'login' && hasBody(asked.request.method, head) && !shownOnly(headerOf(headers, 'content-type')))
    throw new Refusal('content_refused')
  const goesOn = asked.stream && head.status === 200
  return { headers: [...headers, ...SANDBOX], upstreamAuditId: auditIdOf(headers), goesOn, piecewise: asked.piecewise }
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

/**
 * Bounded HTTP towards one issuer: the only way from Mandate to an identity provider.
 *
 * Security:
 * - Redirects are never followed: a redirect would carry client secrets, codes and refresh tokens to wherever the
 *   answer points. A 3xx is handed on as it is, and everybody above takes only a 200.
 * - Everything is bounded: connecting, waiting for headers, the whole call, the size of the answer, the connections.
 * - A configured CA that cannot be read is an error. It never becomes "no CA" (kube-oidc-proxy's empty CA).
 * - An error says whether bytes of the request may have left this process. Promise 1 hangs on it: undici tells us with
 *   `onRequestStart` just before it writes the head on an open connection, so a failure before that moment (name
 *   resolution, connection, TLS, a full pool) is certainly unsent, and any later one may have been received. Should
 *   undici ever start the same request again, it is broken off: a refresh token must not be written twice.
 * - Everything but a GET has a connection of its own, closed after it. On a kept connection that the issuer has just
 *   closed (a restart, say) a refresh token would be written into the void and its outcome be unknown for nothing.
 * - Errors carry a reason word of ours and an errno code, never a body, a token, a header or a library's message.
 */
import { Agent, type Dispatcher } from 'undici'
import { isLoopbackHost } from '../config/loopback.ts'
import { type SecretSource, secretSource } from '../config/references.ts'
import type { Reference } from '../config/values.ts'
import { codeWord } from '../log.ts'
import { publicAddress } from './public-address.ts'

/** All bounds of one call; milliseconds and bytes. */
export interface IssuerHttpLimits {
  readonly connectMs: number
  readonly headersMs: number
  /** From the first to the last byte, connecting and queueing included. */
  readonly callMs: number
  readonly answerBytes: number
  readonly connections: number
}

export const ISSUER_HTTP_LIMITS: IssuerHttpLimits = {
  connectMs: 5_000,
  headersMs: 10_000,
  callMs: 10_000,
  answerBytes: 1_048_576,
  connections: 16,
}

/** Why a call to an issuer gave nothing usable. Words of ours, safe for logs and metrics. */
export type IssuerCallReason = 'address_refused' | 'ca_unreadable' | 'not_connected' | 'timeout' | 'broken_off' | 'too_large' | 'closed'

/** A call that got no answer. */
export class IssuerCallFailed extends Error {
  override readonly name = 'IssuerCallFailed'
  readonly reason: IssuerCallReason
  /** False only when certainly nothing of the request left this process. */
  readonly maybeSent: boolean
  /** The errno, TLS or undici code, such as ECONNREFUSED; undefined for what is not of that form. */
  readonly code: string | undefined
  /** Where the call was to go, without userinfo and query. */
  readonly url: string | undefined

  constructor(reason: IssuerCallReason, maybeSent: boolean, { code, url }: { readonly code?: unknown; readonly url?: string } = {}) {
    super(`the issuer gave no answer: ${reason}`)
    this.reason = reason
    this.maybeSent = maybeSent
    this.code = codeWord(code)
    this.url = url === undefined ? undefined : publicAddress(url)
  }
}

/** What openid-client hands to its `customFetch`, reduced to what it uses. */
export interface IssuerRequest {
  readonly method: string
  readonly headers: Readonly<Record<string, string>>
  readonly body?: unknown
  readonly signal?: AbortSignal | undefined
}

export interface IssuerHttp {
  /** One call, in the shape of openid-client's `customFetch`. Rejects with IssuerCallFailed. */
  fetch(url: string, request: IssuerRequest): Promise<Response>
  /** Breaks off open calls and closes connections. */
  close(): Promise<void>
}

/** True for https anywhere, and for http where no other machine is reached. */
export function isSecureAddress(address: string): boolean {
  const url = URL.parse(address)
  if (url === null || url.username !== '' || url.password !== '') return false
  return url.protocol === 'https:' || (url.protocol === 'http:' && isLoopbackHost(url.hostname))
}

/** HTTP for one issuer with connections of its own, so that a stuck issuer uses up nobody else's. */
export function createIssuerHttp(
  options: { readonly ca?: Reference | undefined; readonly limits?: Partial<IssuerHttpLimits> } = {},
): IssuerHttp {
  const limits = { ...ISSUER_HTTP_LIMITS, ...options.limits }
  const agents = rotatingAgents(options.ca === undefined ? undefined : secretSource(options.ca), limits)
  return {
    async fetch(address, request) {
      if (!isSecureAddress(address)) throw new IssuerCallFailed('address_refused', false, { url: address })
      const url = new URL(address)
      const { reading, presenting } = agents.current()
      return call(request.method === 'GET' ? reading : presenting, url, request, limits)
    },
    close: () => agents.close(),
  }
}

/** Connections that are kept for reading, and connections for one request each. */
interface Agents {
  readonly reading: Agent
  readonly presenting: Agent
}

/** Agents that are replaced when the CA file changes; calls in flight on the old ones finish. */
function rotatingAgents(ca: SecretSource | undefined, limits: IssuerHttpLimits): { current(): Agents; close(): Promise<void> } {
  let held: (Agents & { readonly version: string }) | undefined
  let closed = false
  return {
    current() {
      if (closed) throw new IssuerCallFailed('closed', false)
      let version = 'system'
      let pem: string | undefined
      try {
        version = ca?.version() ?? version
        if (held?.version === version) return held
        pem = ca?.read().expose()
      } catch {
        throw new IssuerCallFailed('ca_unreadable', false)
      }
      // Text that holds no certificate would make Node trust nothing or, in other stacks, everything: name the fault.
      if (pem !== undefined && !pem.includes('-----BEGIN CERTIFICATE-----')) throw new IssuerCallFailed('ca_unreadable', false)
      for (const agent of [held?.reading, held?.presenting]) void agent?.close().catch(() => undefined)
      held = { version, reading: createAgent(pem, limits), presenting: createAgent(pem, limits) }
      return held
    },
    async close() {
      closed = true
      await Promise.all([held?.reading.destroy(), held?.presenting.destroy()])
    },
  }
}

function createAgent(ca: string | undefined, limits: IssuerHttpLimits): Agent {
  return new Agent({
    allowH2: false,
    connections: limits.connections,
    pipelining: 1,
    keepAliveTimeout: 4_000,
    keepAliveMaxTimeout: 10_000,
    headersTimeout: limits.headersMs,
    bodyTimeout: limits.callMs,
    // Said here, so that NODE_TLS_REJECT_UNAUTHORIZED has no say.
    connect: { timeout: limits.connectMs, rejectUnauthorized: true, ...(ca === undefined ? {} : { ca }) },
  })
}

function call(agent: Agent, url: URL, request: IssuerRequest, limits: IssuerHttpLimits): Promise<Response> {
  const { promise, resolve, reject } = Promise.withResolvers<Response>()
  let controller: Dispatcher.DispatchController | undefined
  let started = false
  let fault: IssuerCallFailed | undefined
  const chunks: Buffer[] = []
  let length = 0
  let status = 0
  let headers = new Headers()

  const failed = (reason: IssuerCallReason, maybeSent: boolean, code?: unknown) =>
    new IssuerCallFailed(reason, maybeSent, { code, url: url.href })
  const breakOff = (reason: IssuerCallReason) => {
    fault ??= failed(reason, started)
    controller?.abort(fault)
    finish()
    reject(fault)
  }
  const timer = setTimeout(() => breakOff('timeout'), limits.callMs)
  const onAbort = () => breakOff('broken_off')
  const finish = () => {
    clearTimeout(timer)
    request.signal?.removeEventListener('abort', onAbort)
  }
  request.signal?.addEventListener('abort', onAbort, { once: true })

  const { body } = request
  agent.dispatch(
    {
      origin: url.origin,
      path: `${url.pathname}${url.search}`,
      method: request.method,
      // Compressed answers would hide their size until they are unpacked.
      headers: { ...request.headers, 'accept-encoding': 'identity' },
      body: body === undefined || body === null ? null : String(body),
      idempotent: false,
      reset: request.method !== 'GET',
    },
    {
      onRequestStart(control) {
        controller = control
        // A call that was broken off while it waited for a connection must not begin; nor may one begin twice.
        if (fault !== undefined || started) control.abort(fault ?? failed('broken_off', true))
        else started = true
      },
      onResponseStart(_control, statusCode, received) {
        status = statusCode
        headers = headersOf(received)
      },
      onResponseData(_control, chunk) {
        length += chunk.length
        if (length > limits.answerBytes) breakOff('too_large')
        else chunks.push(chunk)
      },
      onResponseEnd() {
        finish()
        // The Response constructor throws on statuses that HTTP does not know.
        if (status < 200 || status > 599) reject(failed('broken_off', true))
        else resolve(answer(status, headers, Buffer.concat(chunks)))
      },
      onResponseError(_control, error) {
        finish()
        const code = 'code' in error && typeof error.code === 'string' ? error.code : undefined
        reject(fault ?? failed(reasonOf(code, started), started, code))
      },
    },
  )
  return promise
}

function reasonOf(code: string | undefined, started: boolean): IssuerCallReason {
  if (code?.endsWith('_TIMEOUT')) return 'timeout'
  return started ? 'broken_off' : 'not_connected'
}

/** The few headers that anybody above reads, as far as they are plain text. */
function headersOf(received: Readonly<Record<string, string | string[] | undefined>>): Headers {
  const headers = new Headers()
  for (const name of ['content-type', 'www-authenticate', 'retry-after']) {
    const value = received[name]
    if (typeof value === 'string' && /^[\t\x20-\x7e]*$/.test(value)) headers.set(name, value)
  }
  return headers
}

/** RFC 9110 statuses without a body may not be given one by the Response constructor. */
function answer(status: number, headers: Headers, body: Buffer<ArrayBuffer>): Response {
  const bodiless = status === 204 || status === 205 || status === 304
  return new Response(bodiless ? null : body, { status, headers })
}

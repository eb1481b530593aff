/**
 * How the gateway answers by itself: refusals and its own JSON.
 *
 * Under /clusters a refusal is a Kubernetes `Status`, so that kubectl and client libraries show it; elsewhere it is
 * problem details (RFC 9457), or a page for a browser that asks for HTML. Every form carries the stable code, what was
 * wrong and the mend, and the request id; none carries a value of the request.
 */
import type { ServerResponse } from 'node:http'
import type { Refusal } from '../errors.ts'
import type { RefusalCode } from '../refusal-codes.ts'
import { mendOf, type Offers, refusalPage } from './refusal-page.ts'

/** Set on everything the gateway says itself: never cached, never framed, never sniffed. */
const OWN_HEADERS = {
  'Cache-Control': 'no-store',
  'X-Content-Type-Options': 'nosniff',
  'X-Frame-Options': 'DENY',
  // Not `no-referrer`: with it browsers send `Origin: null` with our own forms (Fetch 3.2), which then cannot be told
  // from a stranger's.
  'Referrer-Policy': 'same-origin',
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Resource-Policy': 'same-origin',
} as const

const NO_CONTENT_POLICY = "default-src 'none'; frame-ancestors 'none'; sandbox"

export type Form = 'status' | 'problem' | 'page'

export interface AnswerContext {
  readonly response: ServerResponse
  readonly requestId: string
  readonly form: Form
  /** Where one signs in; default: on this host. */
  readonly signIn?: string
  /** What a page offers; default: the sign-in. */
  readonly offers?: Offers
}

const ENDS_CONNECTION: ReadonlySet<RefusalCode> = new Set([
  'header_ambiguous',
  'headers_too_many',
  'path_ambiguous',
  'host_unknown',
  'request_timeout',
])

/** Sends a refusal. Does nothing but close the connection when an answer has already begun. */
export function answerRefusal(context: AnswerContext, refusal: Refusal): void {
  const { response, requestId, form, signIn = '/login', offers = { signIn, signOut: '/logout' } } = context
  if (response.headersSent) return void response.destroy()
  if (refusal.retryAfterSeconds !== undefined) response.setHeader('Retry-After', String(refusal.retryAfterSeconds))
  // RFC 9110 11.6.1 wants a challenge with every 401; RFC 6750 3.1 names the fault of a token that was sent.
  if (refusal.methods !== undefined) response.setHeader('Allow', refusal.methods.join(', '))
  const challenge = challengeOf(refusal)
  if (challenge !== undefined) response.setHeader('WWW-Authenticate', challenge)
  // Where another parser may see another request begin, this connection takes none any more. Not after 413: a closed
  // socket with unread bytes is reset, and the caller never reads why.
  if (ENDS_CONNECTION.has(refusal.code)) response.setHeader('Connection', 'close')
  if (form === 'page') return answerPage(response, refusal.status, refusalPage(refusal, requestId, offers), requestId)
  // The catalogue speaks of `/login`; on which host that is, the door knows.
  const mend = mendOf(refusal, offers).replaceAll('/login', signIn)
  const body = form === 'status' ? statusOf(refusal, requestId) : problemOf(refusal, requestId, mend)
  const type = form === 'status' ? 'application/json' : 'application/problem+json'
  send(response, refusal.status, type, NO_CONTENT_POLICY, `${JSON.stringify(body)}\n`, requestId)
}

/** What a bearer lacks (RFC 6750 3): that it is one, that it holds, or the scopes that would be enough. */
export function challengeOf({ status, code, scopes = [] }: Refusal): string | undefined {
  if (code === 'insufficient_scope') return `Bearer realm="mandate", error="insufficient_scope", scope="${scopes.join(' ')}"`
  if (status !== 401) return undefined
  return code.startsWith('token_') ? 'Bearer realm="mandate", error="invalid_token"' : 'Bearer realm="mandate"'
}

/** Sends JSON of our own. */
export function answerJson(response: ServerResponse, status: number, value: unknown, requestId: string): void {
  send(response, status, 'application/json', NO_CONTENT_POLICY, `${JSON.stringify(value)}\n`, requestId)
}

/** Sends JSON of our own, or nothing at all for `undefined`, and resolves with its length once it is out or its caller gone. */
export async function answered(response: ServerResponse, status: number, value: unknown, requestId: string): Promise<number> {
  const body = value === undefined ? '' : `${JSON.stringify(value)}\n`
  // Its caller has gone already: no `close` will come any more.
  if (response.closed) return 0
  const { promise, resolve } = Promise.withResolvers<void>()
  response.once('close', resolve)
  send(response, status, 'application/json', NO_CONTENT_POLICY, body, requestId)
  await promise
  return Buffer.byteLength(body)
}

/** Sends one of our pages. */
export function answerPage(
  response: ServerResponse,
  status: number,
  { html, policy }: { html: string; policy: string },
  requestId: string,
): void {
  send(response, status, 'text/html; charset=utf-8', policy, html, requestId)
}

/** Sends the browser elsewhere by GET. */
export function answerRedirect(response: ServerResponse, location: string, requestId: string): void {
  response.setHeader('Location', location)
  send(response, 303, 'text/plain; charset=utf-8', NO_CONTENT_POLICY, '', requestId)
}

function send(response: ServerResponse, status: number, type: string, policy: string, body: string, requestId: string): void {
  for (const [name, value] of Object.entries(OWN_HEADERS)) response.setHeader(name, value)
  response.setHeader('Content-Security-Policy', policy)
  response.setHeader('Content-Type', type)
  response.setHeader('X-Request-Id', requestId)
  response.statusCode = status
  response.end(body)
}

function problemOf(refusal: Refusal, requestId: string, mend: string) {
  const { code, status, title, detail, said, faults } = refusal
  const more = { ...(detail === undefined ? {} : { detail }), ...(said ? { said } : {}), ...(faults === undefined ? {} : { faults }) }
  return { type: `urn:mandate:refusal:${code}`, title, status, code, ...more, mend, requestId }
}

/** metav1.Status reasons by HTTP status; where Kubernetes has no word the reason is left to the code. */
const REASONS: Readonly<Record<number, string>> = {
  400: 'BadRequest',
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'NotFound',
  405: 'MethodNotAllowed',
  409: 'Conflict',
  413: 'RequestEntityTooLarge',
  429: 'TooManyRequests',
  500: 'InternalError',
  502: 'ServiceUnavailable',
  503: 'ServiceUnavailable',
  504: 'Timeout',
}

function statusOf(refusal: Refusal, requestId: string) {
  const { code, status, message, mend, retryAfterSeconds } = refusal
  return {
    kind: 'Status',
    apiVersion: 'v1',
    metadata: {},
    status: 'Failure',
    message: `${message}. ${mend} (${code}, request ${requestId})`,
    reason: REASONS[status] ?? 'BadRequest',
    details: { causes: [{ reason: code, message: mend }], ...(retryAfterSeconds === undefined ? {} : { retryAfterSeconds }) },
    code: status,
  }
}

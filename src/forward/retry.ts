/**
 * When a request may be sent again, because no answer to it was begun.
 *
 * Security: what a service does with a request is not ours to know, so only those are sent again that mean the same done
 * twice (RFC 9110 9.2.2) and whose body is not used up, having none. A time-out is never a reason: the service has the
 * request and is at work on it, and a slow service would be asked for as many times the work. Nor is an answer that broke
 * off or is no HTTP: from its first byte on, be it of a 1xx, one was begun.
 */
import { Refusal } from '../errors.ts'
import { CONNECT_LATE } from './failure.ts'
import type { Servers, Upstream } from './upstream.ts'

const IDEMPOTENT = new Set(['GET', 'HEAD', 'OPTIONS', 'TRACE', 'PUT', 'DELETE'])

/** True for a method that means the same done twice. One that a service has made up is not known to. */
export function isIdempotent(method: string | undefined): boolean {
  return method !== undefined && IDEMPOTENT.has(method)
}

/**
 * The server that is asked next when `error` came of asking `upstream`: no answer was begun, because it could not be reached
 * or closed the connection without one. Undefined for any other error, and for the same server where connecting took all
 * its time. Throws the Refusal of a pool in which none is well any more.
 */
export function nextAfter(error: unknown, servers: Servers, upstream: Upstream): Upstream | undefined {
  if (!(error instanceof Refusal) || error.code !== 'upstream_unavailable') return undefined
  const next = servers.next(upstream)
  return next === upstream && error.detail === CONNECT_LATE ? undefined : next
}

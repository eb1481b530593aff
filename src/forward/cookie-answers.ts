/**
 * What a cluster's answer may be when a cookie asked for it.
 *
 * Security: pods, services and logs hold what tenants wrote. On the origin that holds the login cookie none of it may
 * run, so a cookie's answer is JSON, YAML, protobuf or plain text only, with `CSP: sandbox` and `nosniff`.
 */
import type { HeaderLine } from '../credential.ts'

const SUBTYPE = /^(?:[a-z0-9.+-]*\+)?(?:json|yaml|protobuf)$|^vnd\.kubernetes\.protobuf$|^com\.github\.proto-openapi\.[a-z0-9.@+-]+$/

/**
 * True when a media type (RFC 9110 8.3.1) is one that a browser only shows. One with a comma is two to a browser, which
 * takes the last (Fetch 3.7 "extract a MIME type"), and so is none here.
 */
export function shownOnly(contentType: string | undefined): boolean {
  if (contentType?.includes(',')) return false
  const essence = (contentType ?? '').split(';', 1)[0]?.trim().toLowerCase() ?? ''
  if (essence === 'text/plain') return true
  const [type, subtype = ''] = essence.split('/')
  return type === 'application' && SUBTYPE.test(subtype)
}

/** Added to every answer under /clusters. */
export const SANDBOX: readonly HeaderLine[] = [
  ['Content-Security-Policy', "sandbox; default-src 'none'; frame-ancestors 'none'"],
  ['X-Content-Type-Options', 'nosniff'],
  ['Cross-Origin-Resource-Policy', 'same-origin'],
]

/**
 * The header boundary: what passes from a caller to an upstream and back.
 *
 * Security: outbound headers are built from an allow-list, never by deleting from what came in. So a hop-by-hop trick
 * (`Connection: Impersonate-User`, capsule-proxy CVE-2022-23652), a folded spelling, an identity header of the
 * caller's own or a cookie has no way through. The credential's lines come last, from `present`, and no allowed name
 * can equal one of theirs. There is one builder, whatever the protocol of the request.
 */
import { type Credential, type HeaderLine, present } from '../credential.ts'

/** What the API server and its clients say to each other and a proxy may repeat. Folded names. */
const TO_KUBERNETES = new Set([
  'accept', 'accept-encoding', 'accept-language', 'content-type', 'content-length', 'content-encoding',
  'user-agent', 'if-none-match', 'if-match', 'if-modified-since', 'kubectl-command', 'kubectl-session',
  'traceparent', 'tracestate', 'x-stream-protocol-version',
])

const FROM_KUBERNETES = new Set([
  'content-type', 'content-length', 'content-encoding', 'cache-control', 'etag', 'last-modified', 'expires', 'vary', 'date',
  'retry-after', 'warning', 'audit-id', 'location', 'x-kubernetes-pf-flowschema-uid', 'x-kubernetes-pf-prioritylevel-uid', 'allow',
])

/**
 * Header lines for the upstream, flat as undici takes them: allowed ones of the caller in their order, then the
 * credential's. Spellings with an underscore are never allowed ones.
 */
export function outboundHeaders(rawHeaders: readonly string[], credential: Credential): string[] {
  const lines: string[] = []
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
    const name = rawHeaders[i] ?? ''
    const value = rawHeaders[i + 1] ?? ''
    if (TO_KUBERNETES.has(name.toLowerCase())) lines.push(name, value)
  }
  for (const [name, value] of present(credential)) lines.push(name, value)
  return lines
}

/** Header lines of the upstream's answer that reach the caller. Cookies and hop-by-hop headers never do. */
export function inboundHeaders(lines: readonly HeaderLine[]): HeaderLine[] {
  return lines.filter(([name]) => FROM_KUBERNETES.has(name.toLowerCase()))
}

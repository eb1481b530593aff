/**
 * Which headers a route withholds from a service, and which of a service's answer from the caller.
 *
 * Security: a list of what is dangerous is never complete, because any service may believe any header. These are the
 * names by which known proxies, gateways and clouds say who asks, where from, or what is really meant. A service that
 * reads `X-Mandate-*` alone needs none of this; for another one a route can name more (`withhold`).
 */

import { spelled } from '../header-names.ts'

const MOST_JUDGED = 1_000
const LONGEST_JUDGED = 64

/** Of one connection (RFC 9110 7.6.1), in either direction. */
const HOP_BY_HOP = ['connection', 'keep-alive', 'te', 'trailer', 'transfer-encoding', 'upgrade', 'proxy-connection', 'http2-settings']

/** Of one handshake: written anew where there is one; a subprotocol can hold the caller's bearer. */
const OF_HANDSHAKES = 'sec-websocket-'

const WITHHELD = new Set<string>([
  ...HOP_BY_HOP,
  // Ended here, or written anew by us.
  ...['authorization', 'x-authorization', 'host', 'expect', 'x-request-id'],
  // Another host, path or method than was decided on.
  ...['x-host', 'x-http-host-override', 'x-override-url', 'x-method-override'],
  // From where.
  ...['x-real-ip', 'true-client-ip', 'client-ip', 'x-client-ip', 'x-cluster-client-ip', 'x-originating-ip'],
  // Who asks.
  ...['smuser', 'x-access-token', 'x-id-token', 'x-scope-orgid', 'x-anonymous-consumer', 'x-endpoint-api-userinfo', 'x-token-subject'],
  ...['x-client-dn', 'x-client-verify', 'x-client-s-dn', 'x-amzn-request-context', 'x-gitlab-user'],
])

const WITHHELD_PREFIXES = [
  OF_HANDSHAKES,
  // Ours.
  ...['x-mandate', 'x-m2m-'],
  // From where, by which way, and what was asked before another proxy changed it.
  ...['forwarded', 'x-forwarded', 'cf-connecting-', 'fastly-client-', 'x-azure-client', 'x-azure-socket', 'x-envoy-', 'x-trusted-'],
  ...['x-original-', 'x-rewrite-', 'x-http-method', 'x-accel-'],
  // Who asks: in general ...
  ...['proxy-', 'x-proxy-', 'remote-', 'x-remote-', 'x-auth-', 'x-authenticated', 'x-webauth-', 'x-impersonate-'],
  ...['x-user', 'x-email', 'x-group', 'x-role', 'x-jwt-', 'x-consumer-', 'x-credential-', 'oidc-'],
  // ... by certificate ...
  ...['client-cert', 'x-client-cert', 'ssl-', 'x-ssl-', 'x-tls-', 'x-arr-', 'x-amzn-mtls-'],
  // ... and as one product says it.
  ...['x-goog-authenticated-user-', 'x-goog-iap-', 'x-apigateway-', 'x-amzn-oidc-', 'x-ms-client-', 'x-ms-token-', 'cf-access-'],
  ...['tailscale-', 'x-pomerium-', 'x-authentik-', 'x-vouch-', 'kubeflow-', 'iv-', 'sm-'],
] as const

/** What one of the prefixes would catch that says none of it: what gRPC-Web and the clients of Azure name themselves and requests by. */
const HARMLESS = new Set(['x-user-agent', 'x-ms-client-request-id'])

/** True for a name, in lower case, that no service gets from a caller. One with an underscore never passes (CVE-2025-64484). */
export const isWithheld = remembered((folded) => {
  if (folded.includes('_')) return true
  const name = spelled(folded)
  if (HARMLESS.has(name)) return false
  return WITHHELD.has(name) || WITHHELD_PREFIXES.some((prefix) => name.startsWith(prefix))
})

/**
 * Not of the service to say: the connection, who asks, other hosts' cookies and storage, where else this origin is
 * served, that a script may stand over paths of ours, to whom browsers report what was opened, and what proxies and
 * caches before us are to keep, read or send instead: the answer was made for one caller.
 */
const NOT_RETURNED = new Set<string>([
  ...HOP_BY_HOP,
  ...['alt-svc', 'clear-site-data', 'service-worker-allowed', 'nel', 'report-to', 'reporting-endpoints'],
  ...['x-sendfile', 'x-lighttpd-send-file', 'edge-control'],
])

const NOT_RETURNED_PREFIXES = ['proxy-', 'x-mandate-', 'surrogate-', 'x-accel-', 'x-litespeed-', 'x-reproxy-'] as const

/** True for a name, in lower case, that no caller gets from a service. */
export const isNotReturned = remembered(
  (folded) =>
    NOT_RETURNED.has(folded) || folded.endsWith('-cache-control') || NOT_RETURNED_PREFIXES.some((prefix) => folded.startsWith(prefix)),
)

/** Judged once for each name: clients and services use few, and whoever sends ever new ones is judged each time. */
function remembered(judge: (folded: string) => boolean): (folded: string) => boolean {
  const judged = new Map<string, boolean>()
  return (folded) => {
    let verdict = judged.get(folded)
    if (verdict === undefined) {
      verdict = judge(folded)
      if (judged.size < MOST_JUDGED && folded.length <= LONGEST_JUDGED) judged.set(folded, verdict)
    }
    return verdict
  }
}

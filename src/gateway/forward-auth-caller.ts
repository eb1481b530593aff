/**
 * What a caller must not send through a proxy that forwards by itself.
 *
 * Security: Mandate leaves such things out of what it forwards; here it can only refuse the whole request.
 * - Once a service answers 101, a proxy passes bytes. If they are HTTP/2 (`Upgrade: h2c`, RFC 7540 3.2), they hold requests
 *   that nobody asks about, with whatever identity their sender likes. Of all protocols WebSocket alone has none.
 * - What `Connection` names a proxy may remove on the way (RFC 9110 7.6.1), the headers that Mandate wrote too.
 * - A subprotocol goes on to the service, and a bearer in it would.
 * - A service may read `X_Mandate_Subject` and `X.Mandate.Subject` as `X-Mandate-Subject`, while the proxy replaces the last
 *   alone (Traefik CVE-2026-54763 and CVE-2026-88011).
 */
import { Refusal } from '../errors.ts'
import { isWithheld } from '../forward/withheld-headers.ts'
import { spelled } from '../header-names.ts'
import type { RequestHead } from './request-head.ts'

/** What `Connection` may say of the connection itself. */
const OF_CONNECTIONS = new Set(['', 'close', 'keep-alive', 'upgrade', 'te'])
/** How Kubernetes clients write a bearer among subprotocols. */
const BEARER = /(?:^|,)\s*base64url\.bearer\.authorization\.k8s\.io\./i
const OTHER_SIGN = /[^a-z0-9-]/i

/**
 * Throws Refusal `question_unclear` for a request that could leave HTTP for anything but WebSocket, or that names headers to
 * be removed, and `authorization_malformed` for one whose bearer the service would get.
 */
export function refuseUnpassable({ values }: RequestHead): void {
  const upgrade = values.get('upgrade')
  if (upgrade !== undefined && upgrade.toLowerCase() !== 'websocket') throw unclear('it changes to another protocol than WebSocket')
  if (values.has('http2-settings')) throw unclear('it could change to HTTP/2')
  const connection = values.get('connection') ?? ''
  if (!connection.split(',').every((word) => OF_CONNECTIONS.has(word.trim().toLowerCase())))
    throw unclear('connection names a header, which the proxy may then remove')
  if (BEARER.test(values.get('sec-websocket-protocol') ?? ''))
    throw new Refusal('authorization_malformed', { detail: 'the bearer is among the subprotocols, which the service would be sent' })
}

/**
 * Why a request is refused one of whose headers the service may take for one that routes withhold, since it is spelled with
 * another sign for a hyphen; undefined when there is none. `withheld` has the names of the route, as `spelled` gives them.
 */
export function misspelled(rawHeaders: readonly string[], withheld: ReadonlySet<string> | undefined): Refusal | undefined {
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
    const name = rawHeaders[i] ?? ''
    if (!OTHER_SIGN.test(name)) continue
    const read = spelled(name)
    if (isWithheld(read) || withheld?.has(read) === true) return unclear('a header that says who asks is spelled without hyphens')
  }
  return undefined
}

function unclear(detail: string): Refusal {
  return new Refusal('question_unclear', { detail })
}

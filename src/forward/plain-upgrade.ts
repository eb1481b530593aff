/**
 * Acts on an HTTP service by changing the protocol of the connection to WebSocket (RFC 6455).
 *
 * Security: the handshake is dressed by the same header boundary as any request to a route; what of it belongs to
 * WebSocket was read and is written anew, without the bearer that a subprotocol may hold. A 101 counts only when it proves
 * that the service read this handshake (RFC 6455 4.2.2, `Sec-WebSocket-Accept`) and chose what was offered: one that a
 * cache or a confused server gives would leave the caller free to speak HTTP to the service as whoever dressed the request.
 */
import { createHash } from 'node:crypto'
import { Refusal } from '../errors.ts'
import type { Act, Grant } from '../grant.ts'
import type { Ends } from './ends.ts'
import type { PlainRequest, PlainUpstream } from './plain.ts'
import { nextAfter } from './retry.ts'
import { type AskedWebSocket, inboundRouteHeaders, outboundRouteHeaders, switchedRouteHeaders } from './route-headers.ts'
import { type AskOnce, type PassedLines, type Upgrading, upgrade } from './upgrade.ts'
import type { UpgradeAnswer, UpstreamHead } from './upstream.ts'

export interface PlainUpgrade extends Upgrading, Pick<PlainRequest, 'path' | 'arrival' | 'writes' | 'effect'> {
  readonly asked: AskedWebSocket
}

const GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11'

/** An act for one upgrade. Until an answer is begun it throws Refusals; after that it reports. */
export function plainUpgradeAct(target: PlainUpstream, asked: PlainUpgrade): Act {
  return async (grant) => {
    if (asked.writes) await grant.effect(asked.effect)
    const { protocol, host } = asked.arrival
    const way = {
      ask: (once: AskOnce, ends: Ends) => ask(target, asked, grant, once, ends),
      switched: (head: UpstreamHead) => switched(asked.asked, head),
      refused: ({ headers, status }: UpstreamHead) => ({
        headers: inboundRouteHeaders(headers, target.origins, `${protocol}://${host}`, status),
        upstreamAuditId: undefined,
      }),
    }
    return upgrade(target, asked, way, grant)
  }
}

/** Asks as the caller; again for the reasons for which any request without a body is sent again. */
async function ask(
  { servers, retries, retried }: PlainUpstream,
  { request, path, arrival, asked, writes, effect }: PlainUpgrade,
  grant: Grant,
  once: AskOnce,
  ends: Ends,
): Promise<UpgradeAnswer> {
  let { credential } = grant
  let mayRenew = credential.kind === 'bearer'
  let upstream = servers.next()
  for (let retriesLeft = retries; ; ) {
    const headers = outboundRouteHeaders(request.rawHeaders, arrival, credential, asked)
    let refused = false
    try {
      const answer = await once(upstream, { path, headers })
      if (answer.result !== 'refused' || answer.status !== 401 || !mayRenew || !grant.refused(credential)) return answer
      answer.body.destroy()
      refused = true
    } catch (error) {
      const next = retriesLeft === 0 || ends.over ? undefined : nextAfter(error, servers, upstream)
      if (next === undefined) throw error
      upstream = next
    }
    if (refused) {
      mayRenew = false
      credential = await grant.renew()
    } else {
      retriesLeft -= 1
      retried()
    }
    // Nothing is sent for who has left.
    if (writes && !ends.over) await grant.effect(effect)
  }
}

function switched({ key, subprotocols }: AskedWebSocket, { headers }: UpstreamHead): PassedLines {
  const passed = switchedRouteHeaders(headers)
  const accept = createHash('sha1').update(`${key}${GUID}`).digest('base64')
  const chosen = linesOf(passed, 'sec-websocket-protocol')
  const proven = linesOf(passed, 'sec-websocket-accept').join() === accept
  if (!proven || chosen.length > 1 || chosen.some((one) => !subprotocols.includes(one)))
    throw new Refusal('upstream_broke', { detail: 'its handshake is not the answer to the one it was asked for' })
  return { headers: passed, upstreamAuditId: undefined }
}

function linesOf(lines: PassedLines['headers'], name: string): string[] {
  return lines.filter(([key]) => key.toLowerCase() === name).map(([, value]) => value)
}

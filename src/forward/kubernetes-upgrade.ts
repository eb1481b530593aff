/**
 * Acts on a Kubernetes API server by changing the protocol of the connection: exec, attach, port-forward and whatever
 * else streams over WebSocket or SPDY.
 *
 * Security: the request is dressed by the same header boundary as any other, and what the API server refuses is an answer
 * like any other, under the same rules.
 */
import type { Credential } from '../credential.ts'
import { Refusal } from '../errors.ts'
import type { Act, Grant } from '../grant.ts'
import { SANDBOX, shownOnly } from './cookie-answers.ts'
import type { ExchangeTarget } from './exchange.ts'
import { type AskedProtocol, inboundHeaders, outboundHeaders, switchedHeaders } from './header-boundary.ts'
import { auditIdOf, headerOf, type KubernetesRequest } from './kubernetes.ts'
import { type AskOnce, type PassedLines, type Upgrading, upgrade } from './upgrade.ts'
import type { UpgradeAnswer, UpstreamHead } from './upstream.ts'

export interface KubernetesUpgrade extends Upgrading, Pick<KubernetesRequest, 'path' | 'mount' | 'writes' | 'effect'> {
  readonly asked: AskedProtocol
}

/** An act for one upgrade. Until an answer is begun it throws Refusals; after that it reports. */
export function kubernetesUpgradeAct(target: ExchangeTarget, asked: KubernetesUpgrade): Act {
  return async (grant) => {
    if (asked.writes) await grant.effect(asked.effect)
    const way = {
      ask: (once: AskOnce) => ask(target, asked, grant, once),
      switched: ({ headers }: UpstreamHead) => {
        const passed = switchedHeaders(headers, asked.asked)
        return { headers: passed, upstreamAuditId: auditIdOf(passed) }
      },
      refused: (head: UpstreamHead) => refused(asked, grant, head),
    }
    return upgrade(target, asked, way, grant)
  }
}

/** Asks as the caller; once more with a fresh credential, if there is one, when the API server did not know the first. */
async function ask({ upstream }: ExchangeTarget, { request, path, asked }: KubernetesUpgrade, grant: Grant, once: AskOnce) {
  const as = (credential: Credential): Promise<UpgradeAnswer> =>
    once(upstream, { path, headers: outboundHeaders(request.rawHeaders, credential, asked) })
  const first = await as(grant.credential)
  if (first.result !== 'refused' || first.status !== 401 || !grant.refused(grant.credential)) return first
  first.body.destroy()
  return as(await grant.renew())
}

function refused({ mount }: KubernetesUpgrade, grant: Grant, { headers }: UpstreamHead): PassedLines {
  const passed = inboundHeaders(headers, mount)
  const shown = grant.caller.proof.kind === 'bearer' || shownOnly(headerOf(passed, 'content-type'))
  if (!shown) throw new Refusal('content_refused')
  return { headers: [...passed, ...SANDBOX], upstreamAuditId: auditIdOf(passed) }
}

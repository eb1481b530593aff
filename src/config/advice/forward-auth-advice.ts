/**
 * What is legal but unwise about proxies that ask (`advice.ts`).
 *
 * Security: nginx chooses its `server` by the host of the request line (`GET https://secret.example/ HTTP/1.1`), and
 * ingress-nginx writes `X-Original-URL` with that of the `Host` header. Where the two may differ, who may use one host is
 * let through to another: Mandate sees one of them alone, and cannot tell.
 */
import type { Config } from '../config.ts'
import type { Fault } from '../faults/faults.ts'
import { isLoopbackHost } from '../loopback.ts'

export function forwardAuthAdvice({ listen: { forwardAuth: on }, routes }: Pick<Config, 'listen' | 'routes'>): Fault[] {
  if (on === undefined) return []
  const found: Fault[] = []
  const hosts = new Set(routes.filter(({ forwardAuth }) => forwardAuth).map(({ match }) => match.host))
  if (on.cert === undefined && !isLoopbackHost(on.host)) {
    found.push({
      path: 'listen.forwardAuth',
      problem: "is plain http beyond loopback: whoever is on that network reads callers' cookies and bearers",
      mend: 'give cert and key, or let only the proxies onto that network',
    })
  }
  if (hosts.size === 0)
    found.push({ path: 'listen.forwardAuth', problem: 'has no route to decide on', mend: 'write forwardAuth: true on one, or remove it' })
  if (on.headers === 'x-original' && hosts.size > 1) {
    found.push({
      path: 'listen.forwardAuth.headers',
      problem:
        'is x-original, by which ingress-nginx says the host of Host, while nginx forwards by that of the request line: who may use one of these hosts may use all',
      mend: 'make sure that the proxy refuses requests that name two hosts, or use x-forwarded with the host that it chose by',
    })
  }
  return found
}

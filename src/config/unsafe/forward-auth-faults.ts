/**
 * How proxies must not be let ask.
 *
 * Security: whoever may ask says what is decided on (oauth2-proxy CVE-2026-40575), so nobody may until proxies are listed.
 * The proxy sends the service what its caller sent, the cookie of that host with it: on the sign-in host that would be the
 * login itself.
 */
import type { Config } from '../config.ts'
import type { Fault } from '../faults/faults.ts'
import { wideRanges } from './proxy-ranges.ts'

type Parts = Pick<Config, 'listen' | 'routes' | 'publicUrl'>

/** The faults of `listen.forwardAuth`, and of routes that rest on it. */
export function forwardAuthFaults({ listen: { forwardAuth: on }, routes, publicUrl }: Parts): Fault[] {
  return [...(on === undefined ? [] : faultsOfListener(on)), ...onSignInHost(routes, new URL(publicUrl).hostname)]
}

function faultsOfListener({ trusted, cert, key }: NonNullable<Config['listen']['forwardAuth']>): Fault[] {
  const path = 'listen.forwardAuth'
  const faults = wideRanges(`${path}.trusted`, trusted)
  if (trusted.length === 0)
    faults.push({ path: `${path}.trusted`, problem: 'is empty, so nobody may ask', mend: 'list the addresses of the proxies' })
  if ((cert === undefined) !== (key === undefined)) {
    const [there, missing] = cert === undefined ? ['key', 'cert'] : ['cert', 'key']
    faults.push({ path: `${path}.${missing}`, problem: `is missing beside ${there}`, mend: 'give both, or neither for plain http' })
  }
  return faults
}

function onSignInHost(routes: Config['routes'], signInHost: string): Fault[] {
  return routes.flatMap(({ forwardAuth, match }, at): Fault[] =>
    forwardAuth && match.host === signInHost
      ? [
          {
            path: `routes.${at}.forwardAuth`,
            problem: 'is on the sign-in host, whose login cookie the proxy would send to the service',
            mend: 'give it a host of its own, or name an upstream instead',
          },
        ]
      : [],
  )
}

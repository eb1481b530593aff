/** What parses but must not start: rules over several keys. Each yields a fault with its mend. */
import type { Config, Fault } from './config.ts'
import { isLoopbackHost } from './values.ts'

/** All unsafe combinations of a configuration; an empty list means it may start. */
export function unsafe(config: Config): Fault[] {
  return [...listeners(config), ...issuers(config), ...prefixes(config), ...clusterRights(config), ...lifetimes(config)]
}

function listeners({ listen, publicUrl }: Config): Fault[] {
  const faults: Fault[] = []
  if (listen.http === undefined && listen.https === undefined) {
    faults.push({ path: 'listen', problem: 'names neither http nor https', mend: 'give listen.https with cert and key, or listen.http on loopback' })
  }
  if (listen.http !== undefined && !isLoopbackHost(listen.http.host) && listen.behind.length === 0) {
    faults.push({ path: 'listen.http.host', problem: 'serves plain http to other machines', mend: 'use listen.https, or list the proxies that end TLS in listen.behind' })
  }
  if (publicUrl.startsWith('http:') && !isLoopbackHost(new URL(publicUrl).hostname)) {
    faults.push({ path: 'publicUrl', problem: 'is http', mend: 'use https' })
  }
  return faults
}

function issuers({ providers }: Config): Fault[] {
  const faults: Fault[] = []
  const seen = new Map<string, string>()
  if (Object.keys(providers).length === 0) faults.push({ path: 'providers', problem: 'is empty', mend: 'configure at least one provider' })
  for (const [name, provider] of Object.entries(providers)) {
    const other = seen.get(provider.issuer)
    if (other !== undefined) {
      faults.push({ path: `providers.${name}.issuer`, problem: `is the issuer of providers.${other} as well, so a token could not be told apart`, mend: 'configure each issuer once' })
    }
    seen.set(provider.issuer, name)
    if (provider.accept === 'access-token' && provider.audience === '') {
      faults.push({ path: `providers.${name}.audience`, problem: 'is missing', mend: 'name the audience that access tokens for Mandate carry' })
    }
    if (!provider.scopes.includes('openid')) {
      faults.push({ path: `providers.${name}.scopes`, problem: 'lacks openid', mend: 'add openid' })
    }
  }
  return faults
}

function prefixes({ providers }: Config): Fault[] {
  const seen = new Map<string, string>()
  return Object.entries(providers).flatMap(([name, { prefix }]): Fault[] => {
    const other = seen.get(prefix)
    seen.set(prefix, name)
    if (other === undefined) return []
    const what = prefix === '' ? 'is empty, as is' : 'equals'
    return [{ path: `providers.${name}.kubernetes.prefix`, problem: `${what} the prefix of providers.${other}: users and groups of the two would be the same to a cluster`, mend: 'give each provider its own prefix' }]
  })
}

function clusterRights({ clusters, providers }: Config): Fault[] {
  return Object.values(clusters).flatMap((cluster): Fault[] => {
    const faults: Fault[] = []
    for (const name of cluster.allow.providers ?? []) {
      if (!(name in providers)) faults.push({ path: `clusters.${cluster.name}.allow.providers`, problem: `names ${name}, which is not configured`, mend: 'name a configured provider' })
    }
    if (cluster.as.kind === 'forward-token' && cluster.as.audience === undefined && (cluster.as.token === 'access-token' || cluster.as.passThroughOpen)) {
      faults.push({ path: `clusters.${cluster.name}.as.audience`, problem: 'is missing', mend: 'name the audience that the cluster requires, so that no token for somebody else is sent to it' })
    }
    return faults
  })
}

function lifetimes({ sessions }: Config): Fault[] {
  if (sessions.idle <= sessions.absolute) return []
  return [{ path: 'sessions.idle', problem: 'is longer than sessions.absolute', mend: 'make it shorter' }]
}

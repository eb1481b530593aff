/** What parses but must not start: rules over several keys. Each yields a fault with its mend. */

import type { Config } from '../config.ts'
import type { Fault } from '../faults/faults.ts'
import { isLoopbackHost } from '../loopback.ts'
import { brokerFaults } from './broker-faults.ts'
import { cognitoFaults } from './cognito-faults.ts'
import { commandLineFaults } from './command-line-faults.ts'
import { forwardAuthFaults } from './forward-auth-faults.ts'
import { forwardingFaults } from './forwarded-tokens.ts'
import { wideRanges } from './proxy-ranges.ts'
import { routeFaults } from './route-faults.ts'

/** All unsafe combinations of a configuration; an empty list means it may start. */
export function unsafe(config: Config): Fault[] {
  return [
    ...listeners(config),
    ...issuers(config),
    ...cognitoFaults(config),
    ...commandLineFaults(config),
    ...prefixes(config),
    ...clusterRights(config),
    ...forwardingFaults(config),
    ...routeFaults(config),
    ...forwardAuthFaults(config),
    ...brokerFaults(config),
    ...lifetimes(config),
    ...keyRing(config),
  ]
}

function listeners({ listen }: Config): Fault[] {
  const faults: Fault[] = []
  if (listen.http === undefined && listen.https === undefined) {
    faults.push({
      code: 'missing',
      path: 'listen',
      problem: 'names neither http nor https',
      mend: 'give listen.https with cert and key, or listen.http on loopback',
    })
  }
  if (listen.http !== undefined && !isLoopbackHost(listen.http.host) && listen.behind.length === 0) {
    faults.push({
      path: 'listen.http.host',
      problem: 'serves plain http to other machines',
      mend: 'use listen.https, or list the proxies that end TLS in listen.behind',
    })
  }
  return [...faults, ...wideRanges('listen.behind', listen.behind), ...sharedPorts(listen)]
}

function sharedPorts({ http, https, forwardAuth, operations }: Config['listen']): Fault[] {
  const seen = new Map<number, string>()
  return Object.entries({ http, https, forwardAuth, operations }).flatMap(([name, listener]): Fault[] => {
    // Port 0 is any free one.
    if (listener === undefined || listener.port === 0) return []
    const other = seen.get(listener.port)
    seen.set(listener.port, name)
    return other === undefined
      ? []
      : [{ path: `listen.${name}.port`, problem: `is the port of listen.${other} as well`, mend: 'give each its own port' }]
  })
}

function issuers({ providers }: Config): Fault[] {
  const faults: Fault[] = []
  const seen = new Map<string, string>()
  if (Object.keys(providers).length === 0) faults.push({ path: 'providers', problem: 'is empty', mend: 'configure at least one provider' })
  for (const [name, provider] of Object.entries(providers)) {
    const other = seen.get(provider.issuer)
    if (other !== undefined) {
      faults.push({
        path: `providers.${name}.issuer`,
        problem: `is the issuer of providers.${other} as well, so a token could not be told apart`,
        mend: 'configure each issuer once',
      })
    }
    seen.set(provider.issuer, name)
    if (/\/\.well-known\/[^/]*\/?$/.test(provider.issuer)) {
      faults.push({
        path: `providers.${name}.issuer`,
        problem: 'is the address of a discovery document, and no issuer',
        mend: 'write it without /.well-known/ and what follows, as the document has it in issuer',
      })
    }
    // Access tokens of Cognito name none: lists of clients stand for it, and token_use tells ID tokens apart.
    const audienceDecides = provider.accept === 'access-token' && provider.kind !== 'cognito'
    if (audienceDecides && provider.audience === '') {
      faults.push({
        code: 'missing',
        path: `providers.${name}.audience`,
        problem: 'is missing',
        mend: 'name the audience that access tokens for Mandate carry',
      })
    }
    // An ID token that came by a refresh has none of the claims that tell it from a plain JWT access token.
    const { audience, clientId, commandLine, personClients = [], machineClients } = provider
    const clients = [clientId, commandLine?.clientId, ...personClients, ...machineClients]
    if (audienceDecides && provider.accessTokenType === 'jwt' && clients.includes(audience)) {
      const whose = audience === clientId ? 'the clientId' : `${audience}, a client of the provider`
      faults.push({
        path: `providers.${name}.audience`,
        problem: `is ${whose}, so that an ID token${audience === clientId ? '' : ' of it'} could pass for an access token without a type`,
        mend: 'have the issuer name Mandate by another audience in access tokens, or send them with the type at+jwt',
      })
    }
    if (!provider.scopes.includes('openid')) {
      faults.push({ path: `providers.${name}.scopes`, problem: 'lacks openid', mend: 'add openid' })
    }
  }
  return faults
}

/** Two providers whose names could meet at a cluster, and prefixes that Kubernetes keeps for itself. */
function prefixes({ providers }: Config): Fault[] {
  const all = Object.entries(providers).map(([name, { prefix }]) => ({ name, prefix }))
  return all.flatMap(({ name, prefix }, at): Fault[] => {
    const path = `providers.${name}.kubernetes.prefix`
    if (/^system:?$/.test(prefix)) return [{ path, problem: 'is what Kubernetes names its own users by', mend: 'choose another prefix' }]
    const other = all.slice(0, at).find((earlier) => meet(earlier.prefix, prefix))
    if (other === undefined) return []
    const how = prefix !== other.prefix ? 'and that of' : prefix === '' ? 'is empty, as is that of' : 'equals that of'
    const begins = prefix !== other.prefix ? ' begin alike' : ''
    return [
      {
        path,
        problem: `${how} providers.${other.name}${begins}: users and groups of the two could be the same to a cluster`,
        mend: 'give each provider its own prefix that ends in a colon',
      },
    ]
  })
}

/** An empty prefix meets only another one: what it may not name is refused when it is named. */
function meet(one: string, other: string): boolean {
  if (one === '' || other === '') return one === other
  return one.startsWith(other) || other.startsWith(one)
}

function clusterRights({ clusters, providers }: Config): Fault[] {
  return Object.values(clusters).flatMap((cluster): Fault[] => {
    const faults: Fault[] = []
    for (const name of cluster.allow.providers ?? []) {
      if (!Object.hasOwn(providers, name))
        faults.push({
          code: 'unknown_name',
          path: `clusters.${cluster.name}.allow.providers`,
          problem: `names ${name}, which is not configured`,
          mend: 'name a configured provider',
        })
    }
    return faults
  })
}

function lifetimes({ sessions }: Config): Fault[] {
  if (sessions.idle <= sessions.absolute) return []
  return [{ path: 'sessions.idle', problem: 'is longer than sessions.absolute', mend: 'make it shorter' }]
}

function keyRing({ store }: Config): Fault[] {
  if ('memory' in store) return []
  const ids = store.redis.keys.map(({ id }) => id)
  return ids.flatMap((id, at): Fault[] =>
    ids.indexOf(id) === at
      ? []
      : [
          {
            path: `store.redis.keys.${at}.id`,
            problem: 'is the id of another key as well, so one of the two would open nothing',
            mend: 'give each key its own id',
          },
        ],
  )
}

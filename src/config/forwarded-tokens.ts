/** Which tokens of logins clusters are sent, as far as the configuration tells: what must not be, and what is unwise. */
import type { ClusterConfig } from './cluster.ts'
import type { Config } from './config.ts'
import { exchangeFaults } from './exchanged-tokens.ts'
import type { Fault } from './faults.ts'
import type { ProviderConfig } from './provider.ts'

type Forwarding = Extract<ClusterConfig['as'], { kind: 'forward-token' }>
type Exchanging = Extract<ClusterConfig['as'], { kind: 'token-exchange' }>

/** Clusters that would be sent tokens for somebody else, for Mandate itself above all. */
export function forwardingFaults(config: Config): Fault[] {
  const { clusters, providers } = config
  const signingIn = Object.values(providers).filter(({ signIn }) => signIn)
  const forwarding = Object.values(clusters).flatMap((cluster): Fault[] => {
    const { as } = cluster
    if (as.kind !== 'forward-token') return []
    const at = `clusters.${cluster.name}`
    const faults: Fault[] = []
    if (as.audience === undefined && (as.token === 'access-token' || as.passThroughOpen)) {
      faults.push({
        path: `${at}.as.audience`,
        problem: 'is missing',
        mend: 'name the audience that the cluster requires, so that no token for somebody else is sent to it',
      })
    }
    if (as.audience === undefined && cluster.allow.providers === undefined && signingIn.length > 1) {
      faults.push({
        path: `${at}.allow.providers`,
        problem: 'is missing, so that the cluster would be sent the ID tokens of every provider',
        mend: 'name the providers that the cluster trusts, or its audience in as.audience',
      })
    }
    const other = allowed(cluster, signingIn).find((provider) => isMandates(as, provider))
    if (other !== undefined && !as.passThroughOpen) {
      faults.push({
        path: `${at}.as`,
        problem: `sends tokens that Mandate takes as bearers of providers.${other.name}, so the cluster could come back with them`,
        mend: "give the provider's bearers an audience that the cluster's tokens do not have, with accept: access-token",
      })
    }
    return faults
  })
  return [...forwarding, ...exchangeFaults(config)]
}

/** A cluster whose tokens another cluster takes as well: who controls the one can act at the other. */
export function sharedAudiences({ clusters, providers }: Config): Fault[] {
  const all = Object.values(clusters)
  return all.flatMap((cluster): Fault[] => {
    const { as } = cluster
    if (as.kind === 'impersonate') return []
    const sent = new Set(allowed(cluster, Object.values(providers)).flatMap((provider) => sentTo(as, provider)))
    const takers = all.filter((other) => {
      if (other.as.kind === 'impersonate' || other.server === cluster.server) return false
      const { as: theirs } = other
      return allowed(other, Object.values(providers)).some((provider) => sent.has(key(provider, audienceOf(theirs, provider))))
    })
    if (takers.length === 0) return []
    return [
      {
        path: `${at(cluster)}.as`,
        problem: `is sent tokens that ${takers.map(at).join(' and ')} would take: who controls the one can act at the other`,
        mend: 'have the issuer make access tokens for each, and set token: access-token with an audience of its own',
      },
    ]
  })
}

const at = ({ name }: ClusterConfig) => `clusters.${name}`
const key = ({ name }: ProviderConfig, audience: string) => JSON.stringify([name, audience])

/** The providers whose tokens may be sent to a cluster: those of logins, or what bearers are exchanged for as well. */
function allowed({ allow, as }: ClusterConfig, providers: readonly ProviderConfig[]): readonly ProviderConfig[] {
  return providers.filter(({ name, signIn }) => (signIn || as.kind === 'token-exchange') && allow.providers?.includes(name) !== false)
}

function audienceOf(as: Forwarding | Exchanging, { clientId }: ProviderConfig): string {
  if (as.kind === 'token-exchange') return as.audience ?? as.resource ?? ''
  return as.audience ?? clientId
}

/** An ID token names the client whatever else it names (OpenID Connect Core 2). */
function sentTo(as: Forwarding | Exchanging, provider: ProviderConfig): string[] {
  const named = [audienceOf(as, provider), ...(as.kind === 'forward-token' && as.token === 'id-token' ? [provider.clientId] : [])]
  return named.map((audience) => key(provider, audience))
}

/** Every token that the cluster may be sent is one that Mandate takes: seen here instead of at each request. */
function isMandates(as: Forwarding, provider: ProviderConfig): boolean {
  if (provider.accept !== as.token) return false
  return as.token === 'id-token' ? provider.audience === provider.clientId : as.audience === provider.audience
}

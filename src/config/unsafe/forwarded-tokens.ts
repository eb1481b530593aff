/** Which tokens of logins clusters and routes must not be sent, as far as the configuration tells. */
import type { ClusterConfig } from '../cluster.ts'
import type { Config } from '../config.ts'
import type { Fault } from '../faults/faults.ts'
import type { ProviderConfig } from '../provider.ts'
import { exchangeFaults } from './exchanged-tokens.ts'
import { type TokenTarget, tokenTargets } from './token-targets.ts'

type Forwarding = Extract<ClusterConfig['as'], { kind: 'forward-token' }>

/** Targets that would be sent tokens for somebody else, for Mandate itself above all. */
export function forwardingFaults(config: Config): Fault[] {
  return [...unnamed(config), ...tokenTargets(config).flatMap(mandates), ...exchangeFaults(config)]
}

/** Clusters that do not say for whom their tokens are to be; of routes the schema of the service asks it (`route-service-faults.ts`). */
function unnamed({ clusters, providers }: Config): Fault[] {
  const signingIn = Object.values(providers).filter(({ signIn }) => signIn)
  return Object.values(clusters).flatMap(({ name, as, allow }): Fault[] => {
    if (as.kind !== 'forward-token' || as.audience !== undefined) return []
    const faults: Fault[] = []
    if (as.token === 'access-token' || as.passThroughOpen) {
      faults.push({
        path: `clusters.${name}.as.audience`,
        problem: 'is missing',
        mend: 'name the audience that the cluster requires, so that no token for somebody else is sent to it',
      })
    }
    if (allow.providers === undefined && signingIn.length > 1) {
      faults.push({
        path: `clusters.${name}.allow.providers`,
        problem: 'is missing, so that the cluster would be sent the ID tokens of every provider',
        mend: 'name the providers that the cluster trusts, or its audience in as.audience',
      })
    }
    return faults
  })
}

/** Every token that the target may be sent is one that Mandate takes: seen here instead of at each request. */
function mandates({ path, as, providers }: TokenTarget): Fault[] {
  if (as.kind !== 'forward-token' || as.passThroughOpen) return []
  const whose = providers.find((provider) => isMandates(as, provider))
  if (whose === undefined) return []
  const what = path.startsWith('clusters.') ? 'cluster' : 'service'
  return [
    {
      path: `${path}.as`,
      problem: `sends tokens that Mandate takes as bearers of providers.${whose.name}, so the ${what} could come back with them`,
      mend: `give the provider's bearers an audience that the ${what}'s tokens do not have, with accept: access-token`,
    },
  ]
}

function isMandates(as: Forwarding, provider: ProviderConfig): boolean {
  if (provider.accept !== as.token) return false
  return as.token === 'id-token' ? provider.audience === provider.clientId : as.audience === provider.audience
}

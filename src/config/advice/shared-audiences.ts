/** Targets whose tokens another target takes as well (`advice.ts`): who controls the one can act at the other. */
import type { Config } from '../config.ts'
import type { Fault } from '../faults/faults.ts'
import type { ProviderConfig } from '../provider.ts'
import { sentAudiences, takenAudiences, tokenTargets } from '../unsafe/token-targets.ts'

export function sharedAudiences(config: Pick<Config, 'clusters' | 'routes' | 'providers'>): Fault[] {
  const all = tokenTargets(config)
  return all.flatMap(({ path, as, providers, services }): Fault[] => {
    const sent = new Set(providers.flatMap((provider) => sentAudiences(as, provider).map((audience) => key(provider, audience))))
    const takers = all.filter(
      (other) =>
        !other.services.some((service) => services.includes(service)) &&
        other.providers.some((provider) => takenAudiences(other.as, provider).some((audience) => sent.has(key(provider, audience)))),
    )
    if (takers.length === 0) return []
    return [
      {
        path: `${path}.as`,
        problem: `is sent tokens that ${takers.map((taker) => taker.path).join(' and ')} would take: who controls the one can act at the other`,
        mend: 'have the issuer make access tokens for each, with an audience of its own',
      },
    ]
  })
}

/** An audience means something to one issuer alone. */
const key = ({ name }: ProviderConfig, audience: string) => JSON.stringify([name, audience])

/** Lists of clients of a provider that say something else than was meant (`advice.ts`). */
import type { Config } from '../config.ts'
import type { Fault } from '../faults/faults.ts'

export function clientAdvice({ providers }: Pick<Config, 'providers'>): Fault[] {
  return Object.values(providers).flatMap(({ name, clientId, machineClients, personClients = [] }): Fault[] => {
    const path = `providers.${name}.machineClients`
    const both = machineClients.filter((client) => personClients.includes(client))
    return [
      ...(both.length === 0
        ? []
        : [
            {
              path,
              problem: `has what personClients has too: ${both.join(', ')}`,
              mend: 'make a client for machines and another for people, unless it is meant to be both',
            },
          ]),
      ...(clientId !== '' && machineClients.includes(clientId)
        ? [
            {
              path,
              problem: 'lists the clientId by which people sign in: whoever holds its secret is a machine as well',
              mend: 'make a client of its own for each machine',
            },
          ]
        : []),
    ]
  })
}

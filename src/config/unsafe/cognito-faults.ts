/**
 * What must not be configured for a user pool of Amazon Cognito.
 *
 * Security: whom its tokens are for is decided by lists of clients. A pool by which nobody could come is a mistake that
 * would otherwise show itself as a refusal of everybody, and be mended in haste.
 */
import type { Config } from '../config.ts'
import type { Fault } from '../faults/faults.ts'

/** The faults of every provider of kind cognito; none where there is none. */
export function cognitoFaults({ providers }: Pick<Config, 'providers'>): Fault[] {
  return Object.values(providers).flatMap(({ kind, name, signIn, machineClients, personClients = [], commandLine }): Fault[] => {
    if (kind !== 'cognito') return []
    const path = `providers.${name}`
    const faults: Fault[] = []
    if (!signIn && machineClients.length === 0 && personClients.length === 0)
      faults.push({
        path: `${path}.machineClients`,
        problem: 'is empty, as is personClients, and nobody signs in: nobody could come',
        mend: 'list the app clients of machines, or those of people in personClients',
      })
    if (commandLine !== undefined && !personClients.includes(commandLine.clientId))
      faults.push({
        path: `${path}.personClients`,
        problem: 'lacks the clientId of commandLine, so that every token of the command line would be refused',
        mend: 'add it',
      })
    return faults
  })
}

/**
 * What must not be configured for `mandate login`.
 *
 * Security: a command line keeps no secret (RFC 8252 8.5), so it needs a client of its own. With the gateway's confidential
 * one it either could not sign in at all or, at an issuer that does not insist on the secret, would make that
 * client public for everybody. And a token that a command line obtains must be one that Mandate takes: a sign-in that
 * succeeds and is then refused at every request teaches people to work around it.
 */
import type { Config } from '../config.ts'
import type { Fault } from '../faults/faults.ts'

/** The faults of every provider's `commandLine`; none where there is none. */
export function commandLineFaults({ providers }: Pick<Config, 'providers'>): Fault[] {
  return Object.values(providers).flatMap(({ name, commandLine, clientId, clientAuth, accept, audience }): Fault[] => {
    if (commandLine === undefined) return []
    const path = `providers.${name}.commandLine`
    const faults: Fault[] = []
    if (commandLine.clientId === clientId && clientAuth.method !== 'none') {
      faults.push({
        path: `${path}.clientId`,
        problem: "is the gateway's own client, which has a secret that a command line cannot keep",
        mend: 'register a public client for the command line and name that',
      })
    }
    if (accept === 'id-token' && audience !== commandLine.clientId) {
      faults.push({
        path: `providers.${name}.audience`,
        problem: 'is not the clientId of commandLine, which every ID token of the command line names, so that all would be refused',
        mend: 'set audience to that clientId, or take access tokens',
      })
    }
    if (!commandLine.scopes.includes('openid')) {
      faults.push({ path: `${path}.scopes`, problem: 'lacks openid', mend: 'add openid' })
    }
    return faults
  })
}

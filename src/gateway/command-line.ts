/**
 * What `mandate login` and `mandate kubeconfig` must know before anybody has signed in: where, with which public client,
 * and for which audience. GET /.mandate/command-line.
 *
 * Security: it is outside the journey and answers everybody, so it says only what every authorization request of the
 * command line shows in the address bar anyway. Nothing of the gateway's own client, of clusters or of rules is in it.
 * Whoever reads it must not believe it more than the TLS connection that it came over (`command/sign-in/gateway-document.ts`),
 * nor believe it anew each time (`command/sign-in/pins.ts`).
 */
import type { ProviderConfig } from '../config/provider.ts'
import { answerJson } from './answers.ts'
import { requireMethod, type Visit } from './visit.ts'

export interface CommandLineEndpoint {
  /** GET /.mandate/command-line */
  document(visit: Visit): Promise<void>
}

type Described = Pick<ProviderConfig, 'name' | 'title' | 'issuer' | 'accept' | 'audience' | 'commandLine'>

/** The endpoint for the providers that have `commandLine`; without any it answers with an empty list. */
export function createCommandLine(providers: readonly Described[]): CommandLineEndpoint {
  const described = providers.flatMap(({ name, title, issuer, accept, audience, commandLine }) =>
    commandLine === undefined
      ? []
      : [
          {
            name,
            title: title ?? name,
            issuer,
            clientId: commandLine.clientId,
            scopes: commandLine.scopes,
            ...(commandLine.resource === undefined ? {} : { resource: commandLine.resource }),
            token: accept,
            audience,
          },
        ],
  )
  return {
    async document(visit) {
      requireMethod(visit, 'GET')
      answerJson(visit.response, 200, { providers: described }, visit.requestId)
    },
  }
}

/**
 * Bearers of an Amazon Cognito user pool.
 *
 * Security: its access tokens name no audience, so every app client of the pool gets tokens that look alike. What stands
 * for the audience are the configured clients, and a client on neither list is nobody here. Of the rest:
 *
 * - `token_use` is `access`. ID tokens are for the client that asked for them, whatever else they say.
 * - A machine is a client of `machineClients` whose token has no user: `sub` is the client itself, which Cognito lets no
 *   trigger change, and there is no `username`. "It has a client_id" proves nothing: every user's access token has one.
 *   Nobody acts for it (`act`, which a trigger may add): a rule for machines means the machine itself.
 * - A person is a user of a client of `personClients`. That a machine's client is listed makes no user of it a machine,
 *   and none a person.
 * - An `aud` is there with resource binding alone. Then it is a promise of the issuer for whom the token is, and must be
 *   kept: without a configured audience such a token is for somebody else.
 */
import type { ProviderConfig } from '../../config/provider.ts'
import { Refusal } from '../../errors.ts'
import type { BearerRule } from './bearer-rule.ts'

export function cognitoRule({
  audience,
  machineClients,
  personClients = [],
}: Pick<ProviderConfig, 'audience' | 'machineClients' | 'personClients'>): BearerRule {
  return {
    // Cognito writes no `typ` at all.
    types: [undefined, 'jwt'],
    audience: { ifPresent: audience },
    requireType({ token_use: use }) {
      if (use !== 'access') throw new Refusal('token_type_wrong', { detail: 'its token_use is not access' })
    },
    judge({ claims }) {
      const { sub, client_id: client, username } = claims
      if (claims['cnf'] !== undefined) throw new Refusal('token_type_wrong', { detail: 'it is bound to a key and is no bearer' })
      if (typeof client !== 'string') throw nobody('it names no client')
      if (username !== undefined) {
        if (personClients.includes(client)) return 'person'
        throw nobody("it is a user's, and the client is not among the provider's personClients")
      }
      if (!machineClients.includes(client)) throw nobody("the client is not among the provider's machineClients")
      if (sub !== client) throw nobody('its sub is not the client, as that of a machine is')
      if (claims['act'] !== undefined) throw nobody('the machine is not alone: somebody acts for it')
      return 'machine'
    },
  }
}

/** The token is what it says, and nothing was allowed to whom it speaks of. */
function nobody(detail: string): Refusal {
  return new Refusal('denied', { detail })
}

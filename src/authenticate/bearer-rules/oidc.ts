/**
 * Bearers of an OpenID provider: access tokens by RFC 9068 or plain JWTs, or ID tokens, as the provider declares.
 *
 * Security: a token is taken only as the kind that its provider declares. ID tokens are for the client that asked for
 * them and access tokens for a resource; mixing them up lets any client of the issuer be its users at Mandate. Tokens
 * bound to a key (`cnf`, RFC 7800) are refused: taken as bearers, they would be worth to a thief what the binding forbids.
 *
 * Issuers write machines' tokens in several ways, each in a file beside this one. A token of such a form is never a
 * person's, and a machine's only if its client is listed; otherwise it is nobody's that anything was allowed to. Nobody's
 * as well is what names two clients, or speaks of a machine without being of its form (`never-people.ts`), above all what
 * was exchanged, and what a cluster or a build service wrote for a workload (`workloads.ts`). The rest are people: a listed
 * client with a user is that user, and without one nobody. With `personClients` they are so only if their token was issued
 * to one of these. ID tokens are never a machine's.
 *
 * A machine's token that says who acts for it (`act`, RFC 8693 4.1) is nobody's: a rule for machines means the machine
 * itself, and nothing says that it was to be lent. For a person somebody may act, and is recorded with them.
 */
import type { ProviderConfig } from '../../config/provider.ts'
import { Refusal } from '../../errors.ts'
import { requireIdTokenKind } from '../../providers/id-token.ts'
import type { VerifiedClaims, VerifiedJwt } from '../../providers/verify.ts'
import { clientOf, namesTwoClients } from '../client-of.ts'
import { isAuth0Machine } from './auth0.ts'
import type { BearerRule } from './bearer-rule.ts'
import { isEntraApplication } from './entra.ts'
import { isKeycloakServiceAccount } from './keycloak.ts'
import { isNeverPerson, isUnsaid } from './never-people.ts'
import { isOwnSubject } from './rfc9068.ts'
import { isWorkload } from './workloads.ts'

type Accepting = Pick<ProviderConfig, 'accept' | 'accessTokenType' | 'audience' | 'machineClients' | 'personClients'>

const MACHINES = [isOwnSubject, isKeycloakServiceAccount, isEntraApplication, isAuth0Machine]

export function oidcRule(provider: Accepting): BearerRule {
  const { accept, accessTokenType, audience, machineClients, personClients } = provider
  return {
    types: accept === 'access-token' && accessTokenType === 'at+jwt' ? ['at+jwt'] : ['jwt', undefined],
    audience,
    judge(verified) {
      requireKind(verified, provider)
      const { claims } = verified
      const client = clientOf(claims)
      if (namesTwoClients(claims)) throw nobody('it names two clients, as after a token exchange')
      if (accept === 'access-token' && MACHINES.some((isMachine) => isMachine(claims, client))) {
        if (client === undefined || !machineClients.includes(client)) throw nobody("this client is not among the provider's machineClients")
        if (claims['act'] !== undefined) throw nobody('the machine is not alone: somebody acts for it')
        return 'machine'
      }
      if (isWorkload(claims)) throw nobody('it is of a workload, and these are neither people nor machines of a client here')
      if (isNeverPerson(claims, machineClients))
        throw nobody('it speaks of a machine and is not as that machine would get it: another client may have exchanged it')
      // An ID token is of the client that it is for, whether it says so in azp or not.
      if (isUnsaid(claims, accept === 'id-token' ? [client, audience] : [client], machineClients))
        throw nobody(
          "this client is among the provider's machineClients, and it has neither the form of a machine's nor the name of a user",
        )
      if (accept === 'access-token' && personClients !== undefined && (client === undefined || !personClients.includes(client)))
        throw nobody("it is a user's, and the client is not among the provider's personClients")
      return 'person'
    },
  }
}

function requireKind(verified: VerifiedJwt, { accept, accessTokenType, audience }: Accepting): void {
  const { claims } = verified
  if (claims['cnf'] !== undefined) throw wrongType('it is bound to a key and is no bearer')
  if (accept === 'id-token') {
    requireIdTokenKind(verified)
    // OpenID Connect Core 3.1.3.7 points 4 and 5: of several audiences the authorized party must be the one we stand for.
    if (claims.aud.length > 1 && claims['azp'] !== audience) throw new Refusal('token_audience_wrong', { detail: 'azp is another client' })
    return
  }
  const { typ, token_use: use, token_type: type } = claims
  if ((typ !== undefined && typ !== 'Bearer') || (use !== undefined && use !== 'access') || (type !== undefined && !isAccess(type)))
    throw wrongType('its claims say that it is no access token')
  // RFC 9068 tokens are told apart by their header; plain JWTs only by what they say.
  if (accessTokenType === 'at+jwt') return
  if (['at_hash', 'c_hash', 's_hash', 'events'].some((claim) => claims[claim] !== undefined) || isOfSignIn(claims))
    throw wrongType('it has claims of an ID or logout token')
}

/**
 * Whether its nonce may be that of an ID token. Some issuers (Authentik, Azure AD B2C) write it into access tokens as well; but
 * an ID token is for the client that it was issued to (OpenID Connect Core 2, `aud`), and so cannot name one for which it is not.
 */
function isOfSignIn(claims: VerifiedClaims): boolean {
  const client = clientOf(claims)
  return claims['nonce'] !== undefined && (client === undefined || claims.aud.includes(client))
}

/** As issuers write it that say the type in a claim. */
function isAccess(type: unknown): boolean {
  return typeof type === 'string' && ['access', 'access_token', 'bearer'].includes(type.toLowerCase())
}

function wrongType(detail: string): Refusal {
  return new Refusal('token_type_wrong', { detail })
}

/** The token is what it says, and nothing was allowed to whom it speaks of. */
function nobody(detail: string): Refusal {
  return new Refusal('denied', { detail })
}

/**
 * Which kind of token a verified JWT is, and whether it speaks of a person or a machine.
 *
 * Security: a token is taken only as the kind that its provider declares. ID tokens are for the client that asked for
 * them and access tokens for a resource; mixing them up lets any client of the issuer be its users at Mandate. Tokens
 * bound to a key (`cnf`, RFC 7800) are refused: taken as bearers, they would be worth to a thief what the binding forbids.
 *
 * A machine is proven by a configured client *and* the absence of a user, by rules that this kind of provider keeps
 * (docs/decisions/0003), each of them beside the function that knows it. A listed client with a user is a person. A
 * token without a user whose client is not listed is nobody that anything was allowed to: refused as `denied`.
 */
import type { ProviderConfig } from '../config/provider.ts'
import { Refusal } from '../errors.ts'
import type { PrincipalKind } from '../principal.ts'
import { requireIdTokenKind } from '../providers/id-token.ts'
import type { VerifiedClaims, VerifiedJwt } from '../providers/verify.ts'

type Accepting = Pick<ProviderConfig, 'accept' | 'accessTokenType' | 'audience'>

/** The `typ` headers that a provider's bearers may have. */
export function allowedTypes({ accept, accessTokenType }: Accepting): ReadonlyArray<string | undefined> {
  return accept === 'access-token' && accessTokenType === 'at+jwt' ? ['at+jwt'] : ['jwt', undefined]
}

/** Throws Refusal `token_type_wrong` or `token_audience_wrong`. */
export function requireKind(verified: VerifiedJwt, { accept, accessTokenType, audience }: Accepting): void {
  const { claims } = verified
  if (claims['cnf'] !== undefined) throw wrongType('it is bound to a key and is no bearer')
  if (accept === 'id-token') {
    requireIdTokenKind(verified)
    // OpenID Connect Core 3.1.3.7 points 4 and 5: of several audiences the authorized party must be the one we stand for.
    if (claims.aud.length > 1 && claims['azp'] !== audience) throw new Refusal('token_audience_wrong', { detail: 'azp is another client' })
    return
  }
  const typ = claims['typ']
  if (typ !== undefined && typ !== 'Bearer') throw wrongType('its claims say that it is no access token')
  // RFC 9068 tokens are told apart by their header; plain JWTs only by what they say.
  if (accessTokenType === 'at+jwt') return
  if (['nonce', 'at_hash', 'c_hash', 's_hash', 'events'].some((claim) => claims[claim] !== undefined))
    throw wrongType('it has claims of an ID or logout token')
}

/** Throws Refusal `denied` for a machine that is not configured. */
export function kindOf(
  claims: VerifiedClaims,
  { accept, machineClients }: Pick<ProviderConfig, 'accept' | 'machineClients'>,
): PrincipalKind {
  if (accept === 'id-token') return 'person'
  // Okta calls the client `cid`, Entra's first version `appid`.
  const client = ['client_id', 'azp', 'cid', 'appid'].map((claim) => claims[claim]).find((value) => typeof value === 'string')
  if (!saysMachine(claims) && (client === undefined || !lacksUser(claims, client))) return 'person'
  if (client !== undefined && machineClients.includes(client)) return 'machine'
  throw new Refusal('denied', { detail: "this client is not among the provider's machineClients" })
}

/** What no token of a person says, whatever else it says. */
function saysMachine(claims: VerifiedClaims): boolean {
  const { gty, idtyp, oid, scp, sub } = claims
  const auth0 = gty === 'client-credentials' || sub?.endsWith('@clients')
  // Entra names an application alike in `sub` and `oid`, and delegates nothing to it: people's tokens have `scp`.
  const entra = idtyp === 'app' || (oid !== undefined && oid === sub && scp === undefined)
  // Keycloak's mappers for service accounts; those of people have no such claim.
  const keycloak = ['clientHost', 'clientAddress'].some((claim) => claims[claim] !== undefined)
  return auth0 === true || entra || keycloak
}

/** Claims that only a user has. */
const OF_USERS = ['username', 'email', 'auth_time', 'preferred_username', 'uid']
/** Further ones that tell a user where `sub` does not tell a client. */
const OF_SESSIONS = ['sid', 'session_state', 'name', 'given_name', 'acr', 'amr']

function lacksUser(claims: VerifiedClaims, client: string): boolean {
  const { client_id: named, azp, preferred_username: user } = claims
  if (azp !== undefined && azp !== client) return false
  const without = (names: readonly string[]) => names.every((claim) => claims[claim] === undefined)
  // RFC 9068 2.2: without a resource owner `sub` is the client. So it is with oidc-provider and Okta.
  if (claims.sub === client) return without(OF_USERS)
  // Keycloak writes `client_id` besides `azp` for client_credentials alone, and keeps user names in lower case. Its
  // reserved user name is missing when the client has not the scope `profile`.
  if (named !== client) return false
  return user === `service-account-${client.toLowerCase()}` || (azp === client && without([...OF_USERS, ...OF_SESSIONS]))
}

/** RFC 8693 4.2 `scope` (text, split at spaces), or `scp` as some issuers write it (text or list). */
export function scopesOf(claims: VerifiedClaims): readonly string[] {
  const value = claims['scope'] ?? claims['scp']
  const list: unknown[] = typeof value === 'string' ? value.split(' ') : Array.isArray(value) ? value : []
  return Object.freeze([...new Set(list.filter((scope): scope is string => typeof scope === 'string' && scope !== ''))])
}

function wrongType(detail: string): Refusal {
  return new Refusal('token_type_wrong', { detail })
}

/**
 * Service accounts of Keycloak. They are users to it, with a random `sub`, so `sub` says nothing.
 *
 * Security: the mappers for service accounts write `clientHost` and `clientAddress`, which people's tokens do not have.
 * Without these mappers it is `client_id` besides `azp`, which Keycloak writes for client_credentials alone; together with
 * the user name that it reserves, or, when the client has not the scope `profile`, with no trace of a user or session. A
 * person may call herself `service-account-x`, but cannot make Keycloak write `client_id`.
 *
 * A token that another client got for a service account's by exchange (RFC 8693) has none of these claims: `azp` is that
 * client, `sub` and user name are still the service account's. The user name of one client is no proof of another.
 */
import type { VerifiedClaims } from '../../providers/verify.ts'
import { OF_SESSIONS, OF_USERS, without } from './of-users.ts'

/** What Keycloak's user names of service accounts begin with. */
export const OF_SERVICE_ACCOUNTS = 'service-account-'

/** What its mappers for service accounts write. */
export const OF_MAPPERS = ['clientHost', 'clientAddress']

export function isKeycloakServiceAccount(claims: VerifiedClaims, client: string | undefined): boolean {
  if (client === undefined) return false
  const mapped = !without(claims, OF_MAPPERS)
  const named = claims.sub !== client && claims['client_id'] === client
  // It keeps user names in lower case. An administrator may have given the account an address, so that counts for nothing.
  if (claims['preferred_username'] === `${OF_SERVICE_ACCOUNTS}${client.toLowerCase()}`) return mapped || named
  if (!without(claims, OF_USERS)) return false
  return mapped || (named && claims['azp'] === client && without(claims, OF_SESSIONS))
}

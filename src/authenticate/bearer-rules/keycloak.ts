/**
 * Service accounts of Keycloak. They are users to it, with a random `sub`, so `sub` says nothing.
 *
 * Security: the mappers for service accounts write `clientHost` and `clientAddress`, which people's tokens do not have.
 * Without these mappers it is `client_id` besides `azp`, which Keycloak writes for client_credentials alone; together with
 * the user name that it reserves, or, when the client has not the scope `profile`, with no trace of a user or session. A
 * person may call herself `service-account-x`, but cannot make Keycloak write `client_id`.
 */
import type { VerifiedClaims } from '../../providers/verify.ts'
import { isOfOneClient, OF_SESSIONS, OF_USERS, without } from './of-users.ts'

export function isKeycloakServiceAccount(claims: VerifiedClaims, client: string | undefined): boolean {
  if (!without(claims, ['clientHost', 'clientAddress'])) return true
  if (!isOfOneClient(claims, client) || claims.sub === client || claims['client_id'] !== client) return false
  // It keeps user names in lower case.
  if (claims['preferred_username'] === `service-account-${client.toLowerCase()}`) return true
  return claims['azp'] === client && without(claims, [...OF_USERS, ...OF_SESSIONS])
}

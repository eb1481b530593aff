/**
 * Service accounts of Keycloak. They are users to it, with a random `sub`, so `sub` says nothing.
 *
 * Security: the mappers for service accounts write `clientHost` and `clientAddress`, which people's tokens do not have.
 * Without these mappers it is `client_id` besides `azp`, which Keycloak writes for client_credentials alone; together with
 * the user name that it reserves, or, when the client has not the scope `profile`, with no trace of a user or session. A
 * person may call herself `service-account-x`, but cannot make Keycloak write `client_id`.
 *
 * A lightweight access token has none of this, nor has one of a client without the scopes `profile` and `service_account`.
 * Since Keycloak 26.2 the id of a token begins with how it was got, two letters each for session, token and grant:
 * `trltcc:` is of client credentials, which Keycloak gives for the service account of `azp` and for nobody else. No mapper
 * and no user can write it, so with `azp` it proves a service account. After a refresh or an exchange it names that grant
 * (`rt`, `te`), and nothing is left: a client in `machineClients` is then what keeps such a token from being a person's.
 *
 * A token that another client got for a service account's by exchange (RFC 8693) has none of these claims: `azp` is that
 * client, `sub` and user name are still the service account's. The user name of one client is no proof of another.
 */
import type { VerifiedClaims } from '../../providers/verify.ts'
import { OF_PEOPLE, OF_SESSIONS, OF_USERS, without } from './of-users.ts'

/** What Keycloak's user names of service accounts begin with. */
export const OF_SERVICE_ACCOUNTS = 'service-account-'

/** What its mappers for service accounts write. */
export const OF_MAPPERS = ['clientHost', 'clientAddress']

const BY_CLIENT_CREDENTIALS = /^[a-z]{4}cc:/

/** Whether the id of the token says that it was given for client credentials. */
export function isByClientCredentials({ jti }: VerifiedClaims): boolean {
  return typeof jti === 'string' && BY_CLIENT_CREDENTIALS.test(jti)
}

export function isKeycloakServiceAccount(claims: VerifiedClaims, client: string | undefined): boolean {
  if (client === undefined) return false
  const written = !without(claims, OF_MAPPERS) || isByClientCredentials(claims)
  const named = claims.sub !== client && claims['client_id'] === client
  // It keeps user names in lower case. An administrator may have given the account an address, so that counts for nothing.
  if (claims['preferred_username'] === `${OF_SERVICE_ACCOUNTS}${client.toLowerCase()}`) return written || named
  if (!without(claims, OF_USERS)) return false
  return written || (named && claims['azp'] === client && without(claims, [...OF_PEOPLE, ...OF_SESSIONS]))
}

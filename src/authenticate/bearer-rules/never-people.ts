/**
 * What speaks of a machine although it is of no form that a machine's token has: it is never a person's, so it is nobody's.
 *
 * Security: one token exchange (RFC 8693) by another client of the issuer turns a machine's token into one that names that
 * client and has lost what told of the machine, while `sub` is still the machine's. Read as "no form of a machine, so a
 * person" it would make people of machines, listed or not. What is left to tell it by is here. Nothing at all is left
 * when the subject is an id that Mandate was told nothing of: there only a list of clients helps (`personClients`).
 */
import type { VerifiedClaims } from '../../providers/verify.ts'
import { clientOf } from '../client-of.ts'
import { OF_AUTH0 } from './auth0.ts'
import { OF_MAPPERS, OF_SERVICE_ACCOUNTS } from './keycloak.ts'
import { OF_USERS, without } from './of-users.ts'

export function isNeverPerson(claims: VerifiedClaims, machineClients: readonly string[]): boolean {
  return isNamedAsMachine(claims) || isSubjectOfMachine(claims, machineClients) || isSaidToBeMachine(claims)
}

/** Keycloak reserves these names, and where it does not, who took one pretends. */
function isNamedAsMachine({ preferred_username: preferred, username }: VerifiedClaims): boolean {
  return [preferred, username].some((name) => typeof name === 'string' && name.toLowerCase().startsWith(OF_SERVICE_ACCOUNTS))
}

/** The subject is a client: one that is listed, one that the token names, or one that Auth0 writes as such. */
function isSubjectOfMachine(claims: VerifiedClaims, machineClients: readonly string[]): boolean {
  const { sub, aud } = claims
  if (sub?.endsWith(OF_AUTH0) === true && without(claims, OF_USERS)) return true
  return [...machineClients, ...aud, clientOf(claims)].some(
    (client) => client !== undefined && [client, `${client}${OF_AUTH0}`].includes(sub ?? ''),
  )
}

/** By Entra or Auth0, whatever else it says; by Keycloak's mappers, which also write into ID tokens, unless there is a user. */
function isSaidToBeMachine(claims: VerifiedClaims): boolean {
  const { idtyp, gty } = claims
  return idtyp === 'app' || gty === 'client-credentials' || (!without(claims, OF_MAPPERS) && without(claims, OF_USERS))
}

/**
 * What speaks of a machine although it is of no form that a machine's token has: it is never a person's, so it is nobody's.
 *
 * Security: one token exchange (RFC 8693) by another client of the issuer turns a machine's token into one that names that
 * client and has lost what told of the machine, while `sub` is still the machine's. Read as "no form of a machine, so a
 * person" it would make people of machines, listed or not. What is left to tell it by is here. Nothing at all is left
 * when the subject is an id that Mandate was told nothing of: there only a list of clients helps (`personClients`).
 *
 * A client in `machineClients` is known to be a machine's. A token of it that is of no form of a machine is either of a form
 * that no rule knows (lightweight tokens of Keycloak, machine users of Zitadel and Authentik) or of a user who came by that
 * client, and only what names a user tells them apart. A session does not: issuers keep them for machines that refresh.
 */
import type { VerifiedClaims } from '../../providers/verify.ts'
import { clientOf } from '../client-of.ts'
import { OF_AUTH0 } from './auth0.ts'
import { isEntraUser } from './entra.ts'
import { isByClientCredentials, OF_MAPPERS, OF_SERVICE_ACCOUNTS } from './keycloak.ts'
import { saysWho, without } from './of-users.ts'

/** The user that Authentik makes for the client credentials of a provider. */
const OF_AUTHENTIK = /^ak-.*-client_credentials$/

/** Claims by which a user is called. */
const NAMES = ['username', 'preferred_username', 'email']

export function isNeverPerson(claims: VerifiedClaims, machineClients: readonly string[]): boolean {
  return isNamedAsMachine(claims) || isSubjectOfMachine(claims, machineClients) || isSaidToBeMachine(claims)
}

/** Whether one of its clients is a machine's and it says nothing of a user who came by that. */
export function isUnsaid(claims: VerifiedClaims, clients: ReadonlyArray<string | undefined>, machineClients: readonly string[]): boolean {
  return clients.some((client) => client !== undefined && machineClients.includes(client)) && !saysWho(claims) && !isEntraUser(claims)
}

/** Issuers reserve these names for machines, and where they do not, who took one pretends. */
function isNamedAsMachine({ preferred_username: preferred, username }: VerifiedClaims): boolean {
  return [preferred, username]
    .filter((name) => typeof name === 'string')
    .map((name) => name.toLowerCase())
    .some((name) => name.startsWith(OF_SERVICE_ACCOUNTS) || OF_AUTHENTIK.test(name))
}

/** The subject is a client: one that is listed, one that the token names, or one that Auth0 writes as such. */
function isSubjectOfMachine(claims: VerifiedClaims, machineClients: readonly string[]): boolean {
  const { sub, aud } = claims
  // Only a name excuses such a subject: the time of a sign-in may be that of the machine.
  if (sub?.endsWith(OF_AUTH0) === true && without(claims, NAMES)) return true
  return [...machineClients, ...aud, clientOf(claims)].some(
    (client) => client !== undefined && [client, `${client}${OF_AUTH0}`].includes(sub ?? ''),
  )
}

/**
 * By Entra or Auth0, by Keycloak's mappers for service accounts, which write for nobody else and into ID tokens as well, or
 * by the grant that Keycloak names: whatever else it says, since an administrator may give a service account an address.
 */
function isSaidToBeMachine(claims: VerifiedClaims): boolean {
  const { idtyp, gty } = claims
  // Entra writes `app`, `device` and whatever comes; people are `user`.
  return (
    (idtyp !== undefined && idtyp !== 'user') ||
    gty === 'client-credentials' ||
    !without(claims, OF_MAPPERS) ||
    isByClientCredentials(claims)
  )
}

/**
 * Who sends a request. A bearer that nobody knows is refused and never treated as anonymous: falling through to a
 * weaker identity would turn an expired token into a successful request as somebody else.
 */
import type { IncomingHttpHeaders } from 'node:http'
import { unauthorized } from './status-error.ts'
import { anonymousUser, authenticatedGroup, type UserInfo, unauthenticatedGroup, withGroup } from './user-info.ts'

/** Finds the user of a bearer; undefined when there is none. */
export type Authenticate = (bearer: string) => Promise<UserInfo | undefined>

/** The token of `Authorization: Bearer TOKEN`; undefined when there is no such header, as for Basic. */
function bearerOf(authorization: string | undefined): string | undefined {
  const [scheme = '', token = ''] = (authorization ?? '').trim().split(' ')
  return scheme.toLowerCase() === 'bearer' && token !== '' ? token : undefined
}

/** The requesting user, before impersonation. Throws 401 for a bearer that is not known. */
export async function authenticateRequest(headers: IncomingHttpHeaders, authenticate: Authenticate): Promise<UserInfo> {
  const bearer = bearerOf(headers.authorization)
  if (bearer === undefined) return { username: anonymousUser, groups: [unauthenticatedGroup] }
  const user = await authenticate(bearer)
  if (user === undefined) throw unauthorized()
  return withGroup(user, authenticatedGroup)
}

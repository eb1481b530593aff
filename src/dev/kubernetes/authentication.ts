/**
 * Who sends a request. A bearer that nobody knows is refused and never treated as anonymous: falling through to a
 * weaker identity would turn an expired token into a successful request as somebody else.
 */
import type { IncomingHttpHeaders } from 'node:http'
import { unauthorized } from './status-error.ts'
import { anonymousUser, authenticatedGroup, type UserInfo, unauthenticatedGroup, withGroup } from './user-info.ts'

/** Finds the user of a bearer; undefined when there is none. */
export type Authenticate = (bearer: string) => Promise<UserInfo | undefined>

const bearerProtocol = 'base64url.bearer.authorization.k8s.io.'

/** The token of `Authorization: Bearer TOKEN`; undefined when there is no such header, as for Basic. */
function bearerOf(authorization: string | undefined): string | undefined {
  const [scheme = '', token = ''] = (authorization ?? '').trim().split(' ')
  return scheme.toLowerCase() === 'bearer' && token !== '' ? token : undefined
}

/**
 * The token of a WebSocket handshake from a browser, which cannot set headers: offered as a protocol, beside a real one
 * that may be chosen (apiserver `authentication/request/websocket`). Undefined when there is none; throws 401 for
 * several, for one alone, and for one that is not base64url of UTF-8.
 */
function protocolBearerOf(headers: IncomingHttpHeaders): string | undefined {
  if (headers.upgrade?.toLowerCase() !== 'websocket') return undefined
  const offered = (headers['sec-websocket-protocol'] ?? '').split(',').map((protocol) => protocol.trim())
  const [encoded, another] = offered.filter((protocol) => protocol.startsWith(bearerProtocol))
  if (encoded === undefined) return undefined
  const text = encoded.slice(bearerProtocol.length)
  const token = Buffer.from(text, 'base64url')
  if (another !== undefined || offered.length === 1 || token.toString('base64url') !== text) throw unauthorized()
  return new TextDecoder().decode(token)
}

/** The requesting user, before impersonation. Throws 401 for a bearer that is not known. */
export async function authenticateRequest(headers: IncomingHttpHeaders, authenticate: Authenticate): Promise<UserInfo> {
  const bearer = bearerOf(headers.authorization)
  const known = bearer === undefined ? undefined : await authenticate(bearer)
  if (known !== undefined) return withGroup(known, authenticatedGroup)
  const offered = protocolBearerOf(headers)
  if (bearer === undefined && offered === undefined) return { username: anonymousUser, groups: [unauthenticatedGroup] }
  const user = offered === undefined ? undefined : await authenticate(offered)
  if (user === undefined) throw unauthorized()
  return withGroup(user, authenticatedGroup)
}

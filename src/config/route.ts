/**
 * The configuration of one route: a host and a path that lead to an HTTP service.
 *
 * Security: a path is whole segments, compared one by one with those the gateway decoded; there is no pattern but the
 * final `/**`, and no regular expression that could see a query (oauth2-proxy CVE-2025-54576).
 */
import { z } from 'zod'
import { cluster } from './cluster.ts'
import { name, reference, text } from './values.ts'

const A_PATH = 'expected a path such as /db/reports or /db/**, without empty or dot segments, percent-encoding, semicolons or stars'
// Segments of what needs no percent-encoding (RFC 3986 3.3), without ";" and without "*".
const PATH = /^(?!$)(?:\/(?!\.\.?(?:\/|$))[A-Za-z0-9\-._~!$&'()+,=:@]+)*(?:\/(?:\*\*)?)?$/

export const routePath = z.string({ error: A_PATH }).regex(PATH, A_PATH)

/** A host name as browsers send it. */
export const hostName = z
  .string()
  .regex(
    /^(?=.{1,253}$)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*$/,
    'expected a host name in lower case, without a port',
  )

/** An origin; unlike that of a cluster it may be plain http, since nobody's credential is sent there. */
export const serviceOrigin = text.transform((value, context): string => {
  const url = URL.parse(value)
  const fault = (message: string, mend: string) => {
    context.addIssue({ code: 'custom', message, params: { mend } })
    return z.NEVER
  }
  if (url === null || !['http:', 'https:'].includes(url.protocol))
    return fault('is not an http or https URL', 'write http://host[:port] or https://host[:port]')
  if (url.username !== '' || url.password !== '')
    return fault('carries a user name or password', 'remove them: secrets stand only in references')
  if (url.hash !== '' || url.search !== '') return fault('carries a query or fragment', 'remove it')
  if (url.pathname !== '/') return fault('has a path', 'remove the path')
  return url.origin
})

export const route = z.strictObject({
  name: name.optional().describe('Names it in metrics and audit; default: its host and its place in the list'),
  match: z
    .strictObject({
      host: hostName.describe('The host name it is served under, in lower case'),
      path: routePath.describe('One path, or a path and everything below it with a final /**; the longest that fits wins'),
    })
    .describe('Which requests it takes'),
  allow: cluster.shape.allow.describe('Who may use the service'),
  upstream: serviceOrigin.describe('Where the service is; it learns from identity headers who asks'),
  ca: reference.optional().describe("PEM certificates to trust instead of the system's"),
  sameOriginOpen: z
    .boolean()
    .default(false)
    .describe('Let people open it on the sign-in host, where its pages can do with the login cookie whatever a page of Mandate can'),
})

export const routes = z.array(route)

export type RouteConfig = Readonly<z.output<typeof route>> & { readonly name: string }

/** The names of all routes: those they are given, else made of the host and the place in the list. */
export function namedRoutes(raw: z.output<typeof routes>): RouteConfig[] {
  return raw.map((each, at) => ({ ...each, name: each.name ?? derived(each.match.host, at) }))
}

const LONGEST_NAME = 63

function derived(hostname: string, at: number): string {
  const end = `-${at}`
  return (
    hostname
      .replaceAll('.', '-')
      .slice(0, LONGEST_NAME - end.length)
      .replace(/-+$/, '') + end
  )
}

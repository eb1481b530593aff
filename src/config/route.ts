/**
 * The configuration of one route: a host and a path that lead to an HTTP service.
 *
 * Security: a path is whole segments, compared one by one with those the gateway decoded; there is no pattern but the
 * final `/**`, and no regular expression that could see a query (oauth2-proxy CVE-2025-54576). A host is the name by which
 * browsers know it, and an upstream is never where a machine is told its own credentials: whoever may use such a route
 * would be that machine.
 */
import { BlockList, isIP } from 'node:net'
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
  .regex(/^(?=.{1,253}$)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*$/, {
    error: 'expected a host name in lower case, without a port',
    abort: true,
  })
  // Numbers in other forms (127.1, 0x7f000001, app.1) are addresses to a browser, or nothing at all (WHATWG URL, host parsing).
  .refine((host) => URL.parse(`http://${host}`)?.hostname === host, {
    error: 'is not how a browser writes this host',
    params: { mend: 'write a name that does not end in a number, or an address as four numbers' },
  })

/** Where clouds tell a machine its credentials: link-local addresses, and those and the names that clouds use besides. */
const OF_THE_MACHINE = new BlockList()
OF_THE_MACHINE.addSubnet('169.254.0.0', 16, 'ipv4')
OF_THE_MACHINE.addSubnet('fe80::', 10, 'ipv6')
OF_THE_MACHINE.addSubnet('64:ff9b::a9fe:0', 112, 'ipv6')
OF_THE_MACHINE.addAddress('fd00:ec2::254', 'ipv6')
OF_THE_MACHINE.addAddress('fd20:ce::254', 'ipv6')
OF_THE_MACHINE.addAddress('100.100.100.200', 'ipv4')
OF_THE_MACHINE.addAddress('168.63.129.16', 'ipv4')
OF_THE_MACHINE.addAddress('192.0.0.192', 'ipv4')
const NAMES_OF_THE_MACHINE = new Set([
  'metadata',
  'metadata.google.internal',
  'metadata.goog',
  'instance-data',
  'instance-data.ec2.internal',
])

function isOfTheMachine(hostname: string): boolean {
  const bare = hostname.replace(/^\[|\]$|\.$/g, '')
  const family = isIP(bare)
  return family === 0 ? NAMES_OF_THE_MACHINE.has(bare) : OF_THE_MACHINE.check(bare, family === 4 ? 'ipv4' : 'ipv6')
}

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
  if (isOfTheMachine(url.hostname))
    return fault('is link-local, where a machine is told its own credentials', 'name a service that is meant for callers')
  return url.origin
})

/** A field name as RFC 9110 5.1 has it. One with an underscore never passes anyway. */
const headerName = z.string().regex(/^[A-Za-z0-9!#$%&'*+\-.^`|~]{1,64}$/, 'expected the name of a header, such as X-Remote-Login')

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
    .describe(
      'Let people open it on the sign-in host. To a browser its pages are then pages of Mandate: they can do at every cluster and route there whatever the person can, end their logins, and watch them sign in',
    ),
  serviceWorkerOpen: z
    .boolean()
    .default(false)
    .describe(
      'Let its scripts directly below / become service workers. One then stands over the whole host, sees the codes by which people sign in there, and stays in the browser when the page is closed',
    ),
  withhold: z
    .array(headerName)
    .default([])
    .describe('Names of more headers of callers that the service must not get, because it would believe them'),
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

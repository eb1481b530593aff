/**
 * The configuration of one route: a host and a path that lead to an HTTP service.
 *
 * Security: a path is whole segments, compared one by one with those the gateway decoded; there is no pattern but the
 * final `/**`, and no regular expression that could see a query (oauth2-proxy CVE-2025-54576). A host is the name by which
 * browsers know it.
 */
import { z } from 'zod'
import { routeAllow } from './allow.ts'
import { forwardToken, noCredential, tokenExchange } from './as.ts'
import { routeUpstream } from './route-upstream.ts'
import { duration, name, rate, reference, size } from './values.ts'

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

/** A field name as RFC 9110 5.1 has it. One with an underscore never passes anyway. */
const headerName = z.string().regex(/^[A-Za-z0-9!#$%&'*+\-.^`|~]{1,64}$/, 'expected the name of a header, such as X-Remote-Login')

/** What of a caller a header can say. */
export const IDENTITY_FACTS = [
  'subject',
  'issuer',
  'provider',
  'kind',
  'name',
  'email',
  'groups',
  'scopes',
  'client',
  'actor',
  'actor-issuer',
] as const

const identity = z
  .strictObject({
    headers: z
      .record(headerName, z.enum(IDENTITY_FACTS).describe('What a header of this name says'))
      .optional()
      .describe('Headers that say who asks, each with what it says; default: X-Mandate-Subject and its kin'),
    m2m: z.boolean().default(false).describe('Send X-M2M-Client-ID and, separated by spaces, X-M2M-Scope as well'),
  })
  .prefault({})
  .describe('How the service learns who asks; headers of these names never come from callers')

// RFC 9110 9.1, in upper case. TRACE would answer with the request itself, CONNECT would leave HTTP.
const method = z
  .string()
  .regex(/^(?!TRACE$|CONNECT$)[A-Z][A-Z0-9-]{0,31}$/, 'expected a method in upper case, such as GET; TRACE and CONNECT are not passed')

const timeouts = z
  .strictObject({
    connect: duration.prefault('5s').describe('How long a connection to the service may take'),
    answer: duration.optional().describe('How long it may take to begin its answer; default: limits.answerWithin'),
    idle: duration.prefault('60s').describe('How long an answer that has begun may pause; event streams and WebSockets may for longer'),
  })
  .prefault({})
  .describe('How long the service may take')

const limit = z
  .strictObject({
    perPrincipal: rate.optional().describe('What one person or machine may ask, such as 60/minute'),
    total: rate.optional().describe('What all of them together may ask'),
  })
  .prefault({})
  .describe('How often it may be used; what is beyond is answered 429')

export const route = z.strictObject({
  name: name.optional().describe('Names it in metrics and audit; default: its host and its place in the list'),
  match: z
    .strictObject({
      host: hostName.describe('The host name it is served under, in lower case'),
      path: routePath.describe('One path, or a path and everything below it with a final /**; the longest that fits wins'),
      methods: z
        .array(method)
        .min(1)
        .optional()
        .describe('Methods that it takes; GET takes HEAD as well. Default: all that no other route of this path takes'),
    })
    .describe('Which requests it takes'),
  allow: routeAllow,
  limit,
  upstream: routeUpstream.optional().describe('Where the service is: an origin, or a pool of servers'),
  forwardAuth: z
    .boolean()
    .default(false)
    .describe('Instead of upstream: a proxy asks at /authorize of listen.forwardAuth and forwards by itself'),
  as: z
    .discriminatedUnion('kind', [noCredential, forwardToken, tokenExchange])
    .prefault({ kind: 'none' })
    .describe('Which credential of the caller the service is sent, besides identity headers'),
  plaintextOpen: z
    .boolean()
    .default(false)
    .describe('Send that credential over plain http to another machine: whoever is on that network can use it'),
  identity,
  bearerHeader: headerName
    .optional()
    .describe('A header that is taken for Authorization on this route, holding the token alone or after Bearer'),
  timeouts,
  body: size.optional().describe('Largest request body; default: limits.body'),
  retries: z
    .int()
    .min(0)
    .max(5)
    .default(1)
    .describe('How often a request without a body is sent again, when its method is idempotent and no answer began'),
  websockets: z.boolean().default(false).describe('Let callers change to WebSocket'),
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

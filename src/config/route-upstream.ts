/**
 * Where a route leads: one server, or a pool of them.
 *
 * Security: an upstream is never where a machine is told its own credentials: whoever may use such a route would be that
 * machine.
 */
import { BlockList, isIP } from 'node:net'
import { z } from 'zod'
import { duration, textOf } from './values.ts'

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

/** An origin; unlike that of a cluster it may be plain http, since mostly nobody's credential is sent there. */
export const serviceOrigin = textOf('an origin such as http://host:8080').transform((value, context): string => {
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

const A_PATH = 'expected a path such as /healthz, with a query if need be'

const health = z
  .strictObject({
    path: z
      .string()
      .regex(/^\/[A-Za-z0-9\-._~!$&'()+,;=:@%/?]*$/, A_PATH)
      .describe('What is asked for by GET; any answer of 200 to 399 is good'),
    every: duration.prefault('5s').describe('How often each server is asked'),
    within: duration.prefault('2s').describe('How long it may take to answer'),
    downAfter: z.int().min(1).default(2).describe('So many bad answers in a row take it out'),
    upAfter: z.int().min(1).default(2).describe('So many good ones in a row bring it back'),
  })
  .describe('Asks every server whether it is well; without it all of them count as well')

const pool = z.strictObject({
  servers: z.array(serviceOrigin).min(1).describe('Its servers, each an origin; they take turns'),
  health: health.optional(),
})

/** A server or a pool; always a pool once it is read. */
export const routeUpstream = z.union([serviceOrigin.transform((server): z.output<typeof pool> => ({ servers: [server] })), pool], {
  error: 'expected an origin such as http://host:8080, or { servers: [...] }',
})

export type PoolConfig = Readonly<z.output<typeof pool>>
export type HealthConfig = Readonly<z.output<typeof health>>

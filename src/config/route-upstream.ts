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
for (const [address, bits] of [
  ['169.254.0.0', 16],
  ['100.100.100.200', 32],
  ['168.63.129.16', 32],
  ['192.0.0.192', 32],
] as const) {
  OF_THE_MACHINE.addSubnet(address, bits, 'ipv4')
  // The same in IPv6: compatible and translated (RFC 4291 2.5.5.1, RFC 2765), NAT64 (RFC 6052, RFC 8215) and 6to4 (RFC 3056).
  // Mapped ones are compared as IPv4 anyway.
  const [a = 0, b = 0, c = 0, d = 0] = address.split('.').map(Number)
  const groups = [a * 256 + b, c * 256 + d].map((group) => group.toString(16)).join(':')
  for (const before of ['::', '::ffff:0:', '64:ff9b::', '64:ff9b:1::']) OF_THE_MACHINE.addSubnet(`${before}${groups}`, 96 + bits, 'ipv6')
  OF_THE_MACHINE.addSubnet(`2002:${groups}::`, 16 + bits, 'ipv6')
}
OF_THE_MACHINE.addSubnet('fe80::', 10, 'ipv6')
OF_THE_MACHINE.addAddress('fd00:ec2::254', 'ipv6')
OF_THE_MACHINE.addAddress('fd00:ec2::23', 'ipv6')
OF_THE_MACHINE.addAddress('fd20:ce::254', 'ipv6')
const NAMES_OF_THE_MACHINE = new Set([
  'metadata',
  'metadata.google.internal',
  'metadata.goog',
  'instance-data',
  'instance-data.ec2.internal',
  'metadata.tencentyun.com',
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

const A_PATH = 'expected a path such as /healthz'

const health = z
  .strictObject({
    path: z
      .string({ error: A_PATH })
      .regex(/^\/[A-Za-z0-9\-._~!$&'()+,;=:@%/?]*$/, A_PATH)
      .describe('What is asked for by GET, with a query if need be; any answer of 200 to 399 is good'),
    every: duration.prefault('5s').describe('How often each server is asked'),
    within: duration.prefault('2s').describe('How long it may take to answer'),
    downAfter: z.int().min(1).default(2).describe('So many bad answers in a row take it out'),
    upAfter: z.int().min(1).default(2).describe('So many good ones in a row bring it back'),
  })
  .describe('Asks every server whether it is well; without it all of them count as well')

/** One server is looked after once, and measured once. */
function refuseTwice(servers: readonly string[], context: z.RefinementCtx): void {
  for (const [at, server] of servers.entries()) {
    const first = servers.indexOf(server)
    if (first === at) continue
    const params = { mend: 'write each server once: a pool has no weights' }
    context.addIssue({ code: 'custom', path: [at], message: `is the same server as servers.${first}`, params })
  }
}

const pool = z.strictObject({
  servers: z.array(serviceOrigin).min(1).superRefine(refuseTwice).describe('Its servers, each an origin; they take turns'),
  health: health.optional(),
})

/** A server or a pool; always a pool once it is read. */
export const routeUpstream = z.union([serviceOrigin.transform((server): z.output<typeof pool> => ({ servers: [server] })), pool], {
  error: 'expected an origin such as http://host:8080, or { servers: [...] }',
})

export type PoolConfig = Readonly<z.output<typeof pool>>
export type HealthConfig = Readonly<z.output<typeof health>>

/**
 * Address ranges of proxies that are so wide that they are no list.
 *
 * Security: an IPv6 range may hold IPv4 as well, since an IPv4 peer is compared in its IPv6 mapping too (`::ffff:0:0/96`,
 * RFC 4291 2.5.5.2). What it holds of that is judged as the IPv4 range that it is.
 */
import { BlockList, isIP } from 'node:net'
import type { Fault } from '../faults/faults.ts'

/** No network of proxies is wider: the private ones are /8 and fc00::/7. Two halves are everything as well. */
const LEAST_BITS = 7

/** How many of the bits of a mapped address say nothing but that it is one. */
const MAPPED_BITS = 96
const MAPPED = listOf('::ffff:0:0', MAPPED_BITS)

/** The faults of a list of ranges at a path of the configuration. */
export function wideRanges(path: string, ranges: readonly string[]): Fault[] {
  return ranges.flatMap((range, at): Fault[] => {
    const [address = '', length = ''] = range.split('/')
    const bits = Number(length)
    const bitsOfIPv4 = isIP(address) === 6 && holdsIPv4(address, bits) ? Math.max(0, bits - MAPPED_BITS) : bits
    if (bits >= LEAST_BITS && bitsOfIPv4 >= LEAST_BITS) return []
    const how = bits === 0 ? 'every address there is, so' : bitsOfIPv4 === 0 ? 'every IPv4 address there is, so' : 'so wide'
    return [
      {
        path: `${path}.${at}`,
        problem: `is ${how} that anybody could say where they come from`,
        mend: 'list the addresses of the proxies',
      },
    ]
  })
}

/** Whether an IPv6 range contains all mapped addresses, or lies among them. */
function holdsIPv4(address: string, bits: number): boolean {
  return listOf(address, bits).check('::ffff:0:0', 'ipv6') || (bits > MAPPED_BITS && MAPPED.check(address, 'ipv6'))
}

function listOf(address: string, bits: number): BlockList {
  const list = new BlockList()
  list.addSubnet(address, bits, 'ipv6')
  return list
}

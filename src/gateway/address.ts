/**
 * The caller's address.
 *
 * Security: X-Forwarded-For is believed only from the configured proxies, and read from the right: the last entry that
 * no trusted proxy wrote is the caller. The list is empty by default (CVE-2026-40575).
 */
import { BlockList, isIP } from 'node:net'

/** A function from a connection's peer and X-Forwarded-For to the caller's address. */
export function addressReader(behind: readonly string[]): (peer: string | undefined, forwardedFor: string | undefined) => string {
  const trusted = new BlockList()
  for (const range of behind) {
    const [address = '', bits = '0'] = range.split('/')
    trusted.addSubnet(address, Number(bits), isIP(address) === 6 ? 'ipv6' : 'ipv4')
  }
  const isTrusted = (address: string) => isIP(address) !== 0 && trusted.check(address, isIP(address) === 6 ? 'ipv6' : 'ipv4')
  return (peer, forwardedFor) => {
    let address = plain(peer ?? 'unknown')
    if (forwardedFor === undefined) return address
    for (const entry of forwardedFor.split(',').toReversed()) {
      if (!isTrusted(address)) return address
      const next = plain(entry.trim())
      if (isIP(next) === 0) return address
      address = next
    }
    return address
  }
}

/** IPv4 in its IPv6 mapping is IPv4: one caller has one address. */
function plain(address: string): string {
  return address.startsWith('::ffff:') ? address.slice(7) : address
}

/**
 * What of an address one caller can choose freely is cut off: the lower half of IPv6, which a single machine is given
 * whole (RFC 4291 2.5.4). Limits count by this.
 */
export function networkOf(address: string): string {
  if (isIP(address) !== 6) return address
  const [front = '', back] = (address.split('%', 1)[0] ?? '').split('::')
  const head = front === '' ? [] : front.split(':')
  const tail = back === undefined || back === '' ? [] : back.split(':')
  const zeros = back === undefined ? [] : new Array<string>(Math.max(0, 8 - head.length - tail.length)).fill('0')
  const groups = [...head, ...zeros, ...tail].slice(0, 4).map((group) => Number.parseInt(group, 16).toString(16))
  return `${groups.join(':')}::/64`
}

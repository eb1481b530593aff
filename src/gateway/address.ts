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

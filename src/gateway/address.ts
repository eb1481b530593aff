/**
 * The caller's address.
 *
 * Security: X-Forwarded-For is believed only from the configured proxies, and read from the right: the last entry that
 * no trusted proxy wrote is the caller. The list is empty by default (CVE-2026-40575).
 */
import { BlockList, isIP } from 'node:net'

/** A function from a connection's peer and X-Forwarded-For to the caller's address. */
export function addressReader(behind: readonly string[]): (peer: string | undefined, forwardedFor: string | undefined) => string {
  const isTrusted = within(behind)
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

/** Whether a connection's peer is one of the proxies, or this machine itself. Nobody else's plain http is taken beyond loopback. */
export function peerCheck(behind: readonly string[]): (peer: string | undefined) => boolean {
  return listedPeers([...behind, '127.0.0.0/8', '::1/128'])
}

/** Whether a connection's peer is within the ranges, and in no other way near. */
export function listedPeers(ranges: readonly string[]): (peer: string | undefined) => boolean {
  const isListed = within(ranges)
  return (peer) => isListed(plain(peer ?? 'unknown'))
}

function within(ranges: readonly string[]): (address: string) => boolean {
  const list = new BlockList()
  for (const range of ranges) {
    const [address = '', bits = '0'] = range.split('/')
    list.addSubnet(address, Number(bits), isIP(address) === 6 ? 'ipv6' : 'ipv4')
  }
  return (address) => isIP(address) !== 0 && list.check(address, isIP(address) === 6 ? 'ipv6' : 'ipv4')
}

/** IPv4 in its IPv6 mapping is IPv4: one caller has one address. */
export function plain(address: string): string {
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

/**
 * Addresses as the log may have them.
 *
 * Security: an address may carry a password before its @ and a token in its query; both are cut off. What is left may come
 * from a hostile issuer, so it is bounded and of printable signs alone.
 */

const LONGEST = 256
const NO_ADDRESS = 'not an address'

/** An address to the letter, but without userinfo, query and fragment; `not an address` for anything else. */
export function publicAddress(text: string): string {
  // Lenient as URL parsers are: slashes may be any number, and backslashes.
  const nobodys = text.replace(/^([a-z][a-z0-9+.-]*:)?[/\\]*[^/\\?#]*@/i, '$1//')
  // A password may have a raw /, ? or # in it, behind which the rest of it would stay.
  if (nobodys.includes('@')) return NO_ADDRESS
  const bare = nobodys.replace(/[?#].*$/s, '')
  if (!/^https?:[\x21-\x7e]+$/i.test(bare)) return NO_ADDRESS
  return bare.length > LONGEST ? `${bare.slice(0, LONGEST)}...` : bare
}

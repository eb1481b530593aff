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
  const bare = text.replace(/[?#].*$/s, '').replace(/^([a-z][a-z0-9+.-]*:)?[/\\]*[^/\\]*@/i, '$1//')
  if (!/^https?:[\x21-\x7e]+$/i.test(bare)) return NO_ADDRESS
  return bare.length > LONGEST ? `${bare.slice(0, LONGEST)}...` : bare
}

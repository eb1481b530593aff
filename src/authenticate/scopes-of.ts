/**
 * The scopes of a bearer: text that is split at spaces (RFC 8693 4.2) or a list of text, as some issuers write it.
 *
 * Security: they come from the first of the configured claims that is there, never from several together. An issuer that
 * says `scp` for people and `roles` for machines says in `roles` of a person what that person is, not what the client may.
 */
import type { VerifiedClaims } from '../providers/verify.ts'

/** Of a claim of another shape, and of other things in a list, nothing is taken: what is not text grants nothing. */
export function scopesOf(claims: VerifiedClaims, names: readonly string[]): readonly string[] {
  const first = names.find((name) => Object.hasOwn(claims, name) && claims[name] !== null)
  const value = first === undefined ? undefined : claims[first]
  const list: unknown[] = typeof value === 'string' ? value.split(' ') : Array.isArray(value) ? value : []
  return Object.freeze([...new Set(list.filter((scope): scope is string => typeof scope === 'string' && scope !== ''))])
}

/**
 * The scopes of a bearer: text that is split at spaces (RFC 8693 4.2) or a list of text, as some issuers write it.
 *
 * Security: they come from the first of the configured claims that is there, never from several together; a null one is
 * there and says nothing. An issuer that says `scp` for people and `roles` for machines (Entra) says in `roles` of a person
 * what that person is, not what the client may, and a person's token without delegated scopes has no `scp` at all. So of a
 * person only the claims of delegated scopes count where the configuration names one. Where it names none, the first alone.
 * Every scope is looked at by rules, told to services and recorded, so there is a bound.
 */
import { Refusal } from '../errors.ts'
import type { PrincipalKind } from '../principal.ts'
import type { VerifiedClaims } from '../providers/verify.ts'

const MOST_SCOPES = 500

/** Claims of scopes that were delegated to a client (RFC 9068 2.2.3); as Okta and Entra call it. */
const DELEGATED = ['scope', 'scp']

/**
 * Of a claim of another shape, and of other things in a list, nothing is taken: what is not text grants nothing. Throws
 * Refusal `token_claims_invalid` for more than 500.
 */
export function scopesOf(claims: VerifiedClaims, names: readonly string[], kind: PrincipalKind): readonly string[] {
  const first = (kind === 'person' ? ofPeople(names) : names).find((name) => Object.hasOwn(claims, name))
  const value = first === undefined ? undefined : claims[first]
  const list: unknown[] = typeof value === 'string' ? value.split(' ') : Array.isArray(value) ? value : []
  if (list.length > MOST_SCOPES) throw new Refusal('token_claims_invalid', { detail: `it has more than ${MOST_SCOPES} scopes` })
  return Object.freeze([...new Set(list.filter((scope): scope is string => typeof scope === 'string' && scope !== ''))])
}

function ofPeople(names: readonly string[]): readonly string[] {
  const delegated = names.filter((name) => DELEGATED.includes(name))
  return delegated.length > 0 ? delegated : names.slice(0, 1)
}

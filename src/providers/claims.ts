/**
 * What verified claims say of a principal. The same reading for ID tokens at sign-in and for bearers, so that one person
 * is never two.
 *
 * Security: a principal is `iss` + `sub`. Name and e-mail are attributes: an e-mail counts only with `email_verified`
 * true (not "true"), whatever the configuration takes from it: many issuers let people write their own. Groups decide about rights, so a groups claim of another shape refuses the whole token instead of
 * being read in part: a dropped entry could be the one that a rule denies.
 */
import type { ProviderConfig } from '../config/provider.ts'
import { Refusal } from '../errors.ts'
import type { Principal, PrincipalKind } from '../principal.ts'
import { isObject } from './issuer-json.ts'
import type { VerifiedClaims } from './verify.ts'

type Naming = Pick<ProviderConfig, 'name' | 'claims' | 'kubernetes' | 'ruleClaims'>

const LONGEST_ATTRIBUTE = 256
const MOST_GROUPS = 2_000

/** Throws Refusal `token_claims_invalid`. */
export function principalOf(kind: PrincipalKind, claims: VerifiedClaims, config: Naming): Principal {
  if (claims.sub === undefined) throw new Refusal('token_claims_invalid', { detail: 'sub is missing' })
  const name = attribute(counting(claims, config.claims.name))
  const email = attribute(counting(claims, 'email'))
  const kubernetesUser = kubernetesUserOf(claims, config)
  const actor = actorOf(claims, config)
  return Object.freeze({
    kind,
    provider: config.name,
    issuer: claims.iss,
    subject: claims.sub,
    groups: groupsOf(counting(claims, config.claims.groups)),
    ...(name === undefined ? {} : { name }),
    ...(email === undefined ? {} : { email }),
    ...(kubernetesUser === undefined ? {} : { kubernetesUser }),
    ...(actor === undefined ? {} : { actor }),
    ...(config.ruleClaims.length === 0 ? {} : { claims: ruledClaims(claims, config) }),
  })
}

/** What a claim says; undefined when it is missing, or an e-mail that is not verified. */
function counting(claims: VerifiedClaims, claim: string): unknown {
  return Object.hasOwn(claims, claim) && (claim !== 'email' || claims['email_verified'] === true) ? claims[claim] : undefined
}

/** What rules may look at: text, whole numbers and truth values as text, and lists of them. Anything else says nothing. */
function ruledClaims(claims: VerifiedClaims, { ruleClaims }: Naming): Readonly<Record<string, readonly string[]>> {
  const said = ruleClaims
    .map((claim): [string, unknown] => [claim, counting(claims, claim)])
    .filter(([, value]) => value !== undefined)
    .map(([claim, value]): [string, readonly string[]] => {
      const list: unknown[] = Array.isArray(value) ? value : [value]
      return [claim, Object.freeze(list.filter(hasOneText).map(String))]
    })
  return Object.freeze(Object.fromEntries(said))
}

/** Numbers of many digits are rounded when JSON is read: then neighbours would be one. */
function hasOneText(value: unknown): boolean {
  return typeof value === 'string' || typeof value === 'boolean' || Number.isSafeInteger(value)
}

/** The claim that `kubernetes.user` names, when it is text that may name somebody. */
function kubernetesUserOf(claims: VerifiedClaims, config: Naming): string | undefined {
  const value = counting(claims, config.kubernetes.user)
  return typeof value === 'string' && value !== '' ? value : undefined
}

/** The claims that /whoami may show; an unverified e-mail is nobody's and is left out. */
export function shownClaims(claims: VerifiedClaims, config: Naming): Readonly<Record<string, unknown>> {
  const shown = config.claims.whoami.map((claim) => [claim, counting(claims, claim)] as const)
  return Object.freeze(Object.fromEntries(shown.filter(([, value]) => value !== undefined)))
}

/** A list of text; one text counts as a list of one; absence as none. */
function groupsOf(value: unknown): readonly string[] {
  if (value === undefined || value === null) return Object.freeze([])
  const list: unknown[] = Array.isArray(value) ? value : [value]
  const groups = list.filter((group): group is string => typeof group === 'string' && group !== '')
  if (groups.length !== list.length || list.length > MOST_GROUPS) {
    throw new Refusal('token_claims_invalid', { detail: 'the groups claim is not a list of non-empty text' })
  }
  return Object.freeze([...new Set(groups)])
}

/** RFC 8693 4.1: who acts for the subject now. Earlier actors, nested within, are history and decide nothing. */
function actorOf(claims: VerifiedClaims, config: Naming): Principal | undefined {
  const { act } = claims
  if (act === undefined) return undefined
  if (
    !isObject(act) ||
    typeof act['sub'] !== 'string' ||
    act['sub'] === '' ||
    (act['iss'] !== undefined && typeof act['iss'] !== 'string')
  ) {
    throw new Refusal('token_claims_invalid', { detail: 'act does not name an actor' })
  }
  return Object.freeze({
    kind: 'machine',
    provider: config.name,
    issuer: act['iss'] ?? claims.iss,
    subject: act['sub'],
    groups: Object.freeze([]),
  })
}

function attribute(value: unknown): string | undefined {
  if (typeof value !== 'string' || value.length > LONGEST_ATTRIBUTE || value.trim() === '') return undefined
  return /[\p{Cc}\p{Zl}\p{Zp}]/u.test(value) ? undefined : value
}

/**
 * Who may come as far as a target: the `allow` of its configuration. Every condition of a rule must hold, and where there
 * are several rules one of them must be met whole; nothing that the configuration leaves out is read as permission
 * beyond its documented default.
 *
 * Security: scopes are those of a bearer that was verified. A login has none, so a rule with scopes is never met by one.
 */
import type { Deny } from '../decision.ts'
import type { Caller, PrincipalKind } from '../principal.ts'
import type { Authorizer } from './authorizer.ts'

export interface Rule {
  readonly callers: readonly PrincipalKind[]
  /** Providers one of which must vouch for the caller; undefined for any. */
  readonly providers?: readonly string[] | undefined
  /** Groups of which the caller needs one; undefined for none. */
  readonly groups?: readonly string[] | undefined
  /** Scopes of which the caller's bearer needs all; undefined for none. */
  readonly scopes?: readonly string[] | undefined
  /** Claims, each with the values of which it must have one; undefined for none. */
  readonly claims?: Readonly<Record<string, readonly string[]>> | undefined
}

/** Decides by the rules of `type/id`; abstains about resources that have none. */
export function createRouteRules(rules: ReadonlyMap<string, readonly Rule[]>): Authorizer {
  return {
    async authorize({ caller, resource }) {
      const id = `${resource.type}/${resource.id}`
      const all = rules.get(id)
      if (all === undefined) return { effect: 'abstain' }
      let nearest: Unmet | undefined
      for (const [at, rule] of all.entries()) {
        const missing = unmet(rule, caller)
        if (missing === undefined) return { effect: 'allow', rule: all.length === 1 ? id : `${id}#${at}` }
        // Of several the one that was met furthest says best what would be enough.
        if (nearest === undefined || missing.met > nearest.met) nearest = missing
      }
      return nearest?.deny ?? { effect: 'abstain' }
    },
  }
}

/** Why a rule is not met, and how many of its conditions were before that one. */
interface Unmet {
  readonly met: number
  readonly deny: Deny
}

/** Said to those who are of the other kind. */
const ONLY: Readonly<Record<PrincipalKind, string>> = { person: 'only machines may come here', machine: 'only people may come here' }

function unmet({ callers, providers, groups, claims = {}, scopes = [] }: Rule, { principal, proof }: Caller): Unmet | undefined {
  if (!callers.includes(principal.kind)) return deny(0, ONLY[principal.kind])
  if (providers !== undefined && !providers.includes(principal.provider))
    return deny(1, `principals of provider ${principal.provider} are not allowed`)
  if (groups !== undefined && !groups.some((group) => principal.groups.includes(group)))
    return deny(2, 'none of the required groups is held')
  for (const [claim, values] of Object.entries(claims)) {
    const said = principal.claims !== undefined && Object.hasOwn(principal.claims, claim) ? (principal.claims[claim] ?? []) : []
    if (!values.some((value) => said.includes(value))) return deny(3, `the claim ${claim} has none of the required values`)
  }
  const held = proof.kind === 'bearer' ? proof.scopes : []
  const lacking = scopes.filter((scope) => !held.includes(scope))
  if (lacking.length === 0) return undefined
  const named = lacking.join(' ')
  const detail = proof.kind === 'login' ? `a login has no scopes; a bearer token with ${named} is needed here` : `the token lacks ${named}`
  return { met: 4, deny: { effect: 'deny', code: 'insufficient_scope', detail, scopes } }
}

function deny(met: number, detail: string): Unmet {
  return { met, deny: { effect: 'deny', code: 'denied', detail } }
}

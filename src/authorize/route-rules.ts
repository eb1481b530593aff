/**
 * Who may come as far as a target: the `allow` of its configuration. Every condition must hold; nothing that the
 * configuration leaves out is read as permission beyond its documented default.
 */
import type { Deny } from '../decision.ts'
import type { Principal, PrincipalKind } from '../principal.ts'
import type { Authorizer } from './authorizer.ts'

export interface Rule {
  readonly callers: readonly PrincipalKind[]
  /** Providers one of which must vouch for the caller; undefined for any. */
  readonly providers?: readonly string[] | undefined
  /** Groups of which the caller needs one; undefined for none. */
  readonly groups?: readonly string[] | undefined
}

/** Decides by rules named `type/id`; abstains about resources that have none. */
export function createRouteRules(rules: ReadonlyMap<string, Rule>): Authorizer {
  return {
    async authorize({ caller, resource }) {
      const id = `${resource.type}/${resource.id}`
      const rule = rules.get(id)
      if (rule === undefined) return { effect: 'abstain' }
      const missing = unmet(rule, caller.principal)
      return missing === undefined ? { effect: 'allow', rule: id } : deny(missing)
    },
  }
}

function unmet(rule: Rule, principal: Principal): string | undefined {
  if (!rule.callers.includes(principal.kind)) return `callers of kind ${principal.kind} are not allowed`
  if (rule.providers !== undefined && !rule.providers.includes(principal.provider))
    return `principals of provider ${principal.provider} are not allowed`
  if (rule.groups !== undefined && !rule.groups.some((group) => principal.groups.includes(group)))
    return 'none of the required groups is held'
  return undefined
}

function deny(detail: string): Deny {
  return { effect: 'deny', code: 'denied', detail }
}

/** What a broker's sweep looks after, read off the rights that its account needs for it: it can look at nothing else. */
import type { BrokerConfig } from '../config/broker.ts'
import { isSecret } from '../config/deny-list.ts'
import type { SweptKind } from '../kubernetes/orphans.ts'
import { type AccountRight, accountRights } from './account-rights.ts'

export interface TendedKinds {
  /** What is written with an owner, each with the namespaces it is written in. */
  readonly kinds: ReadonlyArray<SweptKind & { readonly namespaces: readonly string[] | '*' }>
  readonly ownerKinds: readonly SweptKind[]
}

/** Written by token steps, without being one of `kinds`; looked at where the deny-list is lifted for them. */
const SECRETS: SweptKind = { group: '', version: 'v1', resource: 'secrets', namespaced: true }
const LEASES = 'coordination.k8s.io'

export function tendedKinds(broker: BrokerConfig): TendedKinds {
  const rights = accountRights(broker).filter(({ group }) => group !== LEASES)
  const may = (verb: string, kind: SweptKind) =>
    rights.filter(({ group, resource, verbs }) => group === kind.group && resource === kind.resource && verbs.includes(verb))
  const configured = Object.values(broker.kinds).map(({ group, version, resource, namespaced }) => ({
    group,
    version,
    resource,
    namespaced,
  }))
  const all = configured.some(isSecret) ? configured : [...configured, SECRETS]
  return {
    kinds: all.flatMap((kind) => {
      const listed = may('list', kind)
      return listed.length === 0 ? [] : [{ ...kind, namespaces: namespacesOf(listed) }]
    }),
    ownerKinds: all.filter((kind) => may('get', kind).length > 0),
  }
}

function namespacesOf(rights: readonly AccountRight[]): readonly string[] | '*' {
  const found = [...new Set(rights.map(({ namespace }) => namespace))]
  return found.includes('*') ? '*' : found.filter((namespace) => namespace !== '')
}

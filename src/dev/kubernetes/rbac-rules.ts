import { asArray, asObject, asTexts, type Json, type JsonObject } from './object.ts'

/** What an authorizer decides about (apiserver `authorizer.Attributes`, without selectors). */
export type Attributes = {
  isResourceRequest: boolean
  verb: string
  path: string
  apiGroup: string
  resource: string
  subresource: string
  namespace: string
  name: string
}

/** rbac/v1 PolicyRule with absent lists as empty ones. */
export type PolicyRule = {
  verbs: string[]
  apiGroups: string[]
  resources: string[]
  resourceNames: string[]
  nonResourceURLs: string[]
}

/** Reads the `rules` of a Role or ClusterRole. What is malformed grants nothing. */
export function policyRules(role: JsonObject): PolicyRule[] {
  return asArray(role.rules).map((rule: Json) => {
    const fields = asObject(rule) ?? {}
    return {
      verbs: asTexts(fields.verbs),
      apiGroups: asTexts(fields.apiGroups),
      resources: asTexts(fields.resources),
      resourceNames: asTexts(fields.resourceNames),
      nonResourceURLs: asTexts(fields.nonResourceURLs),
    }
  })
}

function has(list: readonly string[], wanted: string): boolean {
  return list.includes('*') || list.includes(wanted)
}

/** `pods/log` is granted by itself, by `*`, and by `*` + `/log`; never by `pods`. */
function resourceMatches(resources: readonly string[], resource: string, subresource: string): boolean {
  if (resources.includes('*')) return true
  if (subresource === '') return resources.includes(resource)
  return resources.includes(`${resource}/${subresource}`) || resources.includes(`*/${subresource}`)
}

/** `/healthz`, or a prefix written `/healthz/*`. */
function pathMatches(patterns: readonly string[], path: string): boolean {
  return patterns.some((pattern) => pattern === '*' || pattern === path || (pattern.endsWith('*') && path.startsWith(pattern.slice(0, -1))))
}

/** Whether one rule grants one request (component-helpers `rbac/v1/evaluation_helpers.go`). */
export function ruleAllows(rule: PolicyRule, wanted: Attributes): boolean {
  if (!has(rule.verbs, wanted.verb)) return false
  if (!wanted.isResourceRequest) return pathMatches(rule.nonResourceURLs, wanted.path)
  return (
    has(rule.apiGroups, wanted.apiGroup) &&
    resourceMatches(rule.resources, wanted.resource, wanted.subresource) &&
    (rule.resourceNames.length === 0 || rule.resourceNames.includes(wanted.name))
  )
}

/**
 * Whether rights already held cover a rule somebody wants to grant. The rule is taken apart into single rights,
 * each of which one held rule must cover, wildcard by wildcard: `*` is covered only by `*`.
 */
export function rulesCover(held: readonly PolicyRule[], wanted: PolicyRule): boolean {
  const urls = wanted.nonResourceURLs.flatMap((url) => wanted.verbs.map((verb) => ({ url, verb })))
  const names = wanted.resourceNames.length === 0 ? [''] : wanted.resourceNames
  const rights = wanted.apiGroups.flatMap((group) =>
    wanted.resources.flatMap((resource) => wanted.verbs.flatMap((verb) => names.map((name) => ({ group, resource, verb, name })))),
  )
  return (
    urls.every(({ url, verb }) => held.some((rule) => has(rule.verbs, verb) && pathMatches(rule.nonResourceURLs, url))) &&
    rights.every(({ group, resource, verb, name }) => {
      const [plural = '', subresource = ''] = resource.split('/')
      return held.some(
        (rule) =>
          has(rule.verbs, verb) &&
          has(rule.apiGroups, group) &&
          resourceMatches(rule.resources, plural, subresource) &&
          (rule.resourceNames.length === 0 || (name !== '' && rule.resourceNames.includes(name))),
      )
    })
  )
}

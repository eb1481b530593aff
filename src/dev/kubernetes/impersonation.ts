/**
 * Acting as another user by `Impersonate-*` headers, as kube-apiserver 1.36 does it (apiserver
 * `endpoints/filters/impersonation`): first the constrained modes of KEP-5284, then the legacy one.
 *
 * Every single thing claimed is authorized as its own right of the requestor: the name, each group, the uid, each
 * value of each extra. One that is missing refuses the whole request; nothing is dropped quietly. A header without
 * a user is refused, because ignoring it would run the request with the requestor's own, larger rights.
 */

import { type RbacAuthorizer, refusal } from './rbac-authorizer.ts'
import type { Attributes } from './rbac-rules.ts'
import { badRequest } from './status-error.ts'
import {
  anonymousUser,
  authenticatedGroup,
  mastersGroup,
  serviceAccountGroups,
  serviceAccountOf,
  type UserInfo,
  unauthenticatedGroup,
  withGroup,
} from './user-info.ts'

type Wanted = { username: string; uid: string; groups: string[]; extra: Record<string, string[]> }

const extraPrefix = 'impersonate-extra-'

function unescaped(key: string): string {
  try {
    return decodeURIComponent(key)
  } catch {
    return key // As the API server does: what is badly escaped is taken as it stands, then authorized as such.
  }
}

/** Reads the headers from their raw lines: joined values could not tell one group `a, b` from two. */
export function impersonationHeaders(rawHeaders: readonly string[]): Wanted | undefined {
  const wanted: Wanted = { username: '', uid: '', groups: [], extra: {} }
  const seen = { groups: false, extra: false }
  for (let index = 0; index + 1 < rawHeaders.length; index += 2) {
    const name = (rawHeaders[index] ?? '').toLowerCase()
    const value = rawHeaders[index + 1] ?? ''
    if (name === 'impersonate-user' && wanted.username === '') wanted.username = value
    if (name === 'impersonate-uid' && wanted.uid === '') wanted.uid = value
    if (name === 'impersonate-group') {
      seen.groups = true
      wanted.groups.push(value)
    }
    if (name.startsWith(extraPrefix)) {
      seen.extra = true
      const key = unescaped(name.slice(extraPrefix.length))
      const values = Object.hasOwn(wanted.extra, key) ? (wanted.extra[key] ?? []) : []
      Object.defineProperty(wanted.extra, key, { value: [...values, value], enumerable: true, configurable: true })
    }
  }
  if (wanted.username !== '') return wanted
  if (wanted.uid === '' && !seen.groups && !seen.extra) return undefined
  throw badRequest(`requested ${goLiteral(wanted)} without impersonating a user name`)
}

/** The `%#v` of the API server's user.DefaultInfo, which its message quotes. */
function goLiteral(wanted: Wanted): string {
  const strings = (values: readonly string[]): string => `{${values.map((value) => JSON.stringify(value)).join(', ')}}`
  const groups = wanted.groups.length === 0 ? '[]string(nil)' : `[]string${strings(wanted.groups)}`
  const entries = Object.entries(wanted.extra).map(([key, values]) => `${JSON.stringify(key)}:[]string${strings(values)}`)
  const extra = entries.length === 0 ? 'map[string][]string(nil)' : `map[string][]string{${entries.join(', ')}}`
  return `&user.DefaultInfo{Name:"", UID:${JSON.stringify(wanted.uid)}, Groups:${groups}, Extra:${extra}}`
}

type Mode = { verb: string; group: string; constrained: boolean; onVerb?: string }

const onlyName = (wanted: Wanted): boolean => wanted.uid === '' && wanted.groups.length === 0 && Object.keys(wanted.extra).length === 0

const nodePrefix = 'system:node:'

/** The modes that may be tried for this user, in the server's order. Associated-node is left out: no pod has a token here. */
function modesFor(wanted: Wanted, requestVerb: string): Mode[] {
  const isNode = wanted.username.startsWith(nodePrefix)
  const isAccount = serviceAccountOf(wanted.username) !== undefined
  const constrained = (mode: string): Mode => ({
    verb: `impersonate:${mode}`,
    group: 'authentication.k8s.io',
    constrained: true,
    onVerb: `impersonate-on:${mode}:${requestVerb}`,
  })
  const modes: Mode[] = []
  if (isNode && onlyName(wanted)) modes.push(constrained('arbitrary-node'))
  if (isAccount && onlyName(wanted)) modes.push(constrained('serviceaccount'))
  if (!isNode && !isAccount) modes.push(constrained('user-info'))
  modes.push({ verb: 'impersonate', group: '', constrained: false })
  return modes
}

/** The checks of one mode; throws the 403 of the first that fails. */
function check(authorizer: RbacAuthorizer, requestor: UserInfo, wanted: Wanted, mode: Mode): UserInfo {
  const allow = (resource: string, name: string, rest: Partial<Attributes> = {}): void => {
    const attributes: Attributes = {
      isResourceRequest: true,
      verb: mode.verb,
      path: '',
      apiGroup: mode.group,
      resource,
      subresource: '',
      namespace: '',
      name,
      ...rest,
    }
    if (!authorizer.authorize(requestor, attributes).allowed) throw refusal(requestor, attributes)
    if (mode.constrained && resource === 'groups' && (name === '' || name === mastersGroup)) {
      throw refusal(requestor, attributes, `impersonating the ${name || 'empty string'} group is not allowed`)
    }
  }
  const account = serviceAccountOf(wanted.username)
  let groups: readonly string[] = wanted.groups
  if (account !== undefined) {
    if (groups.length === 0) groups = serviceAccountGroups(account.namespace)
    allow('serviceaccounts', account.name, { namespace: account.namespace })
  } else if (mode.constrained && wanted.username.startsWith(nodePrefix)) {
    groups = ['system:nodes']
    allow('nodes', wanted.username.slice(nodePrefix.length))
  } else {
    allow('users', wanted.username)
  }
  const authentication = { apiGroup: 'authentication.k8s.io' }
  if (wanted.uid !== '') allow('uids', wanted.uid, authentication)
  for (const group of wanted.groups) allow('groups', group)
  for (const [key, values] of Object.entries(wanted.extra)) {
    for (const value of values) allow('userextras', value, { ...authentication, subresource: key })
  }
  const user: UserInfo = { username: wanted.username, uid: wanted.uid, groups, extra: wanted.extra }
  if (wanted.username === anonymousUser) return withGroup(user, unauthenticatedGroup)
  return groups.includes(unauthenticatedGroup) ? user : withGroup(user, authenticatedGroup)
}

/**
 * The user the request runs as when it may. Throws the 403 of the first mode that applies and failed, which from
 * 1.36 on speaks of `impersonate-on:user-info:VERB` on what was asked for.
 */
export function impersonate(authorizer: RbacAuthorizer, requestor: UserInfo, wanted: Wanted, request: Attributes): UserInfo {
  let first: unknown
  for (const mode of modesFor(wanted, request.verb)) {
    try {
      if (mode.onVerb !== undefined) {
        const attributes = { ...request, verb: mode.onVerb }
        if (!authorizer.authorize(requestor, attributes).allowed) throw refusal(requestor, attributes)
      }
      return check(authorizer, requestor, wanted, mode)
    } catch (error) {
      first ??= error
    }
  }
  throw first
}

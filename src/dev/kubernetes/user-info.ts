import type { JsonObject } from './object.ts'

/** Who acts, as an authenticator found it (authentication/v1 UserInfo). */
export type UserInfo = {
  username: string
  uid?: string
  groups: readonly string[]
  extra?: Readonly<Record<string, readonly string[]>>
}

export const anonymousUser = 'system:anonymous'
export const authenticatedGroup = 'system:authenticated'
export const unauthenticatedGroup = 'system:unauthenticated'
export const mastersGroup = 'system:masters'

/** The same user with one more group, unless it is there already. */
export function withGroup(user: UserInfo, group: string): UserInfo {
  return user.groups.includes(group) ? user : { ...user, groups: [...user.groups, group] }
}

/** Namespace and name of `system:serviceaccount:NAMESPACE:NAME`; undefined for every other user. */
export function serviceAccountOf(username: string): { namespace: string; name: string } | undefined {
  const parts = username.split(':')
  if (parts.length !== 4 || parts[0] !== 'system' || parts[1] !== 'serviceaccount') return undefined
  const [, , namespace = '', name = ''] = parts
  return namespace === '' || name === '' ? undefined : { namespace, name }
}

/** The groups every service account of a namespace is in. */
export function serviceAccountGroups(namespace: string): string[] {
  return ['system:serviceaccounts', `system:serviceaccounts:${namespace}`]
}

/** The wire form, empty fields left out. */
export function userInfoJson(user: UserInfo): JsonObject {
  const json: JsonObject = {}
  if (user.username !== '') json.username = user.username
  if (user.uid !== undefined && user.uid !== '') json.uid = user.uid
  if (user.groups.length > 0) json.groups = [...user.groups]
  const extra = Object.entries(user.extra ?? {})
  if (extra.length > 0) json.extra = Object.fromEntries(extra.map(([key, values]) => [key, [...values]]))
  return json
}

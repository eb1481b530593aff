/**
 * Which kinds the service account writes for users: a positive list, closed when the client is made.
 *
 * Security: a review tells what RBAC allows the user. For some kinds the API server looks at whoever sends the write as
 * well (a role may hold no more than its author has; an admission policy is made only by who may read its parameters),
 * and that would be the account. Nobody can list all such kinds, so a client writes none but those it is given, and of
 * the ones known to give rights or secrets away it is given none without a second key that says so.
 */
import { givesAway } from '../gives-away.ts'

/** A kind as it is looked up; no part of it can hold a slash. */
export interface Kind {
  readonly group: string
  readonly resource: string
  readonly subresource: string
}

// A resource has no dot: "a.b" of the group "c" would read like "a" of the group "b.c".
const KIND = /^[a-z][a-z0-9-]{0,62}(?:\.[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?)?(?:\/[a-z][a-z0-9-]{0,62})?$/

/**
 * Whether a kind is on the list. Throws a TypeError for a list that is missing or names something that is no kind, for a
 * kind that gives rights away and is not open, and for one that is open and not on the list.
 */
export function writtenKinds(mayWrite: readonly string[], rightsOpen: readonly string[] = []): (kind: Kind) => boolean {
  if (!Array.isArray(mayWrite))
    throw new TypeError("mayWrite is missing: list the kinds that are written for users, such as ['jobs.batch']")
  if (!Array.isArray(rightsOpen)) throw new TypeError('rightsOpen is not a list of kinds')
  const [written, open] = [new Set<string>(mayWrite), new Set<string>(rightsOpen)]
  for (const kind of written) {
    if (typeof kind !== 'string' || !KIND.test(kind)) {
      throw new TypeError(`mayWrite: ${JSON.stringify(kind)} is not a kind: write resource.group or resource.group/subresource`)
    }
    if (givesAway(kind) && !open.has(kind)) {
      throw new TypeError(`mayWrite: ${kind} gives rights or secrets away: remove it, or name it in rightsOpen as well`)
    }
  }
  for (const kind of open) {
    if (!written.has(kind)) throw new TypeError(`rightsOpen: ${JSON.stringify(kind)} is not in mayWrite`)
  }
  return (kind) => {
    const text = kindText(kind)
    return text !== undefined && written.has(text)
  }
}

/** `configmaps`, `jobs.batch`, `widgets.example/status`; undefined for a resource with a dot, which would read like another kind. */
export function kindText({ group, resource, subresource }: Kind): string | undefined {
  if (resource.includes('.')) return undefined
  return `${resource}${group === '' ? '' : `.${group}`}${subresource === '' ? '' : `/${subresource}`}`
}

/** What `kindText` writes, read again; undefined for what is no kind. */
export function kindIn(text: string): Kind | undefined {
  if (!KIND.test(text)) return undefined
  const [whole = '', subresource = ''] = text.split('/')
  const [resource = '', ...group] = whole.split('.')
  return { group: group.join('.'), resource, subresource }
}

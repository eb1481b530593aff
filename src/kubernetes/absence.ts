/**
 * When an API server has said that an object is not there.
 *
 * Security: what is deleted because something else is gone hangs on this. A 404 also comes from an API server that does
 * not know the kind (its definition is missing or not served yet), from one that lacks the whole group, and from whatever
 * stands in the way and answers for it. So a 404 counts only as a `Status` of reason NotFound whose details name the very
 * object: that is what apimachinery's `NewNotFound` answers once storage was asked, and nothing else answers so.
 */
import { isRecord } from './kubernetes-object.ts'
import type { Answer } from './transport.ts'

/** What was asked for. `group` is '' for the core group. */
export interface Sought {
  readonly group: string
  readonly resource: string
  readonly name: string
}

/** Whether the answer says that this object is not there. Every other answer leaves it unknown. */
export function saysAbsent({ status, body }: Answer, { group, resource, name }: Sought): boolean {
  const { kind, reason, details } = body
  if (status !== 404 || kind !== 'Status' || reason !== 'NotFound' || !isRecord(details)) return false
  const { name: named, group: ofGroup = '', kind: ofResource } = details
  return named === name && ofGroup === group && ofResource === resource
}

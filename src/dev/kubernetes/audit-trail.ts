import type { UserInfo } from './user-info.ts'

/** What a request was about (audit.k8s.io/v1 ObjectReference). */
export type ObjectReference = {
  resource?: string
  subresource?: string
  namespace?: string
  name?: string
  apiGroup?: string
  apiVersion?: string
}

/**
 * One audit.k8s.io/v1 Event at level Metadata. A watch, a followed log, and exec, attach and port-forward
 * have two: ResponseStarted and ResponseComplete; every other request has the latter only.
 */
export type AuditEntry = {
  auditID: string
  stage: 'ResponseStarted' | 'ResponseComplete'
  requestURI: string
  verb: string
  /** Absent when the bearer was refused. */
  user?: UserInfo
  impersonatedUser?: UserInfo
  userAgent: string
  objectRef?: ObjectReference
  responseStatus: { code: number }
  requestReceivedTimestamp: string
  stageTimestamp: string
  annotations: Readonly<Record<string, string>>
}

const entryLimit = 10_000

/** Who did what, in the order of the answers. Bounded: the oldest entries are forgotten. */
export class AuditTrail {
  readonly #entries: AuditEntry[] = []

  add(entry: AuditEntry): void {
    this.#entries.push(Object.freeze(entry))
    if (this.#entries.length > entryLimit) this.#entries.shift()
  }

  /** The entries so far. */
  entries(): readonly AuditEntry[] {
    return [...this.#entries]
  }
}

/** The object reference without what is empty; undefined when nothing is left. */
export function referenceOf(fields: Required<ObjectReference>): ObjectReference | undefined {
  const { resource, subresource, namespace, name, apiGroup, apiVersion } = fields
  const present = Object.entries({ resource, subresource, namespace, name, apiGroup, apiVersion }).filter(([, value]) => value !== '')
  return present.length === 0 ? undefined : Object.fromEntries(present)
}

/**
 * What Mandate does with its account for itself, task by task: a closed list.
 *
 * What a table does not name does not compile, and is refused when it runs all the same. A right is added with the code
 * that needs it; an election and its events need no more than stands here.
 */

export type OwnVerb = 'get' | 'list' | 'create' | 'update' | 'patch' | 'delete'

/** Verbs on one kind; `resource` may name a subresource, as in `widgets/status`. */
export interface Right {
  readonly group: string
  readonly version: string
  readonly resource: string
  readonly verbs: readonly OwnVerb[]
  /** For what comes every few seconds and changes nothing that matters: one record in ten minutes, with a count (own-sums.ts). */
  readonly summed?: true
}

/** Tasks by name. Write your own with `as const satisfies TaskTable`: then the compiler holds callers to it. */
export type TaskTable = Readonly<Record<string, readonly Right[]>>

export const OWN_TASKS = {
  /** Looks whether the account that impersonates may do more than that. */
  'broker-rights': [{ group: 'authorization.k8s.io', version: 'v1', resource: 'selfsubjectaccessreviews', verbs: ['create'] }],
  /** Looks whether the account that writes for users may do more than it is there for: up to some thousand questions a look. */
  'account-review': [
    { group: 'authorization.k8s.io', version: 'v1', resource: 'selfsubjectaccessreviews', verbs: ['create'], summed: true },
  ],
  /** Elects the replica that does what only one may do: takes the lease and gives it back. */
  lease: [{ group: 'coordination.k8s.io', version: 'v1', resource: 'leases', verbs: ['create', 'update'] }],
  /** Looks at the lease and renews it, every two seconds. */
  'lease-upkeep': [{ group: 'coordination.k8s.io', version: 'v1', resource: 'leases', verbs: ['get', 'update'], summed: true }],
  /** Tells on an object what was done about it. */
  event: [{ group: 'events.k8s.io', version: 'v1', resource: 'events', verbs: ['create', 'patch'] }],
} as const satisfies TaskTable

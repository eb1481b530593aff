/**
 * A declared operation, ready to run: expressions are compiled, names of kinds are looked up, defaults are filled in.
 *
 * A write stands beside the action that the user is reviewed for. Both lie in the same namespace, because there is only one
 * expression for it.
 */
import type { Denied } from '../config/deny-list.ts'
import type { BodyFault } from '../errors.ts'
import type { Json } from '../template/json.ts'
import type { ComputedText, Template } from '../template/template.ts'

export interface Kind {
  readonly group: string
  readonly version: string
  readonly resource: string
  readonly kind: string
  readonly namespaced: boolean
}

/** Which object; `namespace` is absent for kinds that are in none. */
export interface Place {
  readonly kind: Kind
  readonly namespace: ComputedText | undefined
  readonly name: ComputedText
}

/** What the user must be allowed instead of the write itself, in the namespace of the write. */
export interface StandIn {
  readonly verb: string
  readonly kind: Kind
  readonly subresource: string
  readonly name: ComputedText | undefined
}

interface AnyStep {
  /** Names the result for later steps. */
  readonly as: string
  readonly review: StandIn | undefined
}

export interface ObjectStep extends AnyStep, Place {
  readonly do: 'create' | 'apply'
  readonly object: Template
  readonly ownedBy: string | undefined
}

export interface ChangeStep extends AnyStep, Place {
  readonly do: 'patch' | 'status'
  readonly change: Template
}

export interface DeleteStep extends AnyStep, Place {
  readonly do: 'delete'
}

export interface TokenStep extends AnyStep, Place {
  readonly do: 'token'
  readonly audiences: readonly [string, ...string[]]
  readonly expirationSeconds: number
  readonly into: (Place & { readonly key: string; readonly ownedBy: string; readonly review: StandIn | undefined }) | undefined
  readonly inAnswerOpen: boolean
}

export type Step = ObjectStep | ChangeStep | DeleteStep | TokenStep

/** What goes to the API server as the user asked, with the user's own credential. */
export interface AsUser {
  readonly do: 'get' | 'list' | 'delete'
  readonly kind: Kind
  readonly namespace: ComputedText | undefined
  readonly name: ComputedText | undefined
  readonly watch: boolean
}

/** One segment of a path: text, or the name of a parameter. */
export type Segment = { readonly literal: string } | { readonly parameter: string }

export interface Operation {
  readonly name: string
  readonly host: string
  readonly method: string
  readonly segments: readonly Segment[]
  /** Says what is wrong with a body; absent for operations that take none. */
  readonly body: ((body: Json) => readonly BodyFault[]) | undefined
  readonly given: ReadonlyMap<string, Place>
  readonly asUser: AsUser | undefined
  readonly steps: readonly Step[]
  /** Index of the step whose object is the answer. */
  readonly answer: number
}

export interface Broker {
  readonly name: string
  readonly operations: readonly Operation[]
  readonly namespaces: ReadonlySet<string> | '*'
  readonly lifted: ReadonlySet<Denied>
  readonly bodyLimit: number
  readonly callerText: boolean
  /** What a ServiceAccountClient takes for it (`service-account-client.ts`). */
  readonly mayWrite: readonly string[]
  readonly rightsOpen: readonly string[]
  readonly onReviewOf: readonly { readonly reviewed: string; readonly write: string }[]
}

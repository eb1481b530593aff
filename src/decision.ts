/** What an authorizer answers. Deny wins, somebody must allow, silence denies; the reasons are a closed list. */
import type { RefusalCode } from './refusal-codes.ts'

export interface Allow {
  readonly effect: 'allow'
  /** The rule that allowed, for the audit record. */
  readonly rule: string
}

export interface Deny {
  readonly effect: 'deny'
  readonly code: RefusalCode
  /** What was missing, in words that may be shown to the caller. */
  readonly detail: string
  /** Scopes that would be enough, where they are what was missing. */
  readonly scopes?: readonly string[]
}

export interface Abstain {
  readonly effect: 'abstain'
}

export type Decision = Allow | Deny | Abstain

/** The action and resource of one attempt, in the words of the AuthZEN Authorization API. */
export interface Action {
  /** `get`, `list`, ... for Kubernetes; the HTTP method in lower case elsewhere. */
  readonly name: string
  /** True when the action can change the target, or open a channel that can. */
  readonly writes: boolean
}

export interface Resource {
  readonly type: 'cluster' | 'route' | 'brokered'
  /** The configured name of the cluster or route. */
  readonly id: string
  /** Facts about the resource for audit records: Kubernetes group, resource, namespace, name. */
  readonly properties: Readonly<Record<string, string>>
}

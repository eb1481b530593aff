/** The contract of the second step: may they? Deny wins; somebody must allow; silence denies. */
import type { Action, Decision, Resource } from '../decision.ts'
import type { Caller } from '../principal.ts'

export interface Question {
  readonly caller: Caller
  readonly action: Action
  readonly resource: Resource
}

export interface Authorizer {
  authorize(question: Question): Promise<Decision>
}

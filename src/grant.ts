/**
 * A Grant: the right to act once, as the caller. `access.ts` makes it, and nothing else can: it exists only after the
 * caller was authenticated, a rule allowed them, a credential with their rights was granted and this was recorded.
 */
import type { Credential } from './credential.ts'
import type { Caller } from './principal.ts'
import type { RefusalCode } from './refusal-codes.ts'

export interface Grant {
  readonly caller: Caller
  readonly credential: Credential
  /** Records what is about to be done that cannot be taken back. Do not do it if this rejects. */
  effect(what: string): Promise<void>
  /**
   * Says that the target refused this credential (401). True when `renew` may give another one; false when it was renewed
   * for such an answer a moment ago, and the target's answer is the caller's.
   */
  refused(credential: Credential): boolean
  /** A fresh credential after that. Rejects with a Refusal when there is none. */
  renew(): Promise<Credential>
  /** Records that an answer that goes on has begun. Do not send it if this rejects. */
  streamOpened(upstreamAuditId: string | undefined): Promise<void>
}

/** How acting ended; the answer has been written by then. */
export interface Acted {
  readonly result: 'completed' | 'failed' | 'stream-closed'
  readonly status: number
  readonly bytes: number
  readonly upstreamAuditId: string | undefined
  /** Why it failed or the stream closed; one of a few fixed words. */
  readonly cause: string
  readonly code?: RefusalCode
}

/** Does the thing and returns after the last byte of the answer. Throws a Refusal when nothing was answered yet. */
export type Act = (grant: Grant) => Promise<Acted>

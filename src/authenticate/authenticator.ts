/**
 * The contract of the first step: who asks?
 *
 * `rejected` is final. Nothing falls through from a proof that was shown and refused to a weaker one. A throw means
 * "cannot tell" and becomes 503; it is never read as "not signed in".
 */
import type { Refusal } from '../errors.ts'
import type { Caller, Stranger } from '../principal.ts'
import type { Secret } from '../secret.ts'

/** What of a request authenticators may see. */
export interface Presented {
  readonly method: string
  /** True when the request may change state or open a channel: cookie callers then need our Origin. */
  readonly writes: boolean
  /** The login cookie's value, if one was sent. */
  readonly cookie: Secret | undefined
  /** The Authorization header's value as sent, if one was. */
  readonly authorization: Secret | undefined
  /** Origin of the host that was asked: the login cookie of another host is worth nothing there. */
  readonly self: string
  /** The Origin header. */
  readonly origin: string | undefined
  readonly fetchSite: string | undefined
}

export type Authentication =
  | { readonly result: 'authenticated'; readonly caller: Caller }
  /** `stranger` is there when the proof holds and its bearer is nobody here. */
  | { readonly result: 'rejected'; readonly refusal: Refusal; readonly stranger?: Stranger }
  | { readonly result: 'not-applicable' }

export interface Authenticator {
  authenticate(presented: Presented): Promise<Authentication>
}

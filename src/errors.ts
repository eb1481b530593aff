/**
 * How a step says no: by a Refusal with a code of the catalogue in `refusal-codes.ts`.
 *
 * Security: a Refusal is frozen, so no later step can add one caller's data to an object that another caller sees.
 * Its `detail` is written by us and never quotes a token, a header value or a library's message.
 */
import { REFUSALS, type RefusalCode } from './refusal-codes.ts'

/** One fault of a body, for whoever sent it. */
export interface BodyFault {
  /** JSON Pointer (RFC 6901) into the body; '' for the whole. */
  readonly path: string
  readonly problem: string
}

export interface RefusalOptions {
  /** What exactly was wrong, in our own words. */
  readonly detail?: string
  /** What the target said, for whoever asked alone: it may quote what they sent, and is neither logged nor recorded. */
  readonly said?: string
  /** Every fault of a body, for whoever sent it alone. */
  readonly faults?: readonly BodyFault[]
  /** Scopes that would be enough; sent in WWW-Authenticate (RFC 6750 3). */
  readonly scopes?: readonly string[]
  /** Methods that are taken instead; sent in Allow (RFC 9110 15.5.6). */
  readonly methods?: readonly string[]
  /** Seconds after which trying again makes sense; sent as Retry-After. */
  readonly retryAfterSeconds?: number
  /** Claims challenge of the issuer, handed back to the sign-in. */
  readonly claims?: string
}

/** An answer that refuses. Thrown or returned by every step; the door renders it. */
export class Refusal extends Error {
  override readonly name = 'Refusal'
  readonly code: RefusalCode
  readonly status: number
  readonly title: string
  readonly mend: string
  readonly detail: string | undefined
  readonly scopes: readonly string[] | undefined
  readonly methods: readonly string[] | undefined
  readonly retryAfterSeconds: number | undefined
  readonly claims: string | undefined
  readonly said: string | undefined
  readonly faults: readonly BodyFault[] | undefined

  constructor(code: RefusalCode, options: RefusalOptions = {}) {
    const entry = REFUSALS[code]
    super(options.detail === undefined ? entry.title : `${entry.title}: ${options.detail}`)
    this.code = code
    this.status = entry.status
    this.title = entry.title
    this.mend = entry.mend
    this.detail = options.detail
    this.scopes = options.scopes
    this.methods = options.methods
    this.retryAfterSeconds = options.retryAfterSeconds ?? (entry.status === 503 ? 5 : undefined)
    this.claims = options.claims
    this.said = options.said
    this.faults = options.faults
    Object.freeze(this)
  }
}

/** Turns whatever was thrown into a Refusal; anything that is not one is a fault of ours. */
export function asRefusal(error: unknown): Refusal {
  return error instanceof Refusal ? error : new Refusal('fault')
}

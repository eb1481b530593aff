/**
 * Why an exchange must end before the upstream ends it: the caller's proof ended, the caller went away, its age is
 * reached, or this replica stops. Plain answers and changed protocols end by the same reasons (promise 4).
 */
import type { EventEmitter } from 'node:events'
import { Refusal } from '../errors.ts'
import type { Grant } from '../grant.ts'

export type EndCause = 'caller-ended' | 'caller-gone' | 'max-age' | 'stopping'

/** Watches for the reasons of one exchange. `release` must be called when it is over. */
export class Ends {
  readonly #abort = new AbortController()
  readonly #grant: Grant
  readonly #caller: EventEmitter
  readonly #stopping: AbortSignal
  readonly #ended = () => this.#fire('caller-ended')
  readonly #closed = () => this.#fire('caller-gone')
  readonly #stopped = () => this.#fire('stopping')
  #timer: NodeJS.Timeout | undefined
  /** The first of the reasons that came about. */
  cause: EndCause | undefined

  /** `caller` is what closes when the caller goes away: the answer, or the connection. */
  constructor(grant: Grant, caller: EventEmitter, stopping: AbortSignal) {
    this.#grant = grant
    this.#caller = caller
    this.#stopping = stopping
    if (grant.caller.ended.aborted) this.#ended()
    grant.caller.ended.addEventListener('abort', this.#ended, { once: true })
    caller.once('close', this.#closed)
  }

  /** Fires at the first reason. */
  get signal(): AbortSignal {
    return this.#abort.signal
  }

  /** The answer begins, and has an age from now on: nothing an upstream sends outlives it by not being called a stream. */
  begun(maxAgeMs: number): void {
    this.#timer = setTimeout(() => this.#fire('max-age'), Math.min(maxAgeMs, 0x7fffffff))
  }

  /** The answer is one that goes on: it ends at once when this replica stops. Others have the grace of the listener. */
  live(): void {
    if (this.#stopping.aborted) this.#stopped()
    this.#stopping.addEventListener('abort', this.#stopped, { once: true })
  }

  /** The connection was joined to the upstream's: it closes in the course of things, and the tunnel says how. */
  joined(): void {
    this.#caller.removeListener('close', this.#closed)
  }

  release(): void {
    clearTimeout(this.#timer)
    this.#grant.caller.ended.removeEventListener('abort', this.#ended)
    this.#caller.removeListener('close', this.#closed)
    this.#stopping.removeEventListener('abort', this.#stopped)
  }

  #fire(cause: EndCause): void {
    this.cause ??= cause
    this.#abort.abort()
  }
}

/** Who ended the caller may have said why: a replica that cannot tell is not the end of a login. */
export function whyEnded({ caller }: Grant): unknown {
  const why: unknown = caller.ended.reason
  const said = why instanceof Error && why.name !== 'AbortError'
  return said ? why : new Refusal(caller.proof.kind === 'login' ? 'login_ended' : 'token_revoked')
}

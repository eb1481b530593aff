/**
 * Why an exchange must end before the upstream ends it: the caller's proof ended, the caller went away, its age is
 * reached, or this replica stops. Plain answers and changed protocols end by the same reasons (promise 4).
 *
 * Thousands of exchanges may rest on one login, and each of them comes and goes: so each signal has one listener, which
 * tells the exchanges of a set.
 */
import type { EventEmitter } from 'node:events'
import type { Writable } from 'node:stream'
import { Refusal } from '../errors.ts'
import type { Grant } from '../grant.ts'
import type { Cut } from './upstream.ts'

export type EndCause = 'caller-ended' | 'caller-gone' | 'max-age' | 'stopping'

/** Whom to tell when a signal fires. */
const told = new WeakMap<AbortSignal, Set<() => void>>()

function tell(signal: AbortSignal, whom: () => void): void {
  let all = told.get(signal)
  if (all === undefined) {
    const made = new Set<() => void>()
    all = made
    told.set(signal, made)
    signal.addEventListener('abort', () => tellAll(made), { once: true })
  }
  all.add(whom)
}

/** One that fails must not keep the others open. */
function tellAll(all: ReadonlySet<() => void>): void {
  const faults: unknown[] = []
  for (const one of all) {
    try {
      one()
    } catch (fault) {
      faults.push(fault)
    }
  }
  if (faults.length > 0) throw new AggregateError(faults, 'exchanges could not be ended properly')
}

/** What closes when the caller goes away: the answer, or the connection. */
type EndsCaller = EventEmitter & Pick<Writable, 'destroyed' | 'writableFinished'>

/** Watches for the reasons of one exchange. `release` must be called when it is over. */
export class Ends implements Cut {
  readonly #grant: Grant
  readonly #caller: EndsCaller
  readonly #stopping: AbortSignal
  readonly #ended = () => this.#fire('caller-ended')
  // An answer closes when it is out as well.
  readonly #closed = () => {
    if (this.#caller.writableFinished !== true) this.#fire('caller-gone')
  }
  readonly #stopped = () => this.#fire('stopping')
  #listener: (() => void) | undefined
  #timer: NodeJS.Timeout | undefined
  #released = false
  /** The first of the reasons that came about. */
  cause: EndCause | undefined
  pauseMs: number | undefined

  constructor(grant: Grant, caller: EndsCaller, stopping: AbortSignal) {
    this.#grant = grant
    this.#caller = caller
    this.#stopping = stopping
    if (grant.caller.ended.aborted) this.#ended()
    else tell(grant.caller.ended, this.#ended)
    caller.once('close', this.#closed)
    // Whoever left while it was decided on has closed before anybody listened.
    if (caller.destroyed) this.#closed()
  }

  get over(): boolean {
    return this.cause !== undefined
  }

  listen(listener: (() => void) | undefined): void {
    this.#listener = listener
  }

  /** The answer begins, and has an age from now on: nothing an upstream sends outlives it by not being called a stream. */
  begun(maxAgeMs: number): void {
    if (this.#released) return
    this.#timer = setTimeout(() => this.#fire('max-age'), Math.min(maxAgeMs, 0x7fffffff))
  }

  /** The answer is one that goes on: it ends at once when this replica stops. Others have the grace of the listener. */
  live(): void {
    if (this.#stopping.aborted) this.#stopped()
    else tell(this.#stopping, this.#stopped)
  }

  /** The connection was joined to the upstream's: it closes in the course of things, and the tunnel says how. */
  joined(): void {
    this.#caller.removeListener('close', this.#closed)
  }

  release(): void {
    this.#released = true
    clearTimeout(this.#timer)
    told.get(this.#grant.caller.ended)?.delete(this.#ended)
    told.get(this.#stopping)?.delete(this.#stopped)
    this.#caller.removeListener('close', this.#closed)
    this.#listener = undefined
  }

  #fire(cause: EndCause): void {
    if (this.cause !== undefined) return
    this.cause = cause
    this.#listener?.()
  }
}

/** Who ended the caller may have said why: a replica that cannot tell is not the end of a login. */
export function whyEnded({ caller }: Grant): unknown {
  const why: unknown = caller.ended.reason
  const said = why instanceof Error && why.name !== 'AbortError'
  return said ? why : new Refusal(caller.proof.kind === 'login' ? 'login_ended' : 'token_revoked')
}

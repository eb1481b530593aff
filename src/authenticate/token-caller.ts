/**
 * The caller of a verified token. It counts what rests on it: on the caller itself, because a table of those that
 * something rests on would cost each request more than a number does.
 */
import type { BearerProof, Caller, Principal } from '../principal.ts'

/** Frozen, but for the count. */
export class TokenCaller implements Caller {
  readonly principal: Principal
  readonly proof: BearerProof
  readonly ended: AbortSignal
  #holds = 0

  constructor(principal: Principal, proof: BearerProof, ended: AbortSignal) {
    this.principal = principal
    this.proof = proof
    this.ended = ended
    Object.freeze(this)
  }

  /** False for a login's caller, and for a copy: it has no count. */
  static is(caller: Caller): caller is TokenCaller {
    return #holds in caller
  }

  /** How much rests on it. */
  get holds(): number {
    return this.#holds
  }

  hold(): void {
    this.#holds += 1
  }

  /** Gives back how much still rests on it. */
  release(): number {
    this.#holds -= 1
    return this.#holds
  }
}

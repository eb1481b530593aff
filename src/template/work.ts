/**
 * What filling one template may cost.
 *
 * Security: an operator writes the expressions, but a caller's body sets how often they turn: two lists mapped within
 * each other make their product, and a function that is linear becomes slow where it is called for each of 50,000
 * items. So each turn of a comprehension and each call of a function is charged by the size of what it looks at, and an
 * evaluation that has spent its allowance fails. Once it is spent every further call fails at once, so `||` and
 * `exists`, which swallow failures, cannot go on. What is made is bounded too: nodes and characters of the JSON text.
 *
 * Not bounded: memory while strings are joined, beyond what one string may hold at all (half a gigabyte), and the time
 * of what costs nothing here: literals and fields, of which there are as many as the source has.
 */
import { type CelValue, isCelList, isCelMap } from '@bufbuild/cel'
import { ExpressionFailed } from './expression-failed.ts'

/** Units of work in one filling: about as many values, or 16 characters each, looked at. Takes about a second at most. */
export const MOST_WORK = 2_000_000
/** Values in what one filling makes. */
export const MOST_NODES = 100_000
/** Characters in the texts, keys and numbers of what one filling makes, with what sets them apart: 1 MB of JSON. */
export const MOST_CHARACTERS = 1_000_000

const SPENT = 'it takes more work than an expression may'
const TOO_LARGE = 'what it makes is too large'

/** The allowance of one filling. */
export class Work {
  #left = MOST_WORK
  #nodes = MOST_NODES
  #characters = MOST_CHARACTERS

  get spent(): boolean {
    return this.#left < 0
  }

  /** Throws ExpressionFailed when the allowance is spent, and from then on. */
  charge(units: number): void {
    this.#left -= units
    if (this.#left < 0) throw new ExpressionFailed(SPENT)
  }

  /** One more value of the result, of so many characters. Throws ExpressionFailed. */
  made(characters: number): void {
    this.#nodes -= 1
    this.#characters -= characters
    if (this.#nodes < 0 || this.#characters < 0) throw new ExpressionFailed(TOO_LARGE)
  }

  /** Charges for looking at a value and, where said, at all that is in it. */
  look(value: CelValue | undefined, within: boolean): void {
    if (typeof value === 'string') return this.charge(1 + (value.length >> 4))
    if (value instanceof Uint8Array) return this.charge(1 + (value.length >> 4))
    if (!isCelList(value) && !isCelMap(value)) return this.charge(1)
    this.charge(1 + value.size)
    if (within) for (const item of value.values()) this.look(item, true)
  }
}

let current: Work | undefined

/** The allowance of the evaluation that runs now. */
export function work(): Work {
  if (current === undefined) throw new TypeError('there is no evaluation now')
  return current
}

/** Runs an evaluation, which is synchronous and never within another, against an allowance. */
export function spending<T>(allowance: Work, evaluate: () => T): T {
  const before = current
  current = allowance
  try {
    return evaluate()
  } finally {
    current = before
  }
}

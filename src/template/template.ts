/**
 * Trees of JSON with expressions in them, and single texts that may be an expression.
 *
 * Security: a value of the request gets into a template only as a value at the place of an expression. Nothing is pasted
 * into text that is parsed afterwards, so no caller can close a quote or add a key beside it.
 */

import { compileExpression, Evaluation, type Expression, ExpressionFaulty, type Variables } from './expression.ts'
import { ExpressionFailed } from './expression-failed.ts'
import { DEEPEST, type Json, pointerPart } from './json.ts'

/** One thing wrong with a template, at a JSON Pointer into it. */
export interface TemplateFault {
  readonly path: string
  readonly problem: string
}

/** The tree is no template. */
export class TemplateFaulty extends Error {
  override readonly name = 'TemplateFaulty'
  /** All of them, in the order of the tree. */
  readonly faults: readonly TemplateFault[]

  constructor(faults: readonly TemplateFault[]) {
    super(faults.map(({ path, problem }) => `${path === '' ? 'the template' : path}: ${problem}`).join('; '))
    this.faults = faults
  }
}

export interface Template {
  /** Every expression in it, with the JSON Pointer of its place. */
  readonly expressions: ReadonlyArray<{ readonly path: string; readonly expression: Expression }>
  /**
   * The tree with values for its expressions, new each time, without the keys of maps that came to null. Throws
   * ExpressionFailed, and nothing else, also when the whole is too large or takes too much work.
   */
  fill(variables: Variables): Json
}

/**
 * Compiles a tree as YAML or JSON gives it. A map of the one key `cel` is an expression; a map that shall have just that
 * key is written as one: `{ cel: '{"cel": "text"}' }`. Throws TemplateFaulty.
 */
export function compileTemplate(value: unknown, roots: ReadonlySet<string>): Template {
  const compiling = new Compiling(roots)
  const filled = compiling.read(value, '', 0)
  if (compiling.faults.length > 0) throw new TemplateFaulty(compiling.faults)
  return { expressions: compiling.expressions, fill: (variables) => filled(new Evaluation(variables)) }
}

type Fill = (evaluation: Evaluation) => Json

const MOST_PARTS = 10_000
const NOTHING: Fill = () => null

class Compiling {
  readonly faults: TemplateFault[] = []
  readonly expressions: { readonly path: string; readonly expression: Expression }[] = []
  readonly #roots: ReadonlySet<string>
  #parts = 0

  constructor(roots: ReadonlySet<string>) {
    this.#roots = roots
  }

  read(value: unknown, path: string, depth: number): Fill {
    this.#parts += 1
    // An alias of YAML can stand for much, or for what it stands in.
    if (this.#parts > MOST_PARTS) return this.#parts > MOST_PARTS + 1 ? NOTHING : this.#fault(path, `it has more than ${MOST_PARTS} parts`)
    if (value === null || typeof value === 'boolean') return kept(value, 6)
    if (typeof value === 'string') return this.#text(value, path)
    if (typeof value === 'number') {
      return Number.isFinite(value) ? kept(value, 20) : this.#fault(path, 'it is a number that JSON does not have')
    }
    if (depth >= DEEPEST) return this.#fault(path, `it is nested deeper than ${DEEPEST}`)
    if (Array.isArray(value)) return this.#list(value, path, depth)
    if (typeof value === 'object' && isPlain(value)) return this.#map(Object.entries(value), path, depth)
    return this.#fault(path, 'it is of a type that JSON does not have')
  }

  #text(text: string, path: string): Fill {
    if (!text.isWellFormed()) return this.#fault(path, 'it is text with half a surrogate pair')
    return kept(text, text.length + 3)
  }

  #list(list: readonly unknown[], path: string, depth: number): Fill {
    const items = Array.from(list, (item, at) => this.read(item, `${path}/${at}`, depth + 1))
    return (evaluation) => {
      evaluation.work.made(2)
      return items.map((fill) => fill(evaluation))
    }
  }

  #map(entries: readonly (readonly [string, unknown])[], path: string, depth: number): Fill {
    const [only] = entries
    if (entries.length === 1 && only !== undefined && only[0] === 'cel') return this.#expression(only[1], path)
    const fills: [string, Fill][] = []
    for (const [key, item] of entries) {
      const place = `${path}/${pointerPart(key)}`
      if (key === '__proto__' || !key.isWellFormed()) this.#fault(place, 'it is a key that is not taken')
      fills.push([key, this.read(item, place, depth + 1)])
    }
    return (evaluation) => {
      evaluation.work.made(2)
      const object: Record<string, Json> = {}
      for (const [key, fill] of fills) {
        evaluation.work.made(key.length + 3)
        const value = fill(evaluation)
        if (value !== null) object[key] = value
      }
      return object
    }
  }

  #expression(source: unknown, path: string): Fill {
    if (typeof source !== 'string') return this.#fault(path, 'cel is to be text; a map of the one key cel is an expression')
    try {
      const expression = compileExpression(source, this.#roots)
      this.expressions.push({ path, expression })
      return (evaluation) => atPlace(path, () => expression.evaluateIn(evaluation))
    } catch (error) {
      if (!(error instanceof ExpressionFaulty)) throw error
      return this.#fault(path, error.problem)
    }
  }

  #fault(path: string, problem: string): Fill {
    this.faults.push({ path, problem })
    return NOTHING
  }
}

/** A literal, of so many characters. */
function kept(value: Json, characters: number): Fill {
  return ({ work }) => {
    work.made(characters)
    return value
  }
}

function atPlace(path: string, evaluate: () => Json): Json {
  try {
    return evaluate()
  } catch (error) {
    throw error instanceof ExpressionFailed ? new ExpressionFailed(error.problem, path) : error
  }
}

function isPlain(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === Object.prototype || prototype === null
}

/** A text that stands as it is, or is computed. */
export interface ComputedText {
  /** `text: ...` or `cel: ...`; equal for two that always give equal texts because they say the same. */
  readonly source: string
  readonly literal: string | undefined
  readonly expression: Expression | undefined
  /** Throws ExpressionFailed, and nothing else, also when the result is not text. */
  fill(variables: Variables): string
}

/** Compiles a text or an expression. Throws ExpressionFaulty. */
export function compileText(value: string | { readonly cel: string }, roots: ReadonlySet<string>): ComputedText {
  if (typeof value === 'string') return { source: `text: ${value}`, literal: value, expression: undefined, fill: () => value }
  const expression = compileExpression(value.cel, roots)
  return {
    source: `cel: ${expression.canonical}`,
    literal: undefined,
    expression,
    fill(variables) {
      const text = expression.evaluate(variables)
      if (typeof text !== 'string') throw new ExpressionFailed('what it makes is not text')
      return text
    },
  }
}

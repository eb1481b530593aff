/**
 * One CEL expression, compiled once and evaluated for each request. Operators write expressions; callers write what they
 * look at.
 *
 * Security: everything that an expression names is known when it is compiled, so a misspelt variable is no surprise on
 * the first request. A failure is told in fixed words, since the library's messages quote values. What evaluation may
 * cost is bounded in `work.ts`.
 */
import { type CelError, type CelValue, isCelError, parse, plan } from '@bufbuild/cel'
import { celOf, jsonOf } from './cel-values.ts'
import { ExpressionFailed } from './expression-failed.ts'
import { ENVIRONMENT } from './functions.ts'
import type { Json } from './json.ts'
import { canonicalOf, type Parsed, Reading } from './syntax.ts'
import { spending, Work } from './work.ts'

export { ExpressionFailed }

const LONGEST_SOURCE = 10_000

/** The expression is none that can be evaluated here. The problem is for the operator, and names line and column. */
export class ExpressionFaulty extends Error {
  override readonly name = 'ExpressionFaulty'
  readonly problem: string

  constructor(problem: string) {
    super(problem)
    this.problem = problem
  }
}

export type Variables = Readonly<Record<string, Json>>

export interface Expression {
  /** As it was written. */
  readonly source: string
  /** The same text for every spelling of the expression, such as other spaces; never the same for two expressions. */
  readonly canonical: string
  /** Each free variable with the constant fields that are selected of it: ['path', 'project'], ['body', 'spec', 'x']. */
  readonly uses: readonly (readonly string[])[]
  /** Its value as JSON, without nulls in maps. Throws ExpressionFailed, and nothing else. Changes no variable. */
  evaluate(variables: Variables): Json
  /** The same as part of a larger evaluation, which pays for it. */
  evaluateIn(evaluation: Evaluation): Json
}

/** The variables of one request, each read when it is first used, and what all expressions over them may cost together. */
export class Evaluation {
  readonly work = new Work()
  readonly values: Readonly<Record<string, CelValue>>

  constructor(variables: Variables) {
    const values: Record<string, CelValue> = {}
    Object.setPrototypeOf(values, null)
    for (const [name, value] of Object.entries(variables)) values[name] = celOf(value)
    this.values = values
  }
}

/** Compiles an expression over these variables. Throws ExpressionFaulty. */
export function compileExpression(source: string, roots: ReadonlySet<string>): Expression {
  if (source.length > LONGEST_SOURCE) throw new ExpressionFaulty(`it is longer than ${LONGEST_SOURCE} characters`)
  const parsed = parsedOf(source)
  const reading = new Reading(roots)
  // Before the reading, which changes the tree.
  const canonical = canonicalOf(source, parsed, parse)
  const fault = withoutOverflow(() => reading.read(parsed.expr))
  if (fault !== undefined) throw new ExpressionFaulty(`${fault.problem} (${placeOf(source, parsed, fault.id)})`)
  const evaluated = withoutOverflow(() => plan(ENVIRONMENT, parsed))
  const { uses } = reading
  const used = new Set(uses.map(([root]) => root))
  return {
    source,
    canonical,
    uses,
    evaluate: (variables) => {
      const own = Object.entries(variables).filter(([name]) => used.has(name))
      return evaluatedIn(new Evaluation(Object.fromEntries(own)))
    },
    evaluateIn: evaluatedIn,
  }

  function evaluatedIn({ values, work }: Evaluation): Json {
    return spending(work, () => {
      const result = evaluated(values)
      // Whatever an operator made of the failure: an expression that ran out has no value.
      if (work.spent) work.charge(0)
      if (isCelError(result)) throw failureOf(result, source, parsed)
      try {
        return jsonOf(result, work)
      } catch (error) {
        throw error instanceof ExpressionFailed ? error : new ExpressionFailed('it has no value for this request')
      }
    })
  }
}

function parsedOf(source: string): Parsed {
  try {
    return parse(source)
  } catch (error) {
    if (error instanceof RangeError) throw new ExpressionFaulty(TOO_DEEP)
    const at = startOf(error)
    throw new ExpressionFaulty(at === undefined ? 'it is no CEL expression' : `it is no CEL expression (from ${at})`)
  }
}

const TOO_DEEP = 'it is nested too deeply'

function withoutOverflow<T>(act: () => T): T {
  try {
    return act()
  } catch {
    throw new ExpressionFaulty(TOO_DEEP)
  }
}

/** Where the library's parser stopped, if it says so. */
function startOf(error: unknown): string | undefined {
  const location: unknown = error instanceof Error && 'location' in error ? error.location : undefined
  if (typeof location !== 'object' || location === null || !('start' in location)) return undefined
  const start: unknown = location.start
  if (typeof start !== 'object' || start === null || !('line' in start) || !('column' in start)) return undefined
  return `line ${String(start.line)}, column ${String(start.column)}`
}

function placeOf(source: string, { sourceInfo }: Parsed, id: bigint): string {
  const before = source.slice(0, sourceInfo?.positions[id.toString()] ?? 0).split('\n')
  return `line ${before.length}, column ${(before.at(-1)?.length ?? 0) + 1}`
}

/** The library's failures in words of our own; which of them it was says nothing of the values. */
const FAILURES: readonly (readonly [RegExp, string])[] = [
  [/^(?:field not found|unresolved attribute)/, 'it selects a field that is not there'],
  [/^index \S+ out of bounds/, 'it asks for an item that is not there'],
  [/^(?:found no matching overload|type mismatch)/, 'a function or an operator in it does not take values of these types'],
  [/^\S+ (?:divide|modulus) by zero/, 'it divides by zero'],
  [/overflow/, 'a number in it leaves its range'],
  [/^map key conflict/, 'it makes a map with one key twice'],
]

function failureOf(error: CelError, source: string, parsed: Parsed): ExpressionFailed {
  for (let at: unknown = error, depth = 0; at instanceof Error && depth < 4; at = at.cause, depth += 1) {
    if (at instanceof ExpressionFailed) return at
  }
  const known = FAILURES.find(([pattern]) => pattern.test(error.message))
  const words = known === undefined ? 'it has no value for this request' : known[1]
  return new ExpressionFailed(error.exprId === undefined ? words : `${words} (${placeOf(source, parsed, error.exprId)})`)
}

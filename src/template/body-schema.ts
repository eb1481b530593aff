/**
 * Checks bodies by a JSON Schema (2020-12) of the operator.
 *
 * Security: the caller chooses the body, so nothing that the schema has done may take long. Patterns run on an engine
 * that is linear in the text (RE2; no look-around, no back-references). Formats are a fixed list on texts of at most 2048
 * characters. Unique items need a small `maxItems`, since they are compared each with each. All faults of a body are
 * looked for in bodies of at most 5,000 values; of a larger one the first fault is told. Only keys of the body itself count
 * as there, so `constructor` is missing where nobody sent it. The body is never changed.
 */
import { Ajv2020, type Options, type ValidateFunction } from 'ajv/dist/2020.js'
import type { BodyFault } from '../errors.ts'
import { faultsOf } from './body-faults.ts'
import { FORMATS } from './formats.ts'
import type { Json } from './json.ts'
import { linear } from './linear-pattern.ts'
import { problemOfSchema } from './schema-rules.ts'

/** The schema is none that is taken here; for the operator. */
export class BodySchemaFaulty extends Error {
  override readonly name = 'BodySchemaFaulty'
  readonly problem: string

  constructor(problem: string) {
    super(problem)
    this.problem = problem
  }
}

const MOST_VALUES_FOR_ALL_FAULTS = 5_000

/** The check of a body: its faults, at most 100, none when it fits. Throws BodySchemaFaulty when the schema is none. */
export function compileBodySchema(schema: object): (body: Json) => readonly BodyFault[] {
  const problem = problemOfSchema(schema)
  if (problem !== undefined) throw new BodySchemaFaulty(problem)
  const first = compiled(schema, false)
  const all = compiled(schema, true)
  return (body) => {
    if (first(body)) return []
    const check = isSmall(body) ? all : first
    check(body)
    return faultsOf(check.errors ?? [])
  }
}

function compiled(schema: object, allErrors: boolean): ValidateFunction {
  const options: Options = {
    strict: true,
    strictRequired: false,
    allowUnionTypes: true,
    allErrors,
    ownProperties: true,
    logger: false,
    code: { regExp: linear },
    formats: FORMATS,
  }
  try {
    return new Ajv2020(options).compile(schema)
  } catch (error) {
    throw new BodySchemaFaulty(wordsFor(error))
  }
}

/** The message is about the schema, which is the operator's, but in the library's words; the kind is ours. */
function wordsFor(error: unknown): string {
  const message = error instanceof Error ? error.message : ''
  if (/^schema is invalid/.test(message)) return 'it is no JSON Schema of 2020-12'
  if (/^unknown format/.test(message)) return `it names a format that is not taken; there are ${Object.keys(FORMATS).join(', ')}`
  if (/^strict mode: unknown keyword/.test(message)) return 'it has a keyword that JSON Schema 2020-12 does not have'
  if (/^strict mode: missing type/.test(message)) return 'it has keywords of one type of value without that type beside them'
  if (/^strict mode/.test(message)) return 'it has keywords that are without effect where they stand'
  if (/^can't resolve reference/.test(message)) return 'it has a $ref to a part of it that is not there'
  return 'it cannot be compiled'
}

function isSmall(body: Json): boolean {
  let left = MOST_VALUES_FOR_ALL_FAULTS
  const fits = (value: Json): boolean => {
    left -= 1
    if (left < 0) return false
    return typeof value !== 'object' || value === null || Object.values(value).every(fits)
  }
  return fits(body)
}

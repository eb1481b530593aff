/** What a JSON Schema of a body may not have, beyond what JSON Schema itself does not have. */
import { RE2JS } from '@bufbuild/re2'
import { DEEPEST } from './json.ts'

const MOST_UNIQUE = 256
const SCALARS: ReadonlySet<string> = new Set(['string', 'number', 'integer', 'boolean'])
const DIALECT = 'https://json-schema.org/draft/2020-12/schema'

/** Keywords under which names are the operator's own, not keywords. */
const NAMED: ReadonlySet<string> = new Set(['properties', 'patternProperties', '$defs', 'definitions', 'dependentSchemas'])
/** Keywords whose values are data. */
const DATA: ReadonlySet<string> = new Set(['const', 'enum', 'default', 'examples', 'dependentRequired'])

/** Why a schema is refused, in words for the operator; undefined when nothing here speaks against it. */
export function problemOfSchema(schema: unknown, depth = 0): string | undefined {
  if (Array.isArray(schema)) return firstProblem(schema, (part) => problemOfSchema(part, depth + 1))
  if (typeof schema !== 'object' || schema === null) return depth === 0 ? 'it is no JSON Schema of 2020-12' : undefined
  if (depth > DEEPEST) return `it is nested deeper than ${DEEPEST}`
  return firstProblem(Object.entries(schema), ([keyword, value]) => problemOf(keyword, value, schema, depth))
}

function problemOf(keyword: string, value: unknown, schema: object, depth: number): string | undefined {
  if (keyword === '$ref' || keyword === '$dynamicRef') {
    return typeof value === 'string' && value.startsWith('#')
      ? undefined
      : `its ${keyword} leads elsewhere: only those that begin with # are taken`
  }
  if (keyword === '$schema') return value === DIALECT ? undefined : `its $schema is to be ${DIALECT}`
  if (keyword === '$id') return 'it has an $id, which nothing here refers to'
  if (keyword === '$async') return 'it has $async, which is no keyword of JSON Schema'
  if (keyword === 'pattern') return patternProblem(value)
  if (keyword === 'uniqueItems' && value === true) return uniqueProblem(schema)
  if (DATA.has(keyword)) return undefined
  if (!NAMED.has(keyword) || typeof value !== 'object' || value === null) return problemOfSchema(value, depth + 1)
  return firstProblem(Object.entries(value), ([key, part]) => {
    if (key === '__proto__') return 'it names a key __proto__, which no body can have'
    return (keyword === 'patternProperties' ? patternProblem(key) : undefined) ?? problemOfSchema(part, depth + 1)
  })
}

function patternProblem(pattern: unknown): string | undefined {
  try {
    if (typeof pattern === 'string') RE2JS.compile(pattern)
    return undefined
  } catch {
    return `its pattern ${String(pattern)} is no regular expression of RE2, which has no look-around and no back-references`
  }
}

/** Each item is compared with each: objects are as large as a caller likes, and a few hundred of them would take a second. */
function uniqueProblem(schema: object): string | undefined {
  const most: unknown = 'maxItems' in schema ? schema.maxItems : undefined
  if (typeof most !== 'number' || most > MOST_UNIQUE) return `uniqueItems needs maxItems of at most ${MOST_UNIQUE} beside it`
  const items: unknown = 'items' in schema ? schema.items : undefined
  const type: unknown = typeof items === 'object' && items !== null && 'type' in items ? items.type : undefined
  if (typeof type === 'string' && SCALARS.has(type)) return undefined
  return 'uniqueItems needs items beside it that are of type string, number, integer or boolean'
}

function firstProblem<T>(parts: readonly T[], problem: (part: T) => string | undefined): string | undefined {
  for (const part of parts) {
    const found = problem(part)
    if (found !== undefined) return found
  }
  return undefined
}

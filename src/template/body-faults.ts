/**
 * Faults of a body in plain words, for whoever sent it. They say what the schema says, and never a value of the body; of
 * the body they name keys alone, as places.
 */
import type { ErrorObject } from 'ajv'
import type { BodyFault } from '../errors.ts'
import { pointerPart } from './json.ts'

const MOST_FAULTS = 100
const LONGEST_PATH = 500
const LONGEST_LIST = 300

/** At most 100, in the order in which they were found, each once. */
export function faultsOf(errors: readonly ErrorObject[]): readonly BodyFault[] {
  const faults = new Map<string, BodyFault>()
  for (const error of errors) {
    // Said again by the fault of propertyNames itself.
    if (error.propertyName !== undefined && error.keyword !== 'propertyNames') continue
    const fault = { path: shortened(placeOf(error), LONGEST_PATH), problem: problemOf(error) }
    faults.set(JSON.stringify(fault), fault)
    if (faults.size === MOST_FAULTS) break
  }
  return [...faults.values()]
}

/** The place, with the key that should not be there. */
function placeOf({ instancePath, keyword, params }: ErrorObject): string {
  const key: unknown = params[ADDED_BY[keyword] ?? '']
  return typeof key === 'string' ? `${instancePath}/${pointerPart(key)}` : instancePath
}

const ADDED_BY: Readonly<Record<string, string>> = {
  additionalProperties: 'additionalProperty',
  unevaluatedProperties: 'unevaluatedProperty',
  propertyNames: 'propertyName',
}

const LIMITS: Readonly<Record<string, readonly [string, string]>> = {
  minLength: ['is to have at least', 'characters'],
  maxLength: ['is to have at most', 'characters'],
  minItems: ['is to have at least', 'items'],
  maxItems: ['is to have at most', 'items'],
  items: ['is to have at most', 'items'],
  additionalItems: ['is to have at most', 'items'],
  unevaluatedItems: ['is to have at most', 'items'],
  minProperties: ['is to have at least', 'keys'],
  maxProperties: ['is to have at most', 'keys'],
}

const COMPARISONS: Readonly<Record<string, string>> = {
  minimum: 'at least',
  maximum: 'at most',
  exclusiveMinimum: 'more than',
  exclusiveMaximum: 'less than',
}

function problemOf({ keyword, params }: ErrorObject): string {
  const said = (name: string): string => saying(params[name])
  const limit = LIMITS[keyword]
  if (limit !== undefined) return `${limit[0]} ${said('limit' in params ? 'limit' : 'len')} ${limit[1]}`
  const comparison = COMPARISONS[keyword]
  if (comparison !== undefined) return `is to be ${comparison} ${said('limit')}`
  switch (keyword) {
    case 'required':
      return `lacks the key ${said('missingProperty')}`
    case 'dependentRequired':
      return `lacks the key ${said('missingProperty')}, which ${said('property')} needs beside it`
    case 'type':
      return `is to be ${[params['type']].flat().map(String).join(' or ')}`
    case 'enum':
      return `is to be one of ${listOf(params['allowedValues'])}`
    case 'const':
      return `is to be ${said('allowedValue')}`
    case 'pattern':
      return `is to match the pattern ${said('pattern')}`
    case 'format':
      return `is to be of the format ${said('format')}`
    case 'multipleOf':
      return `is to be a multiple of ${said('multipleOf')}`
    case 'uniqueItems':
      return 'holds one item twice'
    case 'contains':
      return `is to hold ${said('minContains')} or more items of one shape`
    default:
      return SHAPES[keyword] ?? `does not fit ${keyword} of the schema`
  }
}

const SHAPES: Readonly<Record<string, string>> = {
  additionalProperties: 'is no key that is taken here',
  unevaluatedProperties: 'is no key that is taken here',
  propertyNames: 'is no name for a key here',
  'false schema': 'is not taken here',
  anyOf: 'fits none of the shapes that are taken here',
  oneOf: 'is to fit just one of the shapes that are taken here',
  not: 'has a shape that is not taken here',
  if: 'does not fit what the rest of it calls for',
}

function listOf(values: unknown): string {
  return shortened(Array.isArray(values) ? values.map(saying).join(', ') : '', LONGEST_LIST)
}

function saying(value: unknown): string {
  return shortened(JSON.stringify(value) ?? '', LONGEST_LIST)
}

function shortened(text: string, longest: number): string {
  return text.length <= longest ? text : `${text.slice(0, longest).toWellFormed()}...`
}

/**
 * The formats that schemas may name. Each is the validator's own, on texts of at most 2048 characters: some of its patterns
 * take time with the square of a text.
 */
import type { Format } from 'ajv'
import formats from 'ajv-formats'

const LONGEST = 2048

const OF_TEXT = [
  'date',
  'time',
  'date-time',
  'duration',
  'uri',
  'uri-reference',
  'email',
  'hostname',
  'ipv4',
  'ipv6',
  'uuid',
  'json-pointer',
] as const
const OF_NUMBERS = ['int32', 'int64'] as const

/** By their names. */
export const FORMATS: Readonly<Record<string, Format>> = Object.fromEntries([
  ...OF_TEXT.map((name) => [name, bounded(formats.default.get(name))]),
  ...OF_NUMBERS.map((name) => [name, formats.default.get(name)]),
])

function bounded(format: Format): Format {
  return (text: string) => text.length <= LONGEST && holds(format, text)
}

function holds(format: Format, text: string): boolean {
  const check = typeof format === 'object' && 'validate' in format ? format.validate : format
  if (check instanceof RegExp) return check.test(text)
  if (typeof check !== 'function') return false
  // Of the list above every function is of texts; the type has those of numbers too.
  const answer: unknown = Reflect.apply(check, undefined, [text])
  return answer === true
}

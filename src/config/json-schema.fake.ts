/** Checks values against the part of JSON Schema 2020-12 that our schema uses; throws at any other keyword. */
export type Schema = Readonly<Record<string, unknown>>

export function isSchema(value: unknown): value is Schema {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

const ANNOTATIONS = new Set(['$schema', 'title', 'description', 'default'])

/** True when the value is valid. */
export function accepts(schema: Schema, value: unknown): boolean {
  return Object.entries(schema).every(([keyword, says]) => ANNOTATIONS.has(keyword) || holds(keyword, says, schema, value))
}

function holds(keyword: string, says: unknown, schema: Schema, value: unknown): boolean {
  switch (keyword) {
    case 'type':
      return typeOf(value) === says || (says === 'number' && typeOf(value) === 'integer')
    case 'const':
      return value === says
    case 'enum':
      return listOf(says).includes(value)
    case 'anyOf':
      return schemasOf(says).some((each) => accepts(each, value))
    case 'oneOf':
      return schemasOf(says).filter((each) => accepts(each, value)).length === 1
    case 'minLength':
      return typeof value !== 'string' || value.length >= Number(says)
    case 'pattern':
      return typeof value !== 'string' || new RegExp(String(says), 'u').test(value)
    case 'minimum':
      return typeof value !== 'number' || value >= Number(says)
    case 'maximum':
      return typeof value !== 'number' || value <= Number(says)
    case 'minItems':
      return !Array.isArray(value) || value.length >= Number(says)
    case 'items':
      return !Array.isArray(value) || value.every((each) => accepts(schemaOf(says), each))
    case 'required':
      return !isSchema(value) || listOf(says).every((key) => Object.hasOwn(value, String(key)))
    case 'properties':
      return (
        !isSchema(value) ||
        Object.entries(schemaOf(says)).every(([key, inner]) => !Object.hasOwn(value, key) || accepts(schemaOf(inner), value[key]))
      )
    case 'propertyNames':
      return !isSchema(value) || Object.keys(value).every((key) => accepts(schemaOf(says), key))
    case 'additionalProperties':
      return !isSchema(value) || othersHold(says, schema, value)
    default:
      throw new Error(`the keyword ${keyword} is not checked here`)
  }
}

function othersHold(says: unknown, schema: Schema, value: Schema): boolean {
  const known = isSchema(schema['properties']) ? schema['properties'] : {}
  const others = Object.entries(value).filter(([key]) => !Object.hasOwn(known, key))
  return says === false ? others.length === 0 : others.every(([, inner]) => accepts(schemaOf(says), inner))
}

function typeOf(value: unknown): string {
  if (value === null) return 'null'
  if (Array.isArray(value)) return 'array'
  if (typeof value === 'number') return Number.isInteger(value) ? 'integer' : 'number'
  return typeof value
}

function schemaOf(value: unknown): Schema {
  if (!isSchema(value)) throw new Error('not a schema')
  return value
}

function listOf(value: unknown): unknown[] {
  if (!Array.isArray(value)) throw new Error('not a list')
  return value
}

function schemasOf(value: unknown): Schema[] {
  return listOf(value).map(schemaOf)
}

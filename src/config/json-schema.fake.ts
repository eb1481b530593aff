/** Checks values against the part of JSON Schema 2020-12 that our schema uses; throws at any other keyword. */
export type Schema = Readonly<Record<string, unknown>>

export function isSchema(value: unknown): value is Schema {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

const ANNOTATIONS = new Set(['$schema', '$defs', 'title', 'description', 'default'])

/** True when the value is valid; `root` has the `$defs` that a `$ref` names. */
export function accepts(schema: Schema, value: unknown, root: Schema = schema): boolean {
  return Object.entries(schema).every(([keyword, says]) => ANNOTATIONS.has(keyword) || holds(keyword, says, schema, value, root))
}

function holds(keyword: string, says: unknown, schema: Schema, value: unknown, root: Schema): boolean {
  switch (keyword) {
    case 'type':
      return typeOf(value) === says || (says === 'number' && typeOf(value) === 'integer')
    case 'const':
      return value === says
    case 'enum':
      return listOf(says).includes(value)
    case 'anyOf':
      return schemasOf(says).some((each) => accepts(each, value, root))
    case 'oneOf':
      return schemasOf(says).filter((each) => accepts(each, value, root)).length === 1
    case '$ref':
      return accepts(definition(says, root), value, root)
    case 'maxLength':
      return typeof value !== 'string' || value.length <= Number(says)
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
    case 'maxItems':
      return !Array.isArray(value) || value.length <= Number(says)
    case 'items':
      return !Array.isArray(value) || value.every((each) => accepts(schemaOf(says), each, root))
    case 'required':
      return !isSchema(value) || listOf(says).every((key) => Object.hasOwn(value, String(key)))
    case 'properties':
      return (
        !isSchema(value) ||
        Object.entries(schemaOf(says)).every(([key, inner]) => !Object.hasOwn(value, key) || accepts(schemaOf(inner), value[key], root))
      )
    case 'propertyNames':
      return !isSchema(value) || Object.keys(value).every((key) => accepts(schemaOf(says), key, root))
    case 'additionalProperties':
      return !isSchema(value) || othersHold(says, schema, value, root)
    default:
      throw new Error(`the keyword ${keyword} is not checked here`)
  }
}

function othersHold(says: unknown, schema: Schema, value: Schema, root: Schema): boolean {
  const known = isSchema(schema['properties']) ? schema['properties'] : {}
  const others = Object.entries(value).filter(([key]) => !Object.hasOwn(known, key))
  return says === false ? others.length === 0 : others.every(([, inner]) => accepts(schemaOf(says), inner, root))
}

function definition(reference: unknown, root: Schema): Schema {
  const [, name = ''] = /^#\/\$defs\/(\w+)$/.exec(String(reference)) ?? []
  return schemaOf(schemaOf(root['$defs'])[name])
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

/** Which keys the schema has at a place of the configuration, so that a misspelt one can be told from the right one. */
import { z } from 'zod'

/** The keys at a path; of several alternatives those that what was read can be. Empty where any key may stand. */
export function keysAt(schema: z.core.$ZodType, value: unknown, path: readonly PropertyKey[]): string[] {
  const [key, ...rest] = path
  return objectsOf(schema, value).flatMap((each) => {
    if (key === undefined) return each instanceof z.ZodObject ? Object.keys(each.shape) : []
    const below = belowOf(each, String(key))
    return below === undefined ? [] : keysAt(below, inner(value, key), rest)
  })
}

/** What is left of a schema without its defaults, transformations and the alternatives that are not meant. */
function objectsOf(schema: z.core.$ZodType, value: unknown): z.core.$ZodType[] {
  if (schema instanceof z.ZodOptional || schema instanceof z.ZodDefault || schema instanceof z.ZodPrefault)
    return objectsOf(schema.def.innerType, value)
  if (schema instanceof z.ZodPipe) return objectsOf(schema.def.in, value)
  if (schema instanceof z.ZodUnion)
    return schema.def.options.flatMap((option) => objectsOf(option, value)).filter((one) => fits(one, value))
  return [schema]
}

/** False for an alternative that another word marks, such as another kind, and for a list where a group of keys stands. */
function fits(schema: z.core.$ZodType, value: unknown): boolean {
  if (schema instanceof z.ZodArray) return Array.isArray(value)
  if (!(schema instanceof z.ZodObject)) return true
  if (Array.isArray(value)) return false
  return Object.entries(schema.shape).every(([key, member]) => {
    const said = inner(value, key)
    return !(member instanceof z.ZodLiteral) || said === undefined || member.def.values.includes(said as never)
  })
}

function belowOf(schema: z.core.$ZodType, key: string): z.core.$ZodType | undefined {
  if (schema instanceof z.ZodObject) return Object.hasOwn(schema.shape, key) ? schema.shape[key] : undefined
  if (schema instanceof z.ZodRecord) return schema.def.valueType
  return schema instanceof z.ZodArray ? schema.def.element : undefined
}

function inner(value: unknown, key: PropertyKey): unknown {
  return typeof value === 'object' && value !== null ? Object.getOwnPropertyDescriptor(value, key)?.value : undefined
}

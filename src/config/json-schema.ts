/** The configuration's schema as JSON Schema 2020-12, so that editors complete and check `mandate.yaml`. */
import { z } from 'zod'
import { configSchema } from './schema.ts'

/** What may be written in the file, before defaults and transformations. */
export function jsonSchema(): Record<string, unknown> {
  return { title: 'mandate.yaml', ...z.toJSONSchema(configSchema, { io: 'input', unrepresentable: 'any' }) }
}

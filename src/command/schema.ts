/** `mandate schema`: the JSON Schema of the configuration. */
import { jsonSchema } from '../config/json-schema.ts'

export function schema(): void {
  process.stdout.write(`${JSON.stringify(jsonSchema(), undefined, 2)}\n`)
}

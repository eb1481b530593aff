import type { Json } from './object.ts'
import type { Cause } from './status-error.ts'

/* The causes of a 422 in the wording of apimachinery's `field.Error`. */

/** A value that cannot be. */
export function wrong(field: string, value: Json, why: string): Cause {
  return { reason: 'FieldValueInvalid', message: `Invalid value: ${JSON.stringify(value)}: ${why}`, field }
}

/** A value that must be there. */
export function required(field: string, why = ''): Cause {
  return { reason: 'FieldValueRequired', message: why === '' ? 'Required value' : `Required value: ${why}`, field }
}

/** A value that may not be there, or not change. */
export function fixed(field: string, why: string): Cause {
  return { reason: 'FieldValueForbidden', message: `Forbidden: ${why}`, field }
}

/** A value that is not one of those there are. */
export function unsupported(field: string, value: Json, supported: readonly string[]): Cause {
  const list = supported.map((choice) => JSON.stringify(choice)).join(', ')
  return { reason: 'FieldValueNotSupported', message: `Unsupported value: ${JSON.stringify(value)}: supported values: ${list}`, field }
}

import { asObject, clone, type Json, type JsonObject } from './object.ts'

/** Applies an RFC 7386 merge patch: objects merge, null removes, everything else replaces. Returns a new value. */
export function mergePatch(target: Json | undefined, patch: Json): Json {
  const changes = asObject(patch)
  if (changes === undefined) return clone(patch)
  const result: JsonObject = { ...(asObject(target) ?? {}) }
  for (const [key, value] of Object.entries(changes)) {
    if (value === null) delete result[key]
    else result[key] = mergePatch(result[key], value)
  }
  return result
}

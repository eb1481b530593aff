import { asArray, asObject, asText, clone, type Json, type JsonObject, same } from './object.ts'
import { badRequest, unprocessable } from './status-error.ts'

/** The most operations one patch may have, as in the API server. */
const operationLimit = 10_000

/** RFC 6901: a pointer's unescaped tokens. */
function tokensOf(pointer: string): string[] {
  if (pointer === '') return []
  if (!pointer.startsWith('/')) throw unprocessable()
  return pointer
    .slice(1)
    .split('/')
    .map((token) => token.replaceAll('~1', '/').replaceAll('~0', '~'))
}

function indexOf(list: readonly Json[], token: string, mayAppend: boolean): number {
  const index = token === '-' && mayAppend ? list.length : Number(token)
  const limit = mayAppend ? list.length : list.length - 1
  if (!/^(-|0|[1-9]\d*)$/.test(token) || !Number.isInteger(index) || index > limit) throw unprocessable()
  return index
}

function read(document: Json, pointer: string): Json {
  let current: Json | undefined = document
  for (const token of tokensOf(pointer)) {
    if (Array.isArray(current)) current = current[indexOf(current, token, false)]
    else if (asObject(current) !== undefined && Object.hasOwn(asObject(current) ?? {}, token)) {
      current = asObject(current)?.[token]
    } else throw unprocessable()
  }
  if (current === undefined) throw unprocessable()
  return current
}

/** The container of the pointer's last token, and that token. */
function target(document: Json, pointer: string): { parent: Json; token: string } {
  const cut = pointer.lastIndexOf('/')
  if (cut < 0) throw unprocessable() // The whole document cannot be replaced: its kind is fixed.
  return { parent: read(document, pointer.slice(0, cut)), token: tokensOf(pointer.slice(cut))[0] ?? '' }
}

function add(document: Json, pointer: string, value: Json): void {
  const { parent, token } = target(document, pointer)
  if (Array.isArray(parent)) parent.splice(indexOf(parent, token, true), 0, value)
  else setKey(parent, token, value)
}

function remove(document: Json, pointer: string): void {
  read(document, pointer) // Absent is a fault, not a no-op.
  const { parent, token } = target(document, pointer)
  if (Array.isArray(parent)) parent.splice(indexOf(parent, token, false), 1)
  else delete (parent as JsonObject)[token]
}

function setKey(parent: Json, token: string, value: Json): void {
  const fields = asObject(parent)
  if (fields === undefined || token === '__proto__') throw unprocessable()
  fields[token] = value
}

/**
 * Applies an RFC 6902 patch to a copy.
 * Throws 400 when it is not a list of operations, 422 when one does not fit the document (a failed `test`, too).
 */
export function jsonPatch(document: Json, patch: Json): Json {
  if (!Array.isArray(patch))
    throw badRequest('error decoding patch: json: cannot unmarshal object into Go value of type []handlers.jsonPatchOp')
  if (patch.length > operationLimit) throw unprocessable()
  const result = clone(document)
  for (const operation of asArray(patch)) {
    const fields = asObject(operation) ?? {}
    const path = asText(fields.path)
    const value = fields.value === undefined ? undefined : clone(fields.value)
    switch (asText(fields.op)) {
      case 'add':
        add(result, path, value ?? null)
        break
      case 'remove':
        remove(result, path)
        break
      case 'replace':
        replace(result, path, value ?? null)
        break
      case 'move': {
        const moved = read(result, asText(fields.from))
        remove(result, asText(fields.from))
        add(result, path, moved)
        break
      }
      case 'copy':
        add(result, path, clone(read(result, asText(fields.from))))
        break
      case 'test':
        if (!same(read(result, path), value ?? null)) throw unprocessable()
        break
      default:
        throw unprocessable()
    }
  }
  return result
}

/** RFC 6902 wants the target to exist; the API server's library only insists in lists, and clients rely on it. */
function replace(document: Json, pointer: string, value: Json): void {
  const { parent, token } = target(document, pointer)
  if (Array.isArray(parent)) parent[indexOf(parent, token, false)] = value
  else setKey(parent, token, value)
}

import type { Json, JsonObject } from './object.ts'
import { protobufMessages } from './protobuf-messages.ts'
import { badRequest, unsupportedMediaType } from './status-error.ts'

/*
 * Reads `application/vnd.kubernetes.protobuf`, which `kubectl create` and `kubectl auth` send and do not take back.
 * A field this server does not know is refused: dropping it would store something else than was asked for.
 */

type Field = { name: string; type: string; list: boolean; map: boolean; keepsZero: boolean }
type Wire = { number: number; value: bigint | Buffer }

const messages = new Map(
  Object.entries(protobufMessages).map(([message, text]) => [message, new Map(text.split(' ').map(fieldOf))] as const),
)

function fieldOf(text: string): [number, Field] {
  const [number = '', name = '', type = ''] = text.split(':')
  const list = type.startsWith('[]')
  const map = type.startsWith('{}')
  const keepsZero = type.endsWith('?')
  const bare = type.slice(list || map ? 2 : 0, keepsZero ? -1 : undefined)
  return [Number(number), { name, type: bare, list, map, keepsZero }]
}

function* wireFields(bytes: Buffer): Generator<Wire> {
  let offset = 0
  const varint = (): bigint => {
    let value = 0n
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const byte = bytes[offset]
      offset += 1
      if (byte === undefined) break
      value |= BigInt(byte & 0x7f) << shift
      if (byte < 0x80) return BigInt.asIntN(64, value)
    }
    throw badRequest('proto: unexpected EOF')
  }
  while (offset < bytes.length) {
    const tag = Number(varint())
    const number = tag >>> 3
    if ((tag & 7) === 0) yield { number, value: varint() }
    else if ((tag & 7) === 2) {
      const length = Number(varint())
      if (length < 0 || offset + length > bytes.length) throw badRequest('proto: unexpected EOF')
      yield { number, value: bytes.subarray(offset, offset + length) }
      offset += length
    } else throw badRequest(`proto: wiretype ${tag & 7} is not read by this server`)
  }
}

function bytesOf(value: bigint | Buffer): Buffer {
  if (typeof value === 'bigint') throw badRequest('proto: wrong wireType')
  return value
}

/** Seconds and nanoseconds as metav1.Time, or with microseconds. The zero time is absent. */
function timeOf(bytes: Buffer, digits: number): Json | undefined {
  let milliseconds = 0
  let microseconds = 0
  for (const { number, value } of wireFields(bytes)) {
    if (number === 1) milliseconds = Number(value) * 1000
    if (number === 2) microseconds = Math.floor(Number(value) / 1000)
  }
  // Go's zero time lies in the year 1, and an unset one is encoded as nothing.
  if (milliseconds <= 0) return undefined
  const text = new Date(milliseconds).toISOString().slice(0, 19)
  return digits === 0 ? `${text}Z` : `${text}.${String(microseconds).padStart(6, '0')}Z`
}

function intOrString(bytes: Buffer): Json {
  let type = 0
  let number = 0
  let text = ''
  for (const field of wireFields(bytes)) {
    if (field.number === 1) type = Number(field.value)
    if (field.number === 2) number = Number(field.value)
    if (field.number === 3) text = bytesOf(field.value).toString('utf8')
  }
  return type === 1 ? text : number
}

function scalar(type: string, value: bigint | Buffer): Json | undefined {
  switch (type) {
    case 'string':
      return bytesOf(value).toString('utf8')
    case 'bytes':
      return bytesOf(value).toString('base64')
    case 'bool':
      return value === 1n
    case 'int':
      return Number(value)
    case 'Time':
      return timeOf(bytesOf(value), 0)
    case 'MicroTime':
      return timeOf(bytesOf(value), 6)
    case 'IntOrString':
      return intOrString(bytesOf(value))
    case 'Quantity': {
      const [first] = wireFields(bytesOf(value))
      return first === undefined ? undefined : bytesOf(first.value).toString('utf8')
    }
    case 'ExtraValue':
      return [...wireFields(bytesOf(value))].map((field) => bytesOf(field.value).toString('utf8'))
    default:
      return message(type, bytesOf(value))
  }
}

function isZero(value: Json): boolean {
  if (typeof value === 'object' && value !== null) return Object.keys(value).length === 0
  return value === '' || value === 0 || value === false
}

function message(type: string, bytes: Buffer): JsonObject {
  const fields = messages.get(type)
  if (fields === undefined) throw badRequest(`proto: message ${type} is not read by this server`)
  const result: JsonObject = {}
  for (const { number, value } of wireFields(bytes)) {
    const field = fields.get(number)
    if (field === undefined) throw badRequest(`proto: field ${number} of ${type} is not read by this server`)
    if (field.type === '-') continue
    if (field.map) {
      const entry = new Map([...wireFields(bytesOf(value))].map((part) => [part.number, part.value]))
      const key = bytesOf(entry.get(1) ?? Buffer.alloc(0)).toString('utf8')
      const read = scalar(field.type, entry.get(2) ?? Buffer.alloc(0))
      const known = result[field.name]
      if (key !== '__proto__' && read !== undefined) result[field.name] = { ...(known as JsonObject | undefined), [key]: read }
      continue
    }
    const read = scalar(field.type, value)
    if (read === undefined) continue
    if (field.list) result[field.name] = [...((result[field.name] as Json[] | undefined) ?? []), read]
    else if (field.name === '*') Object.assign(result, read)
    else if (field.keepsZero || !isZero(read)) result[field.name] = read
  }
  return result
}

const magic = Buffer.from('k8s\0', 'latin1')

/**
 * Decodes a body: the four magic bytes, and a runtime.Unknown with type and content.
 * Throws 400 for what is malformed, 415 for a kind that is only read as JSON or YAML.
 */
export function decodeProtobuf(body: Buffer): JsonObject {
  if (!body.subarray(0, 4).equals(magic)) {
    throw badRequest('provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]')
  }
  const parts = new Map([...wireFields(body.subarray(4))].map((field) => [field.number, field.value]))
  const types = new Map([...wireFields(bytesOf(parts.get(1) ?? Buffer.alloc(0)))].map((field) => [field.number, field.value]))
  const text = (number: number): string => bytesOf(types.get(number) ?? Buffer.alloc(0)).toString('utf8')
  const kind = text(2)
  if (!messages.has(kind)) throw unsupportedMediaType(['application/json', 'application/yaml'])
  return { apiVersion: text(1), kind, ...message(kind, bytesOf(parts.get(2) ?? Buffer.alloc(0))) }
}

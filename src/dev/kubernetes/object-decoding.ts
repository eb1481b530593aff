import type { Encoding } from './media-type.ts'
import { asObject, asText, type Json, type JsonObject, type KubernetesObject, nameOf, namespaceOf } from './object.ts'
import { decode } from './request-body.ts'
import { apiVersionOf, findKind, type ResourceType } from './resource-table.ts'
import { badRequest, StatusError } from './status-error.ts'

/** The start of a body as the API server quotes it in a refusal: as text when it might be JSON, else in hexadecimal. */
function summary(body: Buffer): string {
  if (body.length === 0) return '<empty>'
  const text = body[0] === 0x7b ? body.toString('utf8') : body.toString('hex')
  return text.length > 30 ? `${text.slice(0, 30)} ...` : text
}

/**
 * Checks that a value is an object of the kind its URL is for; absent apiVersion and kind are those of the URL.
 * Throws 400 for anything else.
 */
export function objectOf(type: ResourceType, value: Json, body: Buffer): KubernetesObject {
  const fields = asObject(value)
  const expected = apiVersionOf(type)
  if (fields === undefined) {
    const found = Array.isArray(value) ? 'array' : typeof value
    throw badRequest(
      `the object provided is unrecognized (must be of type ${type.kind}): couldn't get version/kind; json parse error: json: cannot unmarshal ${found} into Go value of type struct { APIVersion string "json:\\"apiVersion,omitempty\\""; Kind string "json:\\"kind,omitempty\\"" } (${summary(body)})`,
    )
  }
  const apiVersion = asText(fields.apiVersion) || expected
  const kind = asText(fields.kind) || type.kind
  if (apiVersion !== expected || kind !== type.kind) {
    const version = JSON.stringify(apiVersion.split('/').at(-1))
    const why =
      findKind(apiVersion, kind) === undefined
        ? `no kind ${JSON.stringify(kind)} is registered for version ${JSON.stringify(apiVersion)} in scheme`
        : `converting (${kind}) to (${type.kind}): unknown conversion`
    throw badRequest(`${kind} in version ${version} cannot be handled as a ${type.kind}: ${why}`)
  }
  const metadata: JsonObject = { ...(asObject(fields.metadata) ?? {}) }
  return { ...fields, apiVersion, kind, metadata }
}

/** Throws 400 unless an object is the one its URL names. */
export function assertNamed(type: ResourceType, object: KubernetesObject, namespace: string, name: string): void {
  const sent = nameOf(object)
  if (sent === '') throw badRequest(`the name of the object (${name} based on URL) was undeterminable: name must be provided`)
  const place = namespaceOf(object)
  if (type.namespaced && place !== '' && place !== namespace) {
    throw badRequest('the namespace of the provided object does not match the namespace sent on the request')
  }
  if (sent !== name) throw badRequest(`the name of the object (${sent}) does not match the name on the URL (${name})`)
}

/** Decodes a body into an object of a kind. Throws 400. */
export function decodeObject(type: ResourceType, body: Buffer, encoding: Encoding): KubernetesObject {
  let value: Json
  try {
    value = decode(body, encoding)
  } catch (error) {
    if (error instanceof StatusError) throw error
    const why = error instanceof Error ? error.message : ''
    throw badRequest(
      `the object provided is unrecognized (must be of type ${type.kind}): couldn't get version/kind; json parse error: ${why} (${summary(body)})`,
    )
  }
  return objectOf(type, value, body)
}

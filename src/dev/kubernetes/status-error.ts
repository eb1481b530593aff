import type { JsonObject } from './object.ts'

/** Which resource a refusal speaks of; printed `pods` or `deployments.apps`. */
export type GroupResource = { group: string; resource: string }

/** One entry of `details.causes`. */
export type Cause = { reason: string; message: string; field: string }

/**
 * A refusal in the API's own form (meta/v1 Status). The constructors below have the wording and codes of
 * apimachinery's `pkg/api/errors`, because clients (kubectl, client-go, operators) match on both.
 */
export class StatusError extends Error {
  readonly code: number
  readonly reason: string
  readonly details: JsonObject | undefined

  constructor(code: number, reason: string, message: string, details?: JsonObject) {
    super(message)
    this.name = 'StatusError'
    this.code = code
    this.reason = reason
    this.details = details
  }

  /** The Status object that goes on the wire. */
  toStatus(): JsonObject {
    const status: JsonObject = {
      kind: 'Status',
      apiVersion: 'v1',
      metadata: {},
      status: 'Failure',
      message: this.message,
    }
    // Reason "Unknown" is the empty string in Go and omitted.
    if (this.reason !== '') status.reason = this.reason
    if (this.details !== undefined) status.details = this.details
    status.code = this.code
    return status
  }
}

/** `deployments.apps`, or `pods` for the core group. */
export function qualified(target: GroupResource): string {
  return target.group === '' ? target.resource : `${target.resource}.${target.group}`
}

/** Quotes as Go's %q does for the text that names are made of. */
export function quoted(text: string): string {
  return JSON.stringify(text)
}

function detailsOf(target: GroupResource, name: string): JsonObject {
  const details: JsonObject = {}
  if (name !== '') details.name = name
  if (target.group !== '') details.group = target.group
  if (target.resource !== '') details.kind = target.resource
  return details
}

/** 401: a bearer that nobody knows. */
export function unauthorized(): StatusError {
  return new StatusError(401, 'Unauthorized', 'Unauthorized')
}

/** 403; an empty name speaks of the resource as a whole. */
export function forbidden(target: GroupResource, name: string, why: string): StatusError {
  const subject =
    target.group === '' && target.resource === ''
      ? 'forbidden'
      : name === ''
        ? `${qualified(target)} is forbidden`
        : `${qualified(target)} ${quoted(name)} is forbidden`
  return new StatusError(403, 'Forbidden', `${subject}: ${why}`, detailsOf(target, name))
}

/** 404 of one object. */
export function notFound(target: GroupResource, name: string): StatusError {
  return new StatusError(404, 'NotFound', `${qualified(target)} ${quoted(name)} not found`, detailsOf(target, name))
}

/** 409: the name is taken. */
export function alreadyExists(target: GroupResource, name: string): StatusError {
  const message = `${qualified(target)} ${quoted(name)} already exists`
  return new StatusError(409, 'AlreadyExists', message, detailsOf(target, name))
}

/** 409: the object is not as the request takes it to be. */
export function conflict(target: GroupResource, name: string, why: string): StatusError {
  const message = `Operation cannot be fulfilled on ${qualified(target)} ${quoted(name)}: ${why}`
  return new StatusError(409, 'Conflict', message, detailsOf(target, name))
}

/** What an update with a stale resourceVersion is told. */
export function optimisticLock(target: GroupResource, name: string): StatusError {
  return conflict(target, name, 'the object has been modified; please apply your changes to the latest version and try again')
}

/** 400. */
export function badRequest(message: string): StatusError {
  return new StatusError(400, 'BadRequest', message)
}

/** 422. `kind` is the object's kind here, not its resource. */
export function invalid(group: string, kind: string, name: string, causes: Cause[]): StatusError {
  const texts = causes.map((cause) => (cause.field === '' ? cause.message : `${cause.field}: ${cause.message}`))
  const list = texts.length === 1 ? texts[0] : `[${texts.join(', ')}]`
  // Always with the group's dot, also where the server itself leaves the kind empty.
  const subject = group === '' ? kind : `${kind}.${group}`
  const message = `${subject} ${quoted(name)} is invalid: ${list}`
  const details = detailsOf({ group, resource: kind }, name)
  if (causes.length > 0) details.causes = causes.map((cause) => ({ ...cause }))
  return new StatusError(422, 'Invalid', message, details)
}

/** 422 as the server answers a patch that cannot be applied to the object it found. */
export function unprocessable(): StatusError {
  const message = 'the server rejected our request due to an error in our request'
  return new StatusError(422, 'Invalid', message, {})
}

/** 405. */
export function methodNotAllowed(): StatusError {
  const message = 'the server does not allow this method on the requested resource'
  return new StatusError(405, 'MethodNotAllowed', message, {})
}

/** 410: what is asked about lies before what is remembered. */
export function expired(message: string): StatusError {
  return new StatusError(410, 'Expired', message)
}

/** 413, with the limit in bytes. */
export function tooLarge(limit: number): StatusError {
  return new StatusError(413, 'RequestEntityTooLarge', `Request entity too large: limit is ${limit}`)
}

/** A path below a known group that leads nowhere; other unknown paths are answered in plain text. */
export function noSuchResource(): StatusError {
  return new StatusError(404, 'NotFound', 'the server could not find the requested resource', {})
}

/** 406 as discovery words it. */
export function notAcceptable(accepted: readonly string[]): StatusError {
  const message = `only the following media types are accepted: ${accepted.join(', ')}`
  return new StatusError(406, 'NotAcceptable', message)
}

/** 406 as resources word it, which are routed by another library. */
export function notRepresentable(accepted: readonly string[]): StatusError {
  const message = `406: Not Acceptable\n\nAvailable representations: ${accepted.join(', ')}`
  return new StatusError(406, 'NotAcceptable', message, {})
}

/** 415 of a patch: routed as above, so it does not say which types there are. */
export function unsupportedPatchType(): StatusError {
  return new StatusError(415, 'UnsupportedMediaType', '415: Unsupported Media Type', {})
}

/** 415 of a body. */
export function unsupportedMediaType(accepted: readonly string[]): StatusError {
  const message = `the body of the request was in an unknown format - accepted media types include: ${accepted.join(', ')}`
  return new StatusError(415, 'UnsupportedMediaType', message)
}

import type { IncomingMessage, ServerResponse } from 'node:http'
import type { RequestInfo } from '../../kubernetes/request-info.ts'
import { isReview, review } from './access-reviews.ts'
import { createByUpdate, createObject } from './create-object.ts'
import { deletedStatus, deleteObject, deleteOptions, orphanWarning } from './delete-object.ts'
import { listObjects } from './list-objects.ts'
import { negotiateInput, negotiateOutput, type OutputForm } from './media-type.ts'
import type { Json, JsonObject, KubernetesObject } from './object.ts'
import { assertNamed, decodeObject } from './object-decoding.ts'
import { includeObject, listOutput, objectOutput } from './object-output.ts'
import type { ObjectStore } from './object-store.ts'
import { patchObject, patchTypeOf } from './patch-object.ts'
import { type PodLogs, streamLog } from './pod-logs.ts'
import { connectingSubresources, servePodStream } from './pod-streams.ts'
import { type RbacAuthorizer, refusal } from './rbac-authorizer.ts'
import { refuseEscalation } from './rbac-escalation.ts'
import { decode, readBody } from './request-body.ts'
import { findResource, type ResourceType, tokenRequestType } from './resource-table.ts'
import { badRequest, methodNotAllowed, noSuchResource, notFound, StatusError } from './status-error.ts'
import type { AccountTokens } from './token-requests.ts'
import { withoutUnknownFields } from './unknown-fields.ts'
import { updateObject } from './update-object.ts'
import type { Connect } from './upgrades.ts'
import type { UserInfo } from './user-info.ts'
import { streamWatch } from './watch-stream.ts'
import { writeOptions } from './write-options.ts'

/** The parts of the stand-in a resource request works on. */
export type Cluster = { store: ObjectStore; authorizer: RbacAuthorizer; tokens: AccountTokens; logs: PodLogs; closing: AbortSignal }

/** A request that has been authenticated and authorized. */
export type ResourceRequest = {
  request: IncomingMessage
  response: ServerResponse
  info: RequestInfo
  query: URLSearchParams
  user: UserInfo
  /** Takes the connection over; undefined when the request is no WebSocket handshake. */
  connect: Connect | undefined
  /** To be called when an answer that goes on for long has begun. */
  started(): void
}

/** An answer to write; undefined when the request wrote its own (a stream). */
export type Answer = { code: number; body: JsonObject; form: OutputForm } | undefined

/** The resource and subresource a request names; undefined when there is none. */
function typeOf(info: RequestInfo): ResourceType | undefined {
  const type = findResource(info.apiGroup, info.apiVersion, info.resource)
  if (type === undefined || info.parts.length > 3) return undefined
  if (info.subresource !== '' && !type.subresources.includes(info.subresource)) return undefined
  if (!type.namespaced && info.namespace !== '' && type.resource !== 'namespaces') return undefined
  const onCollection = info.parts.length === 1
  if (type.namespaced && info.namespace === '' && !onCollection) return undefined
  return type
}

function assertMethod(type: ResourceType, info: RequestInfo, method: string): void {
  const { subresource } = info
  const onCollection = info.parts.length === 1
  const verbs = subresource === '' ? type.verbs : (verbsBelow[subresource] ?? ['get', 'patch', 'update'])
  // HEAD is authorized as a get, and then there is no route for it.
  if (method === 'HEAD' || !verbs.includes(info.verb)) throw methodNotAllowed()
  const isWrite = method !== 'GET'
  if (onCollection && isWrite && type.namespaced && info.namespace === '') throw methodNotAllowed()
  if (onCollection !== ['create', 'deletecollection', 'list', 'watch'].includes(info.verb) && subresource !== 'token') {
    throw methodNotAllowed()
  }
}

const verbsBelow: Readonly<Record<string, readonly string[]>> = { log: ['get'], finalize: ['update'], token: ['create'] }

/**
 * Carries out a request for a resource of a group this server has. Throws StatusError for every refusal.
 */
export async function serveResource(cluster: Cluster, call: ResourceRequest): Promise<Answer> {
  const { request, response, info, query } = call
  const type = typeOf(info)
  if (type === undefined) throw noSuchResource()
  if (connectingSubresources.includes(info.subresource)) {
    await servePodStream(cluster, call, () => existing(cluster.store, type, info))
    return undefined
  }
  assertMethod(type, info, request.method ?? '')
  if (info.subresource === 'log') {
    const { store, logs, closing } = cluster
    await streamLog(logs, existing(store, type, info), query, response, closing)
    return undefined
  }
  const form = negotiateOutput(request.headers.accept, info.verb === 'watch')
  if (info.verb === 'watch') {
    const { store, closing } = cluster
    await streamWatch({ store, type, namespace: info.namespace, query, form }, response, closing)
    return undefined
  }
  if (info.verb === 'list') {
    const include = includeObject(query)
    const { objects, metadata } = listObjects(cluster.store, type, info.namespace, query)
    return { code: 200, body: listOutput(type, objects, metadata, form, include), form }
  }
  const { code, object } = await onObject(cluster, call, type)
  const isStatus = object.kind === 'Status' || object.kind.endsWith('List')
  return { code, body: isStatus ? object : objectOutput(type, object, form, includeObject(query)), form }
}

function existing(store: ObjectStore, type: ResourceType, info: RequestInfo): KubernetesObject {
  const namespace = type.namespaced ? info.namespace : ''
  const object = store.get(type, namespace, info.name)
  if (object === undefined) throw notFound(type, info.name)
  return object
}

async function onObject(cluster: Cluster, call: ResourceRequest, type: ResourceType): Promise<{ code: number; object: KubernetesObject }> {
  const { store, authorizer } = cluster
  const { request, info, query, user } = call
  const agent = request.headers['user-agent'] ?? ''
  const namespace = type.namespaced ? info.namespace : ''
  const check = (object: KubernetesObject): void => refuseEscalation(authorizer, user, type, object)
  switch (info.verb) {
    case 'get':
      return { code: 200, object: existing(store, type, info) }
    case 'create': {
      const encoding = negotiateInput(request.headers['content-type'])
      const isToken = info.subresource === 'token'
      const sent = decodeObject(isToken ? tokenRequestType : type, await readBody(request), encoding)
      const options = writeOptions(query, agent, 'CreateOptions')
      warn(call.response, withoutUnknownFields(sent, options.validation))
      if (isToken) return { code: 201, object: cluster.tokens.issue(namespace, info.name, sent) }
      if (isReview(type.kind)) return { code: 201, object: review(authorizer, user, sent) }
      return { code: 201, object: createObject(store, type, namespace, sent, options, check) }
    }
    case 'update': {
      const encoding = negotiateInput(request.headers['content-type'])
      const sent = decodeObject(type, await readBody(request), encoding)
      const options = writeOptions(query, agent, 'UpdateOptions')
      warn(call.response, withoutUnknownFields(sent, options.validation))
      assertNamed(type, sent, namespace, info.name)
      // Of the kinds here a lease alone is made by an update, when there is none and no other is meant.
      if (type.resource === 'leases' && store.get(type, namespace, info.name) === undefined) {
        return { code: 201, object: createByUpdate(store, type, namespace, sent, options, check) }
      }
      const current = existing(store, type, info)
      const { manager, dryRun } = options
      const update = { manager, dryRun, subresource: info.subresource, recordsFields: true, check }
      return { code: 200, object: updateObject(store, type, current, sent, update) }
    }
    case 'patch': {
      const patchType = patchTypeOf(request.headers['content-type'])
      const body = await readBody(request)
      const options = writeOptions(query, agent, 'PatchOptions')
      const checkCreate = (): void => {
        const wanted = { ...info, verb: 'create' }
        if (!authorizer.authorize(user, wanted).allowed) throw refusal(user, wanted)
      }
      const target = { type, namespace, name: info.name, subresource: info.subresource, check, checkCreate }
      const { object, created } = patchObject(store, target, patchType, body, options)
      return { code: created ? 201 : 200, object }
    }
    case 'delete': {
      const options = deleteOptions(query, await deleteBody(request), type)
      if (options.isJobByDefault) warn(call.response, [orphanWarning])
      const { object, gone } = deleteObject(store, type, existing(store, type, info), options)
      return { code: 200, object: gone && type.resource !== 'pods' ? (deletedStatus(type, object) as KubernetesObject) : object }
    }
    default: {
      const options = deleteOptions(query, await deleteBody(request), type)
      const { objects, metadata } = listObjects(store, type, namespace, query)
      for (const object of objects) deleteObject(store, type, object, options)
      const list = listOutput(type, objects, metadata, negotiateOutput(undefined), 'None')
      return { code: 200, object: list as KubernetesObject }
    }
  }
}

/** Says in the answer what was not done as sent (RFC 7234 warn-code 299, as the API server uses it). */
function warn(response: ServerResponse, warnings: readonly string[]): void {
  // A header holds no control or non-Latin characters, and these texts repeat what the client sent.
  const plain = warnings.map((warning) => JSON.stringify(warning).replace(/[^\x20-\x7e]/g, '?'))
  if (plain.length > 0)
    response.setHeader(
      'Warning',
      plain.map((warning) => `299 - ${warning}`),
    )
}

async function deleteBody(request: IncomingMessage): Promise<Json | undefined> {
  const body = await readBody(request)
  if (body.length === 0) return undefined
  const encoding = negotiateInput(request.headers['content-type'])
  try {
    return decode(body, encoding)
  } catch (error) {
    if (error instanceof StatusError) throw error
    throw badRequest(`couldn't get version/kind; json parse error: ${error instanceof Error ? error.message : ''}`)
  }
}

/**
 * The way of one request, in the API server's order, which is what makes it safe: audit id, request info,
 * authentication, impersonation, authorization, and only then anything that reads or writes. Nothing before
 * authorization looks at stored objects other than roles and bindings.
 */
import { randomUUID } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { stringify } from 'yaml'
import { isTrue, parseRequestInfo, type RequestInfo } from '../../kubernetes/request-info.ts'
import { type AuditEntry, type AuditTrail, referenceOf } from './audit-trail.ts'
import { type Authenticate, authenticateRequest } from './authentication.ts'
import { discoveryDocument, hasGroup, versionDocument } from './discovery.ts'
import { impersonate, impersonationHeaders } from './impersonation.ts'
import { negotiateOutput, type OutputForm, yamlType } from './media-type.ts'
import type { JsonObject } from './object.ts'
import { openapiDocument, openapiIndex } from './openapi.ts'
import { connectingSubresources } from './pod-streams.ts'
import { refusal } from './rbac-authorizer.ts'
import { type Cluster, serveResource } from './serve-resource.ts'
import { methodNotAllowed, StatusError } from './status-error.ts'
import type { Connect } from './upgrades.ts'
import type { UserInfo } from './user-info.ts'

/** All a request may touch. */
export type Gate = Cluster & { authenticate: Authenticate; trail: AuditTrail }

const plainJson: OutputForm = { yaml: false, as: '', version: 'v1', stream: false }

function write(response: ServerResponse, code: number, body: JsonObject, form: OutputForm, contentType?: string): void {
  const text = form.yaml ? stringify(body) : `${JSON.stringify(body)}\n`
  response.writeHead(code, {
    'Content-Type': contentType ?? (form.yaml ? yamlType : 'application/json'),
    'Content-Length': Buffer.byteLength(text),
  })
  response.end(text)
}

function writeText(response: ServerResponse, code: number, text: string): void {
  response.writeHead(code, {
    'Content-Type': 'text/plain; charset=utf-8',
    'X-Content-Type-Options': 'nosniff',
    'Content-Length': Buffer.byteLength(text),
  })
  response.end(text)
}

function writeError(response: ServerResponse, error: unknown): void {
  if (response.headersSent) {
    response.destroy() // A broken stream must not look like one that ended.
    return
  }
  const status = error instanceof StatusError ? error : new StatusError(500, 'InternalError', 'Internal error occurred')
  response.setHeader('X-Content-Type-Options', 'nosniff')
  // The rest of a body that was not read would be taken for the next request.
  if (status.code === 413) response.setHeader('Connection', 'close')
  write(response, status.code, status.toStatus(), plainJson)
}

/**
 * Answers one request; never rejects. Its audit entries are in the trail when the answer is complete. A WebSocket
 * handshake comes with `connect`, and is complete when its connection is closed.
 */
export async function serveRequest(gate: Gate, request: IncomingMessage, response: ServerResponse, connect?: Connect): Promise<void> {
  const received = new Date().toISOString()
  const sentId = request.headers['audit-id']
  const auditID = typeof sentId === 'string' && sentId !== '' ? sentId : randomUUID()
  const annotations: Record<string, string> = {}
  const who: { user?: UserInfo; impersonatedUser?: UserInfo } = {}
  response.setHeader('Audit-Id', auditID)
  response.setHeader('Cache-Control', 'no-cache, private')

  let info: RequestInfo | undefined
  const record = (stage: AuditEntry['stage']): void => {
    const objectRef = info?.isResourceRequest ? referenceOf(info) : undefined
    gate.trail.add({
      auditID,
      stage,
      requestURI: request.url ?? '',
      verb: info?.verb ?? '',
      ...who,
      userAgent: request.headers['user-agent'] ?? '',
      ...(objectRef === undefined ? {} : { objectRef }),
      responseStatus: { code: response.statusCode },
      requestReceivedTimestamp: received,
      stageTimestamp: new Date().toISOString(),
      annotations,
    })
  }

  let isStarted = false
  const started = (): void => {
    isStarted = true
    record('ResponseStarted')
  }

  try {
    // Not through URL, which would resolve dot segments: the API server decides on the path as it was sent.
    const [target = '', search = ''] = (request.url ?? '').split(/\?(.*)/s)
    const path = decodeURIComponent(target)
    const query = new URLSearchParams(search)
    info = parseRequestInfo(request.method ?? '', path, query)
    const requestor = await authenticateRequest(request.headers, gate.authenticate)
    who.user = requestor
    const wanted = impersonationHeaders(request.rawHeaders)
    if (wanted !== undefined) who.impersonatedUser = impersonate(gate.authorizer, requestor, wanted, info)
    const user = who.impersonatedUser ?? requestor
    const { allowed, reason } = gate.authorizer.authorize(user, info)
    annotations['authorization.k8s.io/decision'] = allowed ? 'allow' : 'forbid'
    annotations['authorization.k8s.io/reason'] = reason
    if (!allowed) throw refusal(user, info)

    const isLong = info.verb === 'watch' || (info.subresource === 'log' && isTrue(query.get('follow')))
    if (isLong) started()
    if (!info.isResourceRequest) serveOther(request, response, path)
    else if (!hasGroup(info.apiGroup)) writeText(response, 404, '404 page not found\n')
    else {
      const answer = await serveResource(gate, { request, response, info, query, user, connect, started })
      if (answer !== undefined) write(response, answer.code, answer.body, answer.form)
    }
  } catch (error) {
    writeError(response, error instanceof URIError ? new StatusError(400, 'BadRequest', 'malformed path') : error)
  }
  // The API server takes every connection for a long answer, one that it refused too.
  if (!isStarted && info !== undefined && connectingSubresources.includes(info.subresource)) started()
  record('ResponseComplete')
}

function serveOther(request: IncomingMessage, response: ServerResponse, path: string): void {
  if (request.method !== 'GET' && request.method !== 'HEAD') throw methodNotAllowed()
  if (/^\/(healthz|livez|readyz)(\/ping)?$/.test(path)) {
    writeText(response, 200, 'ok')
    return
  }
  if (path === '/version' || path === '/version/') {
    write(response, 200, versionDocument, plainJson)
    return
  }
  if (path === '/openapi/v3') {
    write(response, 200, openapiIndex(), plainJson)
    return
  }
  const openapi = path.startsWith('/openapi/v3/') ? openapiDocument(path.slice('/openapi/v3/'.length)) : undefined
  if (openapi !== undefined) {
    write(response, 200, openapi, plainJson)
    return
  }
  const document = discoveryDocument(path, request, request.headers.host ?? '')
  if (document === undefined) writeText(response, 404, '404 page not found\n')
  else {
    response.setHeader('Vary', 'Accept')
    write(response, 200, document.body, negotiateForm(request), document.contentType)
  }
}

function negotiateForm(request: IncomingMessage): OutputForm {
  try {
    return { ...negotiateOutput(request.headers.accept), yaml: false }
  } catch {
    return plainJson // The aggregated form was negotiated by its own rules.
  }
}

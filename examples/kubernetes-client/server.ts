/**
 * A backend that acts on a cluster for its users. It reads with the rights of whoever asks, and writes with its own
 * account only what the API server says that very user may write.
 *
 *   GET  /namespaces/NAMESPACE/configmaps   lists, as the user
 *   POST /namespaces/NAMESPACE/configmaps   {"name", "data"}: reviewed as the user, created by the account
 *   POST /namespaces/NAMESPACE/reports      {"name"}: whoever may create reports (a kind of this product) has the job
 *                                           made that writes one, although nobody gave them jobs
 *
 * In a program of your own the import is from 'mandate/kubernetes'.
 */
import { readFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import {
  type ApiServer,
  ApiStatus,
  createApiServer,
  Refusal,
  Secret,
  type ServiceAccountClient,
  serviceAccountClient,
  type UserClient,
  userClientFromAuthorization,
} from '../../src/kubernetes/index.ts'

interface Answer {
  readonly status: number
  readonly body: unknown
}

const MOST_LENGTH = 65_536

/** The backend, not yet listening. */
export function createBackend(apiServer: ApiServer, account: ServiceAccountClient): Server {
  const serve = async (request: IncomingMessage, response: ServerResponse) => {
    const { status, body } = await answer(request, apiServer, account).catch(refusal)
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
  }
  return createServer((request, response) => void serve(request, response))
}

async function answer(request: IncomingMessage, apiServer: ApiServer, account: ServiceAccountClient): Promise<Answer> {
  // First of all: without the caller's token there is no client, and nothing else to go on with.
  const user = userClientFromAuthorization(apiServer, request.headers.authorization)
  const [, namespace, what = ''] = /^\/namespaces\/([a-z0-9-]+)\/(configmaps|reports)$/.exec(request.url ?? '') ?? []
  if (namespace === undefined) return { status: 404, body: { reason: 'NotFound' } }
  if (request.method === 'GET' && what === 'configmaps') return list(user, namespace)
  if (request.method !== 'POST') return { status: 405, body: { reason: 'MethodNotAllowed' } }
  const { name, data } = Object((await wantedIn(request)) ?? {}) as { name?: unknown; data?: unknown }
  if (typeof name !== 'string' || name === '') return { status: 400, body: { reason: 'BadRequest' } }
  return what === 'reports' ? report(user, account, namespace, name) : create(user, account, namespace, name, data)
}

async function list(user: UserClient, namespace: string): Promise<Answer> {
  const names: unknown[] = []
  const configMaps = { group: '', version: 'v1', resource: 'configmaps', namespace }
  for await (const { metadata } of user.items(configMaps)) names.push(metadata.name)
  return { status: 200, body: { names } }
}

async function create(user: UserClient, account: ServiceAccountClient, namespace: string, name: string, data: unknown): Promise<Answer> {
  const review = await user.review({ verb: 'create', group: '', version: 'v1', resource: 'configmaps', namespace, name })
  if (!review.allowed) return { status: 403, body: { reason: 'Forbidden', said: review.reason } }
  const made = await account.create(review.proof, { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name }, data })
  return { status: 201, body: { name: made.metadata.name } }
}

/** A review of one thing stands for the write of another: the pair is in ON_REVIEW_OF, and both are in one namespace. */
async function report(user: UserClient, account: ServiceAccountClient, namespace: string, name: string): Promise<Answer> {
  const wanted = { verb: 'create', group: 'example.com', version: 'v1', resource: 'reports', namespace, name }
  const write = { verb: 'create', group: 'batch', version: 'v1', resource: 'jobs', namespace, name }
  const review = await user.review(wanted, { write })
  if (!review.allowed) return { status: 403, body: { reason: 'Forbidden', said: review.reason } }
  // All of it is of this program: what the user sent is its name.
  const container = { name: 'report', image: 'registry.example/report:1.0', args: ['--name', name] }
  const template = { spec: { restartPolicy: 'Never', automountServiceAccountToken: false, containers: [container] } }
  await account.create(review.proof, { apiVersion: 'batch/v1', kind: 'Job', metadata: { name }, spec: { template } })
  return { status: 201, body: { name } }
}

/** The JSON in a request, or undefined for what is too much or none. */
async function wantedIn(request: IncomingMessage): Promise<unknown> {
  let text = ''
  // What goes beyond is taken and forgotten, so that the answer reaches who sent it.
  for await (const part of request.setEncoding('utf8')) if (text.length <= MOST_LENGTH) text += part
  try {
    return text.length <= MOST_LENGTH ? JSON.parse(text) : undefined
  } catch {
    return undefined
  }
}

/** Every refusal has its status; whatever else is thrown is a fault of this program and says nothing. */
function refusal(error: unknown): Answer {
  if (error instanceof Refusal) return { status: error.status, body: { reason: error.code, mend: error.mend, said: error.said } }
  if (error instanceof ApiStatus) return { status: error.status, body: { reason: error.reason } }
  return { status: 500, body: { reason: 'fault' } }
}

/** What the account writes for users: this, and nothing else that it has rights to. */
export const MAY_WRITE = ['configmaps', 'jobs.batch']

/** Whoever may do the first has the second done. */
export const ON_REVIEW_OF = [{ reviewed: 'create reports.example.com', write: 'create jobs.batch' }]

if (import.meta.main) {
  const folder = '/var/run/secrets/kubernetes.io/serviceaccount'
  const apiServer = createApiServer({
    origin: process.env['API_SERVER'] ?? 'https://kubernetes.default.svc',
    ca: () => readFileSync(process.env['API_SERVER_CA'] ?? `${folder}/ca.crt`, 'utf8'),
  })
  const account = serviceAccountClient(apiServer, {
    resource: 'cluster/here',
    mayWrite: MAY_WRITE,
    onReviewOf: ON_REVIEW_OF,
    fieldManager: 'reports',
    // Read at each use: the platform rotates it.
    token: { read: () => new Secret(readFileSync(process.env['TOKEN_FILE'] ?? `${folder}/token`, 'utf8').trim()) },
    // No record, no write: it must resolve only once the record is safe.
    audit: {
      record: (event) =>
        new Promise((resolve, reject) => {
          process.stdout.write(`${JSON.stringify({ time: new Date().toISOString(), ...event })}\n`, (error) =>
            error ? reject(error) : resolve(),
          )
        }),
    },
  })
  createBackend(apiServer, account).listen(Number(process.env['PORT'] ?? 8080))
}

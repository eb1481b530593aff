/** An API server that says what a test tells it to, and keeps what it was asked. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { type ApiServer, type ApiServerOptions, createApiServer } from './api-server.ts'

export interface Asked {
  readonly method: string
  readonly path: string
  /** Header lines as they came: name, value, name, value. */
  readonly lines: readonly string[]
  readonly authorization: string | undefined
  readonly body: unknown
}

/** Answers one question; `undefined` leaves it open, so that a test may see it end. */
export type Answering = (
  asked: Asked,
  response: ServerResponse,
) => { status: number; body?: unknown; headers?: Record<string, string> } | undefined

export interface ScriptedApi {
  readonly server: ApiServer
  readonly origin: string
  readonly asked: Asked[]
  /** The requests for one path, whatever their query. */
  at(path: string): readonly Asked[]
  close(): Promise<void>
}

export const REVIEWS = '/apis/authorization.k8s.io/v1/selfsubjectaccessreviews'

/** A review's answer. */
export const reviewed = (status: object) => ({ status: 201, body: { kind: 'SelfSubjectAccessReview', status } })

/** An object's answer to every write and read but reviews, which are allowed. */
export const obliging: Answering = ({ path, body }) =>
  path === REVIEWS
    ? reviewed({ allowed: true })
    : { status: 200, body: body ?? { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'a' } } }

export async function startScriptedApi(answering: Answering, options: Partial<ApiServerOptions> = {}): Promise<ScriptedApi> {
  const asked: Asked[] = []
  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const sent = await text(request)
    const { method = '', url: path = '', rawHeaders: lines, headers } = request
    const one = { method, path, lines, authorization: headers.authorization, body: sent === '' ? undefined : JSON.parse(sent) }
    asked.push(one)
    const said = answering(one, response)
    if (said === undefined) return
    response.writeHead(said.status, { 'content-type': 'application/json', ...said.headers })
    response.end(typeof said.body === 'string' ? said.body : JSON.stringify(said.body ?? {}))
  }
  const listening = createServer((request, response) => void answer(request, response))
  await new Promise<void>((resolve) => listening.listen(0, '127.0.0.1', resolve))
  const origin = `http://127.0.0.1:${(listening.address() as AddressInfo).port}`
  const server = createApiServer({ origin, ...options })
  return {
    server,
    origin,
    asked,
    at: (path) => asked.filter((one) => one.path.split('?')[0] === path),
    close: async () => {
      await server.close()
      listening.closeAllConnections()
      await new Promise<void>((resolve) => listening.close(() => resolve()))
    },
  }
}

import { randomBytes } from 'node:crypto'
import { request as httpRequest, type IncomingHttpHeaders, type IncomingMessage } from 'node:http'
import { request as httpsRequest } from 'node:https'
import { createInterface } from 'node:readline'
import { asObject, asText, at, type Json, type JsonObject } from '../object.ts'

/** A server under test, and whom the suite may be on it. */
export type ConformanceTarget = {
  url: string
  /** PEM of the authority that signed the server's certificate. */
  ca?: string
  /** Bearer of a member of system:masters. */
  adminToken: string
  /** A bearer that the server takes for this user, in these groups and system:authenticated. */
  userToken(user: string, groups: readonly string[]): Promise<string>
  close(): Promise<void>
}

/** What to send. Without `token` the administrator asks; an empty one is no bearer at all. */
export type Question = {
  token?: string
  /** Lines, so that one name may come twice. */
  headers?: readonly (readonly [string, string])[]
  body?: Json | string
  contentType?: string
  accept?: string
}

/** What came back. `json` is undefined when the body is none. */
export type Reply = { status: number; headers: IncomingHttpHeaders; text: string; json: JsonObject }

/** An open stream. `nextLine` is undefined at its end, and rejects after ten seconds: what a test waits for is due at once. */
export type LineStream = { status: number; nextLine(): Promise<string | undefined>; close(): void }

/** An open watch. `next` rejects as `nextLine` does, and at the end. */
export type WatchStream = { status: number; next(): Promise<{ type: string; object: JsonObject }>; close(): void }

export const mergePatchType = 'application/merge-patch+json'
export const applyType = 'application/apply-patch+yaml'

/** A client of a server under test that adds nothing by itself: what a test does not send is not sent. */
export class Api {
  readonly target: ConformanceTarget
  /** In every name this run makes, so that two runs on one server do not meet. */
  readonly run = randomBytes(4).toString('hex')
  #count = 0

  constructor(target: ConformanceTarget) {
    this.target = target
  }

  /** A name that nobody else uses. */
  name(prefix: string): string {
    this.#count += 1
    return `${prefix}-${this.run}-${this.#count}`
  }

  /** Asks once. */
  async ask(method: string, path: string, question: Question = {}): Promise<Reply> {
    const response = await this.#open(method, path, question)
    const chunks: Buffer[] = []
    for await (const chunk of response as AsyncIterable<Buffer>) chunks.push(chunk)
    const text = Buffer.concat(chunks).toString('utf8')
    return { status: response.statusCode ?? 0, headers: response.headers, text, json: parsed(text) }
  }

  get(path: string, question: Question = {}): Promise<Reply> {
    return this.ask('GET', path, question)
  }

  post(path: string, body: Json | string, question: Question = {}): Promise<Reply> {
    return this.ask('POST', path, { ...question, body })
  }

  patch(path: string, contentType: string, body: Json | string, question: Question = {}): Promise<Reply> {
    return this.ask('PATCH', path, { ...question, body, contentType })
  }

  /** Opens a stream of lines; resolves at the head of the answer. */
  async stream(path: string, question: Question = {}): Promise<LineStream> {
    const response = await this.#open('GET', path, question)
    const lines = createInterface({ input: response })[Symbol.asyncIterator]()
    return {
      status: response.statusCode ?? 0,
      nextLine: async () => {
        let timer: NodeJS.Timeout | undefined
        const late = new Promise<never>((_, reject) => {
          timer = setTimeout(() => reject(new Error(`nothing within ten seconds on ${path}`)), 10_000)
        })
        const line = await Promise.race([lines.next(), late]).finally(() => clearTimeout(timer))
        return line.done === true ? undefined : line.value
      },
      close: () => response.destroy(),
    }
  }

  /** Opens a watch; resolves at the head of the answer. */
  async watch(path: string, question: Question = {}): Promise<WatchStream> {
    const { status, nextLine, close } = await this.stream(path, question)
    return {
      status,
      next: async () => {
        const line = await nextLine()
        if (line === undefined) throw new Error(`the watch ended: ${path}`)
        const event = parsed(line)
        return { type: asText(event.type), object: asObject(event.object) ?? {} }
      },
      close,
    }
  }

  /** Makes a namespace of its own for one test. */
  async namespace(): Promise<string> {
    const name = this.name('conformance')
    const { status, text } = await this.post('/api/v1/namespaces', { metadata: { name } })
    if (status !== 201) throw new Error(`no namespace: ${text}`)
    return name
  }

  /** Removes it again. Without a controller it never quite goes, so nobody waits for it. */
  async drop(namespace: string): Promise<void> {
    await this.ask('DELETE', `/api/v1/namespaces/${namespace}/configmaps`)
    await this.ask('DELETE', `/api/v1/namespaces/${namespace}`)
  }

  /** Creates a config map and returns it. */
  async configMap(namespace: string, name: string, data: JsonObject = { k: 'v' }, labels: JsonObject = {}): Promise<JsonObject> {
    const { status, json, text } = await this.post(configMaps(namespace), { metadata: { name, labels }, data })
    if (status !== 201) throw new Error(`no config map: ${text}`)
    return json
  }

  /** Repeats until the answer satisfies: a real server learns of new roles a moment after they are written. */
  async until(ask: () => Promise<Reply>, satisfies: (reply: Reply) => boolean): Promise<Reply> {
    for (let tries = 1; ; tries += 1) {
      const reply = await ask()
      if (satisfies(reply)) return reply
      if (tries === 100) throw new Error(`still: ${reply.status} ${reply.text}`)
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
  }

  #open(method: string, path: string, question: Question): Promise<IncomingMessage> {
    const { token = this.target.adminToken, headers = [], body, contentType, accept } = question
    const lines: string[] = []
    if (token !== '') lines.push('Authorization', `Bearer ${token}`)
    if (accept !== undefined) lines.push('Accept', accept)
    for (const [name, value] of headers) lines.push(name, value)
    const payload = body === undefined ? undefined : Buffer.from(typeof body === 'string' ? body : JSON.stringify(body))
    if (payload !== undefined) {
      lines.push('Content-Type', contentType ?? 'application/json', 'Content-Length', String(payload.length))
    }
    const url = new URL(this.target.url + path)
    lines.push('Host', url.host)
    const { ca } = this.target
    return new Promise((resolve, reject) => {
      const options = { method, headers: lines, agent: false }
      const sent =
        url.protocol === 'https:'
          ? httpsRequest(url, ca === undefined ? options : { ...options, ca }, resolve)
          : httpRequest(url, options, resolve)
      sent.on('error', reject)
      sent.end(payload)
    })
  }
}

function parsed(text: string): JsonObject {
  try {
    return asObject(JSON.parse(text) as Json) ?? {}
  } catch {
    return {} // Plain text is looked at as text.
  }
}

/** The path of a namespace's config maps, or of one. */
export function configMaps(namespace: string, name = ''): string {
  return `/api/v1/namespaces/${namespace}/configmaps${name === '' ? '' : `/${name}`}`
}

/** metadata.resourceVersion. */
export function versionOf(object: JsonObject): string {
  return asText(at(object, 'metadata', 'resourceVersion'))
}

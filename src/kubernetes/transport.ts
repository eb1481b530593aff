/**
 * How questions reach an API server: JSON over undici's pool.
 *
 * Security: nothing is sent without a credential, because `ask` and `stream` take one and dress the request with its
 * lines alone. A body comes as text and goes out as it came: what a client has looked at is what is sent. Header lines
 * go out one by one (two `Impersonate-Group` lines stay two: `fetch` and `Headers` would join them to one group
 * "dev, ops"). A redirect is never followed (Kubernetes CVE-2020-8559), nothing is sent twice, and an answer has a bound
 * in size and in time.
 */
import { type Dispatcher, errors, Pool } from 'undici'
import { type BearerCredential, type ImpersonationCredential, present } from '../credential.ts'
import { Refusal } from '../errors.ts'
import { mostBytesOf } from './answer-bound.ts'

export interface TransportOptions {
  /** PEM certificates to trust instead of the system's; asked for at each request, so that a rotated file is used. */
  readonly ca?: () => string
  /** Milliseconds for a whole answer, or for the head of a watch. */
  readonly answerWithinMs?: number
  /** Largest answer, in bytes. Default: by what is asked (`answer-bound.ts`). */
  readonly answerBytes?: number
}

/** What is asked; `path` comes from resource-path.ts. */
export interface Question {
  readonly method: string
  readonly path: string
  /** The body, as `jsonOf` wrote it. */
  readonly json?: string
  readonly contentType?: string
  readonly signal?: AbortSignal
}

export interface Answer {
  readonly status: number
  readonly retryAfterSeconds: number | undefined
  readonly body: Readonly<Record<string, unknown>>
}

export type Asker = BearerCredential | ImpersonationCredential

/** The connections to one origin. api-server.ts holds it in a private field: no object that leaves this room leads to it. */
export class Transport {
  readonly #origin: string
  readonly #options: TransportOptions
  #pool: { readonly ca: string | undefined; readonly pool: Pool } | undefined

  constructor(origin: string, options: TransportOptions) {
    this.#origin = origin
    this.#options = options
  }

  /** Ends the connections; what is under way fails. */
  async close(): Promise<void> {
    await this.#pool?.pool.destroy()
    this.#pool = undefined
  }

  async ask(as: Asker, question: Question): Promise<Answer> {
    const bound = AbortSignal.timeout(this.#answerWithinMs)
    const signal = question.signal === undefined ? bound : AbortSignal.any([bound, question.signal])
    try {
      return await this.#answerOf(await this.#send(as, question, signal, this.#answerWithinMs), question)
    } catch (error) {
      throw failureOf(error, bound)
    }
  }

  /** The body of a 200 as it comes, or an answer that is none. */
  async stream(as: Asker, question: Question): Promise<Answer | AsyncIterable<Buffer>> {
    try {
      const response = await this.#send(as, question, question.signal, 0)
      if (response.statusCode === 200) return response.body
      const late = setTimeout(() => response.body.destroy(new errors.BodyTimeoutError()), this.#answerWithinMs)
      return await this.#answerOf(response, question).finally(() => clearTimeout(late))
    } catch (error) {
      throw failureOf(error)
    }
  }

  async #send(as: Asker, question: Question, signal: AbortSignal | undefined, bodyTimeout: number) {
    const { method, path, json, contentType = 'application/json' } = question
    const headers = ['Accept', 'application/json', 'User-Agent', 'mandate']
    if (json !== undefined) headers.push('Content-Type', contentType)
    for (const [name, value] of present(as)) headers.push(name, value)
    return this.#pooled().request({
      method: method as Dispatcher.HttpMethod,
      path,
      headers,
      body: json ?? null,
      signal: signal ?? null,
      headersTimeout: this.#answerWithinMs,
      bodyTimeout,
    })
  }

  async #answerOf({ statusCode, headers, body }: Dispatcher.ResponseData, question: Question): Promise<Answer> {
    const limit = this.#options.answerBytes ?? mostBytesOf(question)
    const parts: Buffer[] = []
    let bytes = 0
    for await (const part of body as AsyncIterable<Buffer>) {
      bytes += part.length
      // Leaving the loop destroys the body, and with it the connection.
      if (bytes > limit) throw new Refusal('upstream_broke', { detail: `its answer is larger than ${limit} bytes` })
      parts.push(part)
    }
    if (statusCode >= 300 && statusCode < 400) throw new Refusal('upstream_broke', { detail: 'it answered with a redirect' })
    const retryAfter = headers['retry-after']
    const seconds = typeof retryAfter === 'string' && /^\d{1,5}$/.test(retryAfter) ? Number(retryAfter) : undefined
    return { status: statusCode, retryAfterSeconds: seconds, body: objectOf(Buffer.concat(parts).toString('utf8'), statusCode) }
  }

  get #answerWithinMs(): number {
    return this.#options.answerWithinMs ?? 30_000
  }

  #pooled(): Pool {
    const ca = this.#trusted()
    if (this.#pool !== undefined && this.#pool.ca === ca) return this.#pool.pool
    // Connections that were made under the old certificates finish what they carry, and carry nothing new.
    this.#pool?.pool.close().catch(() => undefined)
    const connect = { timeout: 5_000, rejectUnauthorized: true, ...(ca === undefined ? {} : { ca }) }
    // HTTP/1.1, as the forward path speaks it; without a bound on connections, since a watch holds one.
    this.#pool = { ca, pool: new Pool(this.#origin, { connections: null, pipelining: 1, allowH2: false, connect }) }
    return this.#pool.pool
  }

  #trusted(): string | undefined {
    const { ca } = this.#options
    if (ca === undefined) return undefined
    let pem = ''
    try {
      pem = ca()
    } catch {
      // Its message may quote what was read.
    }
    // Unreadable or empty certificates are never the system's.
    if (pem.trim() === '') throw new Refusal('upstream_unavailable', { detail: 'the certificates to trust cannot be read' })
    return pem
  }
}

/** The JSON object in an answer. One that failed may say so in any form; one that succeeded must be understood. */
function objectOf(text: string, status: number): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(text)
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>
  } catch {
    // Said below.
  }
  if (status < 300) throw new Refusal('upstream_broke', { detail: 'its answer is not a JSON object' })
  return {}
}

/** Why there was no answer, in our words: messages of libraries can quote what was sent. */
export function failureOf(error: unknown, bound?: AbortSignal): unknown {
  if (error instanceof Refusal) return error
  if (bound?.aborted || error instanceof errors.HeadersTimeoutError || error instanceof errors.BodyTimeoutError) {
    return new Refusal('upstream_timeout')
  }
  // The caller's own signal: they know why.
  if (error instanceof Error && error.name === 'AbortError') return error
  return new Refusal('upstream_unavailable', { detail: 'the connection failed or was closed' })
}

import { request as httpRequest } from 'node:http'
import { request as httpsRequest } from 'node:https'

/** One request; what is left out is GET, no body, no extra trust. */
export interface Question {
  readonly method?: string
  readonly headers?: Readonly<Record<string, string | readonly string[]>>
  readonly token?: string
  readonly body?: string | URLSearchParams | object
  /** Certificates (PEM) that may have signed an https server's. */
  readonly caPem?: string
  /** A client certificate (PEM) and its key. */
  readonly cert?: { readonly certPem: string; readonly keyPem: string }
  /** Milliseconds after which it fails; 10 000 by default. */
  readonly timeout?: number
}

export interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly body: string
}

/**
 * Asks a part over a connection of its own, so that stopping the part never finds a pooled one in the way.
 * Rejects when there is no whole answer in time; any status is an answer.
 */
export function ask(url: string, question: Question = {}): Promise<Answer> {
  const { token, body, caPem, cert, timeout = 30_000 } = question
  const headers: Record<string, string | string[]> = {}
  for (const [name, value] of Object.entries(question.headers ?? {})) {
    headers[name] = typeof value === 'string' ? value : [...value]
  }
  if (token !== undefined) headers['authorization'] = `Bearer ${token}`
  let payload: string | undefined
  if (typeof body === 'string') payload = body
  else if (body instanceof URLSearchParams) {
    payload = body.toString()
    headers['content-type'] ??= 'application/x-www-form-urlencoded'
  } else if (body !== undefined) {
    payload = JSON.stringify(body)
    headers['content-type'] ??= 'application/json'
  }
  return new Promise((resolve, reject) => {
    const send = url.startsWith('https:') ? httpsRequest : httpRequest
    const request = send(url, {
      method: question.method ?? (payload === undefined ? 'GET' : 'POST'),
      headers,
      agent: false,
      signal: AbortSignal.timeout(timeout),
      ...(caPem === undefined ? {} : { ca: caPem }),
      ...(cert === undefined ? {} : { cert: cert.certPem, key: cert.keyPem }),
    })
    request.once('error', reject)
    request.once('response', (response) => {
      const chunks: Buffer[] = []
      response.on('data', (chunk: Buffer) => chunks.push(chunk))
      response.once('error', reject)
      response.once('end', () =>
        resolve({
          status: response.statusCode ?? 0,
          headers: response.headers,
          body: Buffer.concat(chunks).toString('utf8'),
        }),
      )
    })
    request.end(payload)
  })
}

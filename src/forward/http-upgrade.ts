/**
 * Upgrades towards an upstream: one HTTP/1.1 request on a connection that nothing else uses, before or after.
 *
 * Security: an upstream may refuse an upgrade and keep the connection open. Were that connection used again, or joined
 * to the caller's, the caller could speak to the upstream as whoever dressed the request (Kubernetes CVE-2018-1002105).
 * So only a 101 that names the protocol asked for hands the connection on. Any other answer is read as an answer, and its
 * connection is destroyed with it. undici drops the body of such an answer, and with it the API server's reason: node:http
 * keeps it.
 */
import { type ClientRequest, type IncomingMessage, request as requestHttp } from 'node:http'
import { request as requestHttps } from 'node:https'
import type { Socket } from 'node:net'
import type { HeaderLine } from '../credential.ts'
import { Refusal } from '../errors.ts'
import { BROKE_OFF, CONNECT_LATE, causeOf, connectFault, unanswered } from './failure.ts'
import { endsByClosing } from './framing.ts'
import type { OnReached, UpgradeAnswer, UpgradeRequest } from './upstream.ts'

export interface UpgradeOrigin {
  readonly origin: string
  /** PEM certificates to trust instead of the system's; asked for at each connection. */
  readonly ca: (() => string) | undefined
  readonly connectWithinMs: number
  /** Told whether the connection could be had, and why not. */
  readonly onReached?: OnReached | undefined
}

/** A peer that is gone without a word is noticed this long after the last byte, and ten probes of a second. */
export const KEEP_ALIVE_MS = 30_000

/** Sends the request and waits for its answer's head. Throws Refusal `upstream_unavailable`, `upstream_timeout`, `upstream_broke`. */
export function askUpgrade(to: UpgradeOrigin, asked: UpgradeRequest): Promise<UpgradeAnswer> {
  const { promise, resolve, reject } = Promise.withResolvers<UpgradeAnswer>()
  const unbegun = () => new Refusal('upstream_broke', { detail: 'no answer was begun' })
  if (asked.cut.over) return Promise.reject(unbegun())
  const request = begin(to, asked)
  const late = setTimeout(() => request.destroy(unanswered(asked.answerWithinMs)), asked.answerWithinMs)
  const connecting = setTimeout(() => request.destroy(new Refusal('upstream_unavailable', { detail: CONNECT_LATE })), to.connectWithinMs)
  let reached = false
  let begun = false
  let refused: IncomingMessage | undefined
  const isReached = () => {
    reached = true
    clearTimeout(connecting)
    to.onReached?.(true)
  }
  const settle = () => {
    clearTimeout(late)
    clearTimeout(connecting)
    asked.cut.listen(undefined)
  }
  asked.cut.listen(() => request.destroy(unbegun()))
  request.once('socket', (socket) => {
    // Both before node:http: it fails with the first byte that is no HTTP, and takes a reset for the proper end of an answer
    // that ends with its connection.
    socket.prependOnceListener('data', () => {
      begun = true
    })
    socket.prependListener('error', (error) => {
      if (refused?.complete === false) refused.destroy(error)
    })
    socket.once(socket.connecting && 'encrypted' in socket ? 'secureConnect' : 'connect', isReached)
  })
  // Stays after the answer came: an error of a connection that nobody reads any more must not end the process.
  request.on('error', (error) => {
    settle()
    if (!reached && !asked.cut.over) to.onReached?.(false, connectFault(error))
    if (error instanceof Refusal) reject(error)
    else
      reject(begun ? new Refusal('upstream_broke', { detail: BROKE_OFF }) : new Refusal('upstream_unavailable', { detail: causeOf(error) }))
  })
  request.once('upgrade', (answer, connection, early) => {
    settle()
    connection.on('error', () => undefined)
    const wanted = headerIn(asked.headers, 'upgrade')
    if (answer.statusCode === 101 && answer.headers.upgrade?.toLowerCase() === wanted?.toLowerCase())
      return resolve({ result: 'switched', headers: linesOf(answer), connection: quick(connection as Socket), early })
    connection.destroy()
    reject(new Refusal('upstream_broke', { detail: 'it changed to a protocol that was not asked for' }))
  })
  request.once('response', (answer) => {
    settle()
    refused = answer
    answer.once('close', () => request.destroy())
    const headers = linesOf(answer)
    try {
      endsByClosing(headers)
    } catch (error) {
      answer.destroy()
      return reject(error)
    }
    resolve({ result: 'refused', status: answer.statusCode ?? 502, headers, body: answer })
  })
  request.end()
  return promise
}

function begin({ origin, ca }: UpgradeOrigin, { method, path, headers }: UpgradeRequest): ClientRequest {
  const { protocol, hostname, port, host } = new URL(origin)
  const options = {
    method,
    path,
    host: hostname.replace(/^\[|\]$/g, ''),
    port,
    // As an array, lines of one name stay lines of their own.
    headers: ['Host', host, ...(method === 'GET' ? [] : ['Content-Length', '0']), ...headers],
    agent: false,
    maxHeaderSize: 65_536,
  }
  if (protocol === 'http:') return requestHttp(options)
  return requestHttps({ ...options, rejectUnauthorized: true, ...(ca === undefined ? {} : { ca: ca() }) })
}

/** Keystrokes are not to wait for more of them, and a peer that vanished is to be noticed. */
function quick(connection: Socket): Socket {
  connection.setNoDelay(true)
  connection.setKeepAlive(true, KEEP_ALIVE_MS)
  connection.setTimeout(0)
  return connection
}

function linesOf({ rawHeaders }: IncomingMessage): HeaderLine[] {
  const lines: HeaderLine[] = []
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) lines.push([rawHeaders[i] ?? '', rawHeaders[i + 1] ?? ''])
  return lines
}

function headerIn(flat: readonly string[], name: string): string | undefined {
  const at = flat.findIndex((part, index) => index % 2 === 0 && part.toLowerCase() === name)
  return at === -1 ? undefined : flat[at + 1]
}

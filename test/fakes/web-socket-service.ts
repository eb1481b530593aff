/** A service that speaks WebSocket and gives back what it is told, and a client of bare bytes, which says only what a test has it say. */
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type WebSocket, WebSocketServer } from 'ws'
import { openRaw, type RawConnection } from './raw-http.ts'

export interface WebSocketService {
  readonly origin: string
  /** The handshakes that arrived. */
  readonly asked: readonly IncomingMessage[]
  /** Requests that were none. */
  readonly requests: readonly string[]
  /** Connections open now. */
  open(): number
  close(): Promise<void>
}

/** Starts it; it chooses the subprotocol `chat` where that is offered. */
export async function startWebSocketService(): Promise<WebSocketService> {
  const asked: IncomingMessage[] = []
  const requests: string[] = []
  const server = createServer((request, response) => {
    requests.push(`${request.method} ${request.url}`)
    response.end('{}')
  })
  const sockets = new WebSocketServer({ server, handleProtocols: (offered) => (offered.has('chat') ? 'chat' : false) })
  sockets.on('connection', (socket: WebSocket, request) => {
    asked.push(request)
    socket.on('error', () => undefined)
    socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary }))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    asked,
    requests,
    open: () => sockets.clients.size,
    async close() {
      for (const socket of sockets.clients) socket.terminate()
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

export interface RawWebSocket {
  readonly connection: RawConnection
  /** Sends a text of at most 125 bytes. */
  say(text: string): void
  /** Resolves once the other side has said the text, of at most 125 bytes. */
  hears(text: string): Promise<unknown>
}

/** A handshake to the letter (RFC 6455 4.1) with further lines, the Host among them. */
export function handshake(path: string, lines: readonly string[], key = randomBytes(16).toString('base64')): string {
  const own = ['Connection: Upgrade', 'Upgrade: websocket', `Sec-WebSocket-Key: ${key}`, 'Sec-WebSocket-Version: 13']
  return [`GET ${path} HTTP/1.1`, ...lines, ...own, '', ''].join('\r\n')
}

/** Opens one. Rejects when the answer is no 101 that belongs to the handshake. */
export async function openWebSocket(port: number, path: string, lines: readonly string[]): Promise<RawWebSocket> {
  const connection = await openRaw(port)
  const key = randomBytes(16).toString('base64')
  connection.send(handshake(path, lines, key))
  const head = await connection.until(/\r\n\r\n/)
  const accept = createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64')
  if (!head.startsWith('HTTP/1.1 101 ') || !head.includes(accept)) throw new Error(`no WebSocket: ${head.slice(0, 500)}`)
  return {
    connection,
    say: (text) => void connection.socket.write(masked(text)),
    hears: (text) => connection.until(new RegExp(`\\x81${escaped(String.fromCharCode(text.length) + text)}`)),
  }
}

/** A frame of a client (RFC 6455 5.2). */
function masked(text: string): Buffer {
  const mask = randomBytes(4)
  const payload = Buffer.from(text).map((byte, at) => byte ^ (mask[at % 4] ?? 0))
  return Buffer.concat([Buffer.from([0x81, 0x80 | payload.length]), mask, payload])
}

function escaped(text: string): string {
  return text.replaceAll(/[\\^$.*+?()[\]{}|\n]/g, (sign) => `\\x${sign.charCodeAt(0).toString(16).padStart(2, '0')}`)
}

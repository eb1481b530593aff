/**
 * Requests that want their connection for something else than HTTP. They go the way of every other request, and only
 * behind authorization may one switch; a refusal is an ordinary answer, after which the connection is closed.
 */
import { type IncomingMessage, type Server, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { WebSocket } from 'ws'

/**
 * Switches the connection of a request to WebSocket, with this of the protocols that the client offered. Undefined when
 * the handshake was not a proper one or the client has gone; then all is said already.
 */
export type Connect = (protocol: string) => Promise<WebSocket | undefined>

/** What one message may hold: more than any client sends, and less than hurts. */
const messageLimit = 16 << 20

/** Whether this is a WebSocket handshake: a GET, by RFC 6455. Asked before the request is served. */
export function asksForWebSocket(request: IncomingMessage): boolean {
  return request.method === 'GET' && request.headers.upgrade?.toLowerCase() === 'websocket'
}

/** Serves handshakes by `serve`. When `closing` fires, their connections are cut: the HTTP server has forgotten them. */
export function serveUpgrades(
  server: Server,
  serve: (request: IncomingMessage, response: ServerResponse, connect: Connect) => void,
  closing: AbortSignal,
): void {
  server.on('upgrade', (request, stream, head) => {
    const socket = stream as Socket
    const cut = (): void => void socket.destroy()
    closing.addEventListener('abort', cut, { once: true })
    socket.once('close', () => closing.removeEventListener('abort', cut))
    socket.on('error', cut)

    const response = new ServerResponse(request)
    response.shouldKeepAlive = false
    response.assignSocket(socket)
    response.once('finish', () => {
      response.detachSocket(socket)
      socket.end()
    })
    serve(request, response, async (protocol) => {
      const { WebSocketServer } = await import('ws')
      response.detachSocket(socket)
      response.statusCode = 400
      const webSockets = new WebSocketServer({ noServer: true, maxPayload: messageLimit })
      // Chosen here and not by the library, which by RFC 6455 refuses the name that port-forward has: it holds a slash.
      delete request.headers['sec-websocket-protocol']
      webSockets.on('headers', (lines) => lines.push(`Sec-WebSocket-Protocol: ${protocol}`))
      return new Promise((resolve) => {
        socket.once('close', () => resolve(undefined))
        webSockets.handleUpgrade(request, socket, head, (webSocket) => {
          response.statusCode = 101
          resolve(webSocket)
        })
      })
    })
  })
}

/** A TCP server for tests that stands where Redis is expected. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'
import type { TestContext } from 'node:test'

/** Serves each connection on a free port of loopback until the test ends; gives the port. */
export async function listen(t: TestContext, serve: (socket: Socket) => unknown): Promise<number> {
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => {})
    serve(socket)
  }).listen(0, '127.0.0.1')
  t.after(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  await once(server, 'listening')
  const address = server.address()
  assert.ok(address !== null && typeof address === 'object')
  return address.port
}

/** Passes a connection on to another port of loopback; to end what it gives breaks both. */
export function relay(from: Socket, port: number): Socket {
  const to = connect({ port, host: '127.0.0.1' })
  for (const [end, other] of [
    [from, to],
    [to, from],
  ] as const) {
    end.on('error', () => {})
    end.on('close', () => other.destroy())
    end.pipe(other)
  }
  return to
}

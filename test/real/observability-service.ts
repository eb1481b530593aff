/** A service behind routes and behind oauth2-proxy: well, out of breath, streaming or gone, by its path. */
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { TestContext } from 'node:test'

/** Starts it and gives its origin; it is gone when the test ends. */
export async function startService(t: TestContext): Promise<string> {
  let asked = 0
  const answer = (request: IncomingMessage, response: ServerResponse) => {
    const path = request.url?.split('?')[0] ?? ''
    if (path === '/events') return void response.writeHead(200, { 'content-type': 'text/event-stream' }).write('data: 1\n\n')
    if (path === '/gone') return void request.socket.destroy()
    asked += path === '/flaky' ? 1 : 0
    // Every second one gets nothing: whoever asks again is answered.
    if (path === '/flaky' && asked % 2 === 1) return void request.socket.destroy()
    response.writeHead(200, { 'content-type': 'text/plain' }).end('well\n')
  }
  const server = createServer(answer)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

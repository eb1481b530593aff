/** A service to stand behind the routes of `mandate dev`: it says what reached it, so that one sees who it takes the caller for. */
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { closeServer } from '../gateway/server.ts'

export interface Echo {
  readonly url: string
  close(): Promise<void>
}

/** Serves on a free port of loopback. Headers are shown as they came, but those by which somebody could be somebody. */
export async function startEcho(): Promise<Echo> {
  const server = createServer((request, response) => {
    const { authorization: _authorization, cookie: _cookie, ...headers } = request.headers
    request.resume()
    response.writeHead(200, { 'Content-Type': 'application/json' })
    response.end(`${JSON.stringify({ method: request.method, path: request.url, headers }, undefined, 2)}\n`)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, close: () => closeServer(server, 0) }
}

/** A trivial API server in a process of its own: any watch stays open and sends an event a minute, all else is one pod. */
import { createServer as createPlain, type RequestListener } from 'node:http'
import { createServer as createTls } from 'node:https'
import type { AddressInfo } from 'node:net'

const POD = JSON.stringify({
  kind: 'Pod',
  apiVersion: 'v1',
  metadata: { name: 'web', namespace: 'team-a' },
  spec: { note: 'x'.repeat(900) },
})
const EVENT = `${JSON.stringify({ type: 'BOOKMARK', object: { kind: 'Pod', apiVersion: 'v1', metadata: { resourceVersion: '1' } } })}\n`

const answer: RequestListener = (request, response) => {
  if (!request.url?.includes('watch=')) {
    response.writeHead(200, { 'Content-Type': 'application/json', 'Content-Length': POD.length }).end(POD)
    return
  }
  response.writeHead(200, { 'Content-Type': 'application/json' })
  response.write(EVENT)
  const timer = setInterval(() => response.write(EVENT), 60_000)
  response.on('close', () => clearInterval(timer))
}

const [cert, key] = [process.env['UPSTREAM_CERT'], process.env['UPSTREAM_KEY']]
const server = cert === undefined || key === undefined ? createPlain(answer) : createTls({ cert, key }, answer)
server.listen(0, '127.0.0.1', () => console.log((server.address() as AddressInfo).port))

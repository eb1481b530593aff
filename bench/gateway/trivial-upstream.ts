/**
 * What all proxies of the comparison stand before, in a process of its own: 1 KB to every GET.
 *
 * It reads bare sockets, because it shares its core with the load: with node:http it, and not nginx, would be what is
 * saturated. A path that ends in /probe is answered with the request's own head, so that a bench can see what arrived.
 */
import { type AddressInfo, createServer } from 'node:net'

const BODY = JSON.stringify({ kind: 'Pod', apiVersion: 'v1', metadata: { name: 'web', namespace: 'bench' }, note: '' })
const ANSWER = answer(`${BODY.slice(0, -2)}${'x'.repeat(1_024 - BODY.length)}"}`)

function answer(body: string): string {
  return `HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`
}

const server = createServer({ noDelay: true }, (socket) => {
  let rest = ''
  socket.on('error', () => socket.destroy())
  socket.on('data', (chunk) => {
    rest += chunk.toString('latin1')
    for (;;) {
      const end = rest.indexOf('\r\n\r\n')
      if (end === -1) return
      const head = rest.slice(0, end)
      rest = rest.slice(end + 4)
      const probed = head.slice(0, head.indexOf('\r\n')).includes('/probe ')
      socket.write(probed ? answer(JSON.stringify({ head: head.split('\r\n') })) : ANSWER, 'latin1')
    }
  })
})
server.listen(0, '127.0.0.1', () => console.log((server.address() as AddressInfo).port))

/** A stage behind a real ingress: the configuration files of examples/forward-auth, with ports and names that this machine has. */
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { readFile, writeFile } from 'node:fs/promises'
import { createServer, type IncomingHttpHeaders, type IncomingMessage } from 'node:http'
import { connect as connectHttp2, createServer as createHttp2Server, type OutgoingHttpHeaders } from 'node:http2'
import { request } from 'node:https'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import type { Duplex } from 'node:stream'
import { text } from 'node:stream/consumers'
import type { TestContext } from 'node:test'
import { connect as connectTls } from 'node:tls'
import { parse } from 'yaml'
import { type Browser, createBrowser } from '../fakes/browser.ts'
import { type ConfigDraft, type Stage, setStage } from '../journeys/stage.ts'
import { standIns } from '../journeys/world.ts'
import { startCaddyAs } from './parts/caddy.ts'
import { makeAuthority } from './parts/certificates.ts'
import type { FrontServer } from './parts/front-server.ts'
import { startNginxAs } from './parts/nginx.ts'
import { freePorts, temporaryFolder } from './parts/process.ts'
import { startTraefikAs } from './parts/traefik.ts'

/** RFC 6455 1.3. */
const WEB_SOCKET = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11'
const EXAMPLES = join(import.meta.dirname, '../../examples/forward-auth')

/** What differs between one ingress and the other. */
export interface Ingress {
  readonly name: string
  /** Of the example. */
  readonly files: readonly [string, ...string[]]
  /** Writes names, port and certificate into each of them as its operator would. */
  readonly fill: (example: string, port: number, cert: string, key: string) => string
  readonly start: (written: string, beside: string) => Promise<FrontServer>
  /** What it makes of a path before it asks and forwards; none of the others. */
  readonly cleaned: Readonly<Record<string, string>>
  /** Which headers of those that it removes elsewhere it writes itself, whatever a caller sends. */
  readonly writes: RegExp
  /** Whether it takes Mandate's cookies out of what the service sees, and adds to the service's `Vary`. */
  readonly cuts: boolean
}

const AS_IT_IS = { cleaned: {}, writes: /^$/, cuts: true }

export const NGINX: Ingress = {
  ...AS_IT_IS,
  name: 'nginx',
  files: ['nginx.conf'],
  fill: (example, port, cert, key) =>
    example
      .replaceAll('listen 443 ssl', `listen 127.0.0.1:${port} ssl`)
      .replace('/etc/nginx/tls.crt', cert)
      .replace('/etc/nginx/tls.key', key)
      .replaceAll('.example', '.lab.localhost'),
  start: startNginxAs,
}

export const CADDY: Ingress = {
  ...AS_IT_IS,
  name: 'Caddy',
  files: ['Caddyfile'],
  fill: (example, port, cert, key) =>
    example.replaceAll(/^([a-z]+\.example.*) \{$/gm, (_line, sites: string) => {
      const addresses = sites.replaceAll(/([a-z]+)\.example/g, (_site, host: string) => `https://${host}.lab.localhost:${port}`)
      return `${addresses} {\n\ttls ${cert} ${key}`
    }),
  start: startCaddyAs,
}

export const TRAEFIK: Ingress = {
  name: 'Traefik',
  files: ['traefik.yaml', 'traefik-static.yaml'],
  fill: (example, port, cert, key) =>
    example
      .replace('address: :443', `address: 127.0.0.1:${port}`)
      .replace('/etc/traefik/tls.crt', cert)
      .replace('/etc/traefik/tls.key', key)
      .replaceAll('.example', '.lab.localhost'),
  start: startTraefikAs,
  cleaned: { '//x': '/x', '/a//b': '/a/b', '/a/../b': '/b', '/./b': '/b', '/%2e%2e/b': '/b' },
  writes: /^x-(real-ip|forwarded-(port|server))$/i,
  cuts: false,
}

/** A request as it reached the service. */
export interface Arrived {
  readonly method: string
  readonly url: string
  readonly rawHeaders: readonly string[]
}

export interface Answer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: string
}

export interface IngressStage {
  readonly stage: Stage
  /** `https://mandate.lab.localhost:<port>`; `at('app')` and `at('api')` are the service's. */
  readonly origin: string
  /** The ingress's configuration as it was started, and the file with the authority that its certificate comes of. */
  readonly written: string
  readonly authority: string
  at(host: string): string
  browser(): Browser
  arrived(): readonly Arrived[]
  /** One request to the letter: the path is not normalised. */
  ask(
    origin: string,
    path: string,
    options?: { method?: string; headers?: Readonly<Record<string, string | string[]>>; body?: string },
  ): Promise<Answer>
  /** The same for an answer that goes on. */
  open(origin: string, path: string, headers?: Readonly<Record<string, string>>): Promise<IncomingMessage>
  /** Bytes on a connection of their own, and all that comes back until it ends, changes its protocol, or nothing more comes for two seconds. */
  exchange(origin: string, bytes: string): Promise<string>
  /** One request over HTTP/2, where the ingress speaks it: its status, 0 when the stream was reset, and its body. */
  askHttp2(origin: string, headers: OutgoingHttpHeaders): Promise<Pick<Answer, 'status' | 'body'>>
  /** A WebSocket handshake: its status, and the connection when that is 101. */
  webSocket(
    origin: string,
    path: string,
    headers?: Readonly<Record<string, string | string[]>>,
  ): Promise<{ status: number; socket?: Duplex }>
}

/** Sets it up; all of it is gone when the test ends. `adapt` changes the routes of the example. */
export async function setIngressStage(
  t: TestContext,
  ingress: Ingress,
  adapt: (routes: readonly object[]) => readonly object[] = (routes) => routes,
): Promise<IngressStage> {
  const [[port = 0, http = 0, asks = 0], { arrived, service }, folder, authority] = await Promise.all([
    freePorts(3),
    startService(t),
    temporaryFolder('ingress'),
    makeAuthority('Ingress authority'),
  ])
  t.after(() => folder.remove())
  const origin = `https://mandate.lab.localhost:${port}`
  const toHere = (example: string) =>
    // In one go: a free port may begin with another one of the example.
    example.replaceAll(/127\.0\.0\.1:(8080|4181|3000)\b/g, (_address, port: string) =>
      port === '3000' ? service : `127.0.0.1:${port === '8080' ? http : asks}`,
    )
  const stage = await setStage(t, (options) => standIns({ ...options, origin }), {
    async configure(config) {
      const example: ConfigDraft = parse((await readFile(join(EXAMPLES, 'mandate.yaml'), 'utf8')).replaceAll('.example', '.lab.localhost'))
      config['publicUrl'] = origin
      config['routes'] = adapt(example['routes'] as object[])
      config.listen = {
        ...example.listen,
        http: { port: http },
        forwardAuth: { ...(example.listen['forwardAuth'] as object), port: asks },
        operations: { port: 0 },
      }
    },
  })
  const pair = await authority.issue({ commonName: 'ingress', hosts: ['mandate', 'app', 'api'].map((host) => `${host}.lab.localhost`) })
  const [cert, key] = [join(folder.path, 'tls.crt'), join(folder.path, 'tls.key')]
  await Promise.all([writeFile(cert, pair.certPem), writeFile(key, pair.keyPem, { mode: 0o600 })])
  const [written = '', beside = ''] = await Promise.all(
    ingress.files.map(async (file) => ingress.fill(toHere(await readFile(join(EXAMPLES, file), 'utf8')), port, cert, key)),
  )
  const front = await ingress.start(written, beside)
  t.after(() => front.stop())
  const ca = authority.certPem
  const authorityFile = join(folder.path, 'ca.crt')
  await writeFile(authorityFile, ca)

  const send = (of: string, path: string, method: string, headers: Readonly<Record<string, string | string[]>>) => {
    const { host, hostname } = new URL(of)
    return request({ host: '127.0.0.1', port, servername: hostname, ca, path, method, headers: { host, ...headers }, agent: false })
  }
  return {
    stage,
    origin,
    written,
    authority: authorityFile,
    at: (host) => `https://${host}.lab.localhost:${port}`,
    browser: () => createBrowser({ ca }),
    arrived: () => arrived,
    async ask(of, path, { method = 'GET', headers = {}, body } = {}) {
      const sent = send(of, path, method, body === undefined ? headers : { ...headers, 'content-length': String(Buffer.byteLength(body)) })
      sent.end(body)
      const [answer] = (await once(sent, 'response')) as [IncomingMessage]
      return { status: answer.statusCode ?? 0, headers: answer.headers, body: await text(answer) }
    },
    async open(of, path, headers = {}) {
      const sent = send(of, path, 'GET', headers)
      t.after(() => sent.destroy())
      sent.on('error', () => undefined)
      sent.end()
      const [answer] = (await once(sent, 'response')) as [IncomingMessage]
      return answer
    },
    async exchange(of, bytes) {
      const socket = connectTls({ host: '127.0.0.1', port, servername: new URL(of).hostname, ca, ALPNProtocols: ['http/1.1'] })
      let received = ''
      socket.setEncoding('latin1').on('data', (part: string) => {
        received += part
        if (received.startsWith('HTTP/1.1 101 ')) socket.destroy()
      })
      socket.on('error', () => undefined)
      await once(socket, 'secureConnect')
      socket.setTimeout(2_000, () => socket.destroy())
      socket.write(bytes, 'latin1')
      if (!socket.closed) await once(socket, 'close')
      return received
    },
    async askHttp2(of, headers) {
      const { host, hostname } = new URL(of)
      const session = connectHttp2(of, {
        ca,
        createConnection: () => connectTls({ host: '127.0.0.1', port, servername: hostname, ca, ALPNProtocols: ['h2'] }),
      })
      t.after(() => session.destroy())
      session.on('error', () => undefined)
      const stream = session.request({ ':authority': host, ...headers }, { endStream: headers[':method'] !== 'CONNECT' })
      try {
        const [answer] = (await once(stream, 'response')) as [OutgoingHttpHeaders]
        stream.end()
        return { status: Number(answer[':status']), body: await text(stream) }
      } catch {
        return { status: 0, body: '' }
      } finally {
        session.close()
      }
    },
    webSocket(of, path, headers = {}) {
      const handshake = {
        connection: 'Upgrade',
        upgrade: 'websocket',
        'sec-websocket-version': '13',
        'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==',
      }
      const sent = send(of, path, 'GET', { ...handshake, ...headers })
      t.after(() => sent.destroy())
      sent.end()
      return new Promise((resolve, reject) => {
        sent.once('error', reject)
        sent.once('response', (answer) => {
          answer.resume()
          resolve({ status: answer.statusCode ?? 0 })
        })
        sent.once('upgrade', (_answer, socket) => {
          socket.on('error', () => undefined)
          t.after(() => socket.destroy())
          resolve({ status: 101, socket })
        })
      })
    },
  }
}

/**
 * A service that keeps what reached it, sends events at /events, answers by itself at /own/STATUS, says back what comes
 * over a WebSocket, and changes to HTTP/2 for whoever asks (RFC 7540 3.2).
 */
async function startService(t: TestContext): Promise<{ readonly arrived: readonly Arrived[]; readonly service: string }> {
  const arrived: Arrived[] = []
  const keep = ({ method = '', url = '', rawHeaders }: IncomingMessage) => void arrived.push({ method, url, rawHeaders })
  const server = createServer((incoming, response) => {
    keep(incoming)
    if (incoming.url === '/events') return void response.writeHead(200, { 'content-type': 'text/event-stream' }).write('data: one\n\n')
    incoming.resume()
    const [, own] = /^\/own\/(\d+)$/.exec(incoming.url ?? '') ?? []
    if (own !== undefined) return void response.writeHead(Number(own), { 'www-authenticate': 'Custom own="1"' }).end(`own ${own}`)
    response.writeHead(200, { 'set-cookie': 'theme=dark; Path=/', 'service-worker-allowed': '/', vary: 'Accept-Language' })
    response.end(`hello ${String(incoming.headers['x-mandate-subject'])}`)
  })
  const overHttp2 = createHttp2Server((incoming, response) => {
    arrived.push({ method: incoming.method, url: incoming.url, rawHeaders: incoming.rawHeaders })
    response.end('smuggled')
  })
  server.on('upgrade', (incoming, socket) => {
    keep(incoming)
    socket.on('error', () => undefined)
    if (incoming.headers.upgrade?.toLowerCase() === 'h2c') {
      socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n')
      return void overHttp2.emit('connection', socket)
    }
    const accept = createHash('sha1').update(`${incoming.headers['sec-websocket-key']}${WEB_SOCKET}`).digest('base64')
    const lines = ['HTTP/1.1 101 Switching Protocols', 'Connection: Upgrade', 'Upgrade: websocket', `Sec-WebSocket-Accept: ${accept}`]
    socket.write(`${lines.join('\r\n')}\r\n\r\n`)
    socket.pipe(socket)
  })
  // Whatever goes through a tunnel is asked about by nobody.
  server.on('connect', (incoming, socket) => {
    keep(incoming)
    socket.on('error', () => undefined)
    socket.end('HTTP/1.1 200 OK\r\n\r\nopened')
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  return { arrived, service: `127.0.0.1:${(server.address() as AddressInfo).port}` }
}

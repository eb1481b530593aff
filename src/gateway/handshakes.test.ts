/** What takes a place of a TLS listener before it has said who speaks: it gets nothing for it, and only for a time. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer as createTlsServer } from 'node:https'
import { type AddressInfo, connect, createServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { before, suite, type TestContext, test } from 'node:test'
import { connect as connectTls, type TLSSocket } from 'node:tls'
import { brought, eventually, openRaw, type RawConnection } from '../../test/fakes/raw-http.ts'
import { type SecretSource, secretSource } from '../config/references.ts'
import { createCertificateAuthority } from '../dev/certificate-authority.ts'
import { createLog } from '../log.ts'
import type { Gateway } from './gateway.ts'
import { boundHandshakes } from './handshakes.ts'
import { type Bounds, listen } from './server.ts'

const PLACES = 4
const HANDSHAKE_MS = 700

let tls: { readonly cert: SecretSource; readonly key: SecretSource }
let ca: string
/** The first bytes of a client that means it. */
let hello: string

before(async () => {
  const folder = await mkdtemp(join(tmpdir(), 'mandate-handshakes-'))
  const authority = await createCertificateAuthority('Gateway authority')
  const leaf = await authority.issue({ commonName: 'gateway', dnsNames: ['localhost'], ipAddresses: ['127.0.0.1'] })
  const secret = async (name: string, content: string) => {
    await writeFile(join(folder, name), content, { mode: 0o600 })
    return secretSource({ file: join(folder, name) })
  }
  tls = { cert: await secret('cert.pem', leaf.certificatePem), key: await secret('key.pem', leaf.privateKeyPem) }
  ca = authority.certificatePem
  hello = await recordHello()
  return () => rm(folder, { recursive: true })
})

async function recordHello(): Promise<string> {
  const server = createServer()
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const client = connectTls({ port: portOf(server), host: '127.0.0.1', ca, servername: 'localhost' })
  client.on('error', () => undefined)
  const [socket] = await once(server, 'connection')
  const [bytes]: Buffer[] = await once(socket, 'data')
  client.destroy()
  socket.destroy()
  server.close()
  return bytes?.toString('latin1') ?? ''
}

function portOf(server: Server): number {
  return (server.address() as AddressInfo).port
}

/** A listener with few places; `hung` resolves with a connection on which an answer is awaited. */
async function stage(t: TestContext, bounds: Partial<Bounds> = { handshakeTimeout: HANDSHAKE_MS }) {
  const unread: string[] = []
  const asked: string[] = []
  const gateway: Gateway = {
    async answer(request, response) {
      asked.push(request.url ?? '')
      if (request.url !== '/hang') response.end('ok')
    },
    async refuseUnread(peer, { code }) {
      unread.push(`${code} ${peer}`)
    },
  }
  const connections = { total: PLACES, perAddress: PLACES, spared: () => false, dropped: () => undefined }
  const listener = await listen(
    gateway,
    { host: '127.0.0.1', port: 0, tls, connections, bounds },
    createLog(() => undefined),
  )
  t.after(() => listener.close(0))
  return { listener, port: listener.port, unread, asked }
}

/** Asks for a path over TLS; resolves with the connection once the head of the request is sent. */
async function asks(port: number, path: string): Promise<TLSSocket> {
  const socket = connectTls({ port, host: '127.0.0.1', ca, servername: 'localhost' })
  socket.on('error', () => undefined)
  const over = once(socket, 'close').then(() => Promise.reject(new Error('it was closed')))
  over.catch(() => undefined)
  await Promise.race([once(socket, 'secureConnect'), over])
  socket.write(`GET ${path} HTTP/1.1\r\nHost: localhost\r\n\r\n`)
  return socket
}

async function isServed(port: number): Promise<boolean> {
  try {
    const socket = await asks(port, '/x')
    await brought(socket, /ok$/)
    socket.destroy()
    return true
  } catch {
    return false
  }
}

/** What they do, and what is counted for each. */
const SHAPES: ReadonlyArray<readonly [what: string, act: (connection: RawConnection) => void, counted: string | undefined]> = [
  ['say nothing', () => undefined, 'request_timeout'],
  ['say nothing and read nothing', ({ socket }) => void socket.pause(), 'request_timeout'],
  ['stop within their hello', ({ send }) => send(hello.slice(0, 100)), 'request_timeout'],
  ['stop after their hello', ({ send }) => send(hello), 'request_timeout'],
  ['announce more than comes', ({ send }) => send('\x16\x03\x01\x3f\xff\xde\xad\xbe\xef'), 'request_timeout'],
  ['end their side', ({ socket }) => void socket.end(), undefined],
  ['send what is no TLS', ({ send }) => send('\xde\xad\xbe\xef'.repeat(100)), 'header_ambiguous'],
  ['send HTTP', ({ send }) => send('GET /x HTTP/1.1\r\nHost: localhost\r\n\r\n'), 'header_ambiguous'],
]

suite('refuses a handshake', () => {
  for (const [what, act, counted] of SHAPES)
    test(`to callers that ${what}, and their places are free again`, async (t) => {
      const { port, unread, asked } = await stage(t)
      const all = await Promise.all(Array.from({ length: PLACES }, () => openRaw(port)))
      all.forEach(act)
      await eventually(
        () => isServed(port),
        (served) => served,
        10_000,
      )
      assert.deepEqual(asked, ['/x'])
      await eventually(
        () => unread,
        (each) => each.length === (counted === undefined ? 0 : PLACES),
        10_000,
      )
      assert.ok(unread.every((each) => each === `${counted} 127.0.0.1`))
      for (const { socket } of all) socket.resume()
      // An alert at most (RFC 8446 6): never an answer.
      for (const each of all) assert.doesNotMatch(await each.closed(10_000), /HTTP/)
    })

  for (const [what, begun] of [
    ['before it', () => ''],
    ['within it', () => hello.slice(0, 100)],
    ['after their hello', () => hello],
  ] as const)
    test(`to nobody who leaves ${what}: their places are free at once and nothing is counted`, async (t) => {
      const { port, unread } = await stage(t, { handshakeTimeout: 60_000 })
      for (let i = 0; i < 2 * PLACES; i += 1) {
        const { socket, send } = await openRaw(port)
        if (begun() !== '') send(begun())
        await new Promise((resolve) => socket.write('', resolve))
        socket.destroy()
      }
      await eventually(
        () => isServed(port),
        (served) => served,
        10_000,
      )
      assert.deepEqual(unread, [])
    })

  test('drop by drop no longer than in silence', async (t) => {
    const { port, unread } = await stage(t)
    const connection = await openRaw(port)
    let sent = 0
    const drops = setInterval(() => connection.socket.writable && connection.send(hello[sent++] ?? ''), 20)
    t.after(() => clearInterval(drops))
    await connection.closed(HANDSHAKE_MS * 5)
    assert.deepEqual(unread, ['request_timeout 127.0.0.1'])
  })

  test('and knows no connection any more once the time is up', async (t) => {
    const server = createTlsServer({ cert: tls.cert.read().expose(), key: tls.key.read().expose(), handshakeTimeout: 200 })
    const failed: Array<string | undefined> = []
    boundHandshakes(server, ({ destroyed }, { code }) => failed.push(`${code} ${destroyed}`))
    server.listen(0, '127.0.0.1')
    t.after(() => server.close())
    await once(server, 'listening')
    const all = Array.from({ length: 10 }, () => connect(portOf(server), '127.0.0.1'))
    for (const each of all) each.pause().on('error', () => undefined)
    await eventually(
      () => failed.length,
      (count) => count === all.length,
    )
    assert.deepEqual(new Set(failed), new Set(['ERR_TLS_HANDSHAKE_TIMEOUT false']))
    await eventually(
      () => new Promise<number>((resolve, reject) => server.getConnections((error, count) => (error ? reject(error) : resolve(count)))),
      (count) => count === 0,
    )
    for (const each of all) each.destroy()
  })
})

test('a stop waits for no handshake, and for the answers that were asked for', async (t) => {
  const { listener, port, asked } = await stage(t, { handshakeTimeout: 60_000 })
  const silent = [await openRaw(port), await openRaw(port)]
  silent[1]?.send(hello)
  const busy = await asks(port, '/hang')
  t.after(() => busy.destroy())
  await eventually(
    () => asked,
    (paths) => paths.length === 1,
  )
  const stopped = listener.close(60_000)
  for (const each of silent) await each.closed(10_000)
  assert.equal(busy.closed, false)
  busy.destroy()
  await stopped
})

/** What arrives in an order that nobody meant: it costs its own connection at most, and the process and its answers go on. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import type { ServerResponse } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { before, suite, type TestContext, test } from 'node:test'
import { connect as connectTls, type TLSSocket } from 'node:tls'
import { eventually, exchangeRaw, openRaw } from '../../test/fakes/raw-http.ts'
import { type SecretSource, secretSource } from '../config/references.ts'
import { createCertificateAuthority } from '../dev/certificate-authority.ts'
import type { Refusal } from '../errors.ts'
import { createLog } from '../log.ts'
import type { Gateway } from './gateway.ts'
import { type ListenOptions, listen } from './server.ts'

interface Stage {
  readonly port: number
  readonly unread: Refusal[]
  /** From where it came that was refused unread. */
  readonly peers: Array<string | undefined>
  readonly logged: string[]
  /** What the gateway was asked, and whether with a connection of its own. */
  readonly asked: string[]
  /** Answers that were begun by /hang and /stream. */
  readonly open: ServerResponse[]
}

/** A gateway that answers ok; /hang waits, /stream begins and waits, /throw and /reject are faults of ours. */
async function stage(t: TestContext, more: Partial<ListenOptions> = {}, refuseUnread?: Gateway['refuseUnread']): Promise<Stage> {
  const made: Omit<Stage, 'port'> = { unread: [], peers: [], logged: [], asked: [], open: [] }
  const gateway: Gateway = {
    answer(request, response, upgrade) {
      made.asked.push(`${request.url}${upgrade === undefined ? '' : ' upgrade'}`)
      if (request.url === '/throw') throw new Error('thrown with a secret')
      if (request.url === '/reject') return Promise.reject(new Error('rejected with a secret'))
      if (request.url !== '/hang' && request.url !== '/stream') response.end('ok')
      else made.open.push(response)
      if (request.url === '/stream') response.writeHead(200, { 'Content-Length': 1_000 }).write('begun')
      return Promise.resolve()
    },
    async refuseUnread(peer, refusal) {
      made.unread.push(refusal)
      made.peers.push(peer)
      await refuseUnread?.(peer, refusal)
    },
  }
  const listener = await listen(
    gateway,
    { host: '127.0.0.1', port: 0, ...more },
    createLog((line) => void made.logged.push(line)),
  )
  t.after(() => listener.close(0))
  return { port: listener.port, ...made }
}

const head = (method: string, path: string, ...lines: readonly string[]) =>
  `${[`${method} ${path} HTTP/1.1`, ...lines].join('\r\n')}\r\n\r\n`
const HOST = 'Host: localhost'
const WEBSOCKET = ['Connection: Upgrade', 'Upgrade: websocket'] as const
const SPDY = ['Connection: Upgrade', 'Upgrade: SPDY/3.1'] as const

/** Each comes behind a request that is still under way; a body that is announced has not come whole. */
const BEHIND: ReadonlyArray<readonly [what: string, text: string]> = [
  ['an upgrade with a body', head('GET', '/clusters/', 'Host: x', ...WEBSOCKET, 'Content-Length: 1')],
  ['an upgrade with the beginning of a body', `${head('POST', '/clusters/x', HOST, ...SPDY, 'Content-Length: 5')}ab`],
  ['an upgrade with a whole body', `${head('POST', '/clusters/x', HOST, ...SPDY, 'Content-Length: 5')}abcde`],
  ['an upgrade in chunks', head('POST', '/clusters/x', HOST, ...WEBSOCKET, 'Transfer-Encoding: chunked')],
  ['an upgrade in chunks that came', `${head('POST', '/clusters/x', HOST, ...WEBSOCKET, 'Transfer-Encoding: chunked')}1\r\na\r\n0\r\n\r\n`],
  ['an upgrade without a body', head('POST', '/clusters/x', HOST, ...SPDY)],
  ['an upgrade without a host, with a body', head('GET', '/clusters/', ...WEBSOCKET, 'Content-Length: 5')],
  ['an upgrade that waits for 100 Continue', head('POST', '/clusters/x', HOST, ...SPDY, 'Content-Length: 5', 'Expect: 100-continue')],
  ['two upgrades', head('GET', '/clusters/', HOST, ...WEBSOCKET, 'Content-Length: 1').repeat(2)],
  ['a CONNECT', head('CONNECT', 'x:1', 'Host: x')],
  ['a CONNECT with a body', head('CONNECT', 'x:1', 'Host: x', 'Content-Length: 5')],
  ['a CONNECT in chunks', `${head('CONNECT', 'x:1', 'Host: x', 'Transfer-Encoding: chunked')}1\r\n`],
  ['a CONNECT that is an upgrade', head('CONNECT', '/clusters/x', HOST, ...WEBSOCKET, 'Content-Length: 1')],
  ['what is no HTTP', 'bad request\r\n\r\n'],
]

let tls: { readonly cert: SecretSource; readonly key: SecretSource }
let ca: string

before(async () => {
  const folder = await mkdtemp(join(tmpdir(), 'mandate-faults-'))
  const authority = await createCertificateAuthority('Gateway authority')
  const leaf = await authority.issue({ commonName: 'gateway', dnsNames: ['localhost'], ipAddresses: ['127.0.0.1'] })
  const secret = async (name: string, content: string) => {
    await writeFile(join(folder, name), content, { mode: 0o600 })
    return secretSource({ file: join(folder, name) })
  }
  tls = { cert: await secret('cert.pem', leaf.certificatePem), key: await secret('key.pem', leaf.privateKeyPem) }
  ca = authority.certificatePem
  return () => rm(folder, { recursive: true })
})

interface Connection {
  send(text: string): void
  received(): string
  isOver(): boolean
  close(): void
}

async function open(t: TestContext, port: number, secured: boolean): Promise<Connection> {
  if (!secured) {
    const { socket, send, received } = await openRaw(port)
    t.after(() => socket.destroy())
    return { send, received, isOver: () => socket.destroyed, close: () => socket.destroy() }
  }
  const socket: TLSSocket = connectTls({ port, host: '127.0.0.1', ca, servername: 'localhost' })
  t.after(() => socket.destroy())
  let received = ''
  socket.setEncoding('latin1').on('data', (text: string) => {
    received += text
  })
  socket.on('error', () => undefined)
  await once(socket, 'secureConnect')
  return {
    send: (text) => void socket.write(text, 'latin1'),
    received: () => received,
    isOver: () => socket.destroyed,
    close: () => socket.destroy(),
  }
}

for (const [scheme, secured] of [
  ['http', false],
  ['https', true],
] as const) {
  suite(`behind a request that is under way, over ${scheme}`, () => {
    for (const [what, text] of BEHIND) {
      test(`${what} ends no process, whether it comes at once or later`, async (t) => {
        const { port, asked, logged } = await stage(t, secured ? { tls } : {})
        for (const pieces of [[head('GET', '/hang', HOST) + text], [head('GET', '/hang', HOST), text]]) {
          const before = asked.length
          const connection = await open(t, port, secured)
          for (const piece of pieces) {
            connection.send(piece)
            await eventually(
              () => asked.length,
              (count) => count > before,
            )
          }
          // Whatever of it is refused at once is refused by now; the rest waits for its turn.
          const other = await open(t, port, secured)
          other.send(head('GET', '/x', HOST))
          await eventually(other.received, (all) => all.endsWith('ok'))
          connection.close()
          other.close()
        }
        assert.ok(!asked.some((each) => each.includes('upgrade')), 'it was handed over beside the request before it')
        assert.deepEqual(logged, [], 'it was a fault of ours')
      })

      test(`${what} writes nothing into an answer that has begun`, async (t) => {
        const { port, open: begun, logged, peers } = await stage(t, secured ? { tls } : {})
        const connection = await open(t, port, secured)
        connection.send(head('GET', '/stream', HOST))
        await eventually(connection.received, (all) => all.endsWith('begun'))
        connection.send(text)
        const other = await open(t, port, secured)
        other.send(head('GET', '/x', HOST))
        await eventually(other.received, (all) => all.endsWith('ok'))
        begun[0]?.end('x'.repeat(995))
        await eventually(
          () => connection.isOver() || connection.received().includes('x'.repeat(995)),
          (done) => done,
        )
        const answer = connection.received()
        assert.match(answer.slice(answer.indexOf('begun'), answer.indexOf('begun') + 1_000), /^begunx*$/)
        assert.ok(
          peers.every((peer) => peer === '127.0.0.1'),
          'it was counted for nobody',
        )
        assert.deepEqual(logged, [], 'it was a fault of ours')
      })
    }
  })
}

suite('a fault of ours', () => {
  for (const [what, path] of [
    ['throws', '/throw'],
    ['rejects', '/reject'],
  ] as const) {
    test(`that ${what} costs its connection, is counted, and is logged without its message`, async (t) => {
      const { port, unread, logged, peers } = await stage(t)
      const other = await openRaw(port)
      const connection = await openRaw(port)
      connection.send(head('GET', path, HOST))
      assert.equal(await connection.closed(), '')
      other.send(head('GET', '/x', HOST))
      await other.until(/ok$/)
      other.socket.destroy()
      assert.deepEqual(
        unread.map(({ code }) => code),
        ['fault'],
      )
      assert.deepEqual(peers, ['127.0.0.1'])
      assert.equal(logged.length, 1)
      assert.match(logged[0] ?? '', /"level":"error","message":"a fault ended a connection"/)
      assert.doesNotMatch(logged[0] ?? '', /secret/)
    })
  }

  test('in a request that waited for its turn costs its connection alone', async (t) => {
    const { port, open: begun, asked, unread } = await stage(t)
    const connection = await openRaw(port)
    connection.send(`${head('GET', '/hang', HOST)}${head('GET', '/throw', HOST)}${head('GET', '/x', HOST)}`)
    await eventually(
      () => begun.length,
      (count) => count === 1,
    )
    begun[0]?.end('first')
    await connection.closed()
    assert.deepEqual(asked, ['/hang', '/throw'])
    assert.deepEqual(
      unread.map(({ code }) => code),
      ['fault'],
    )
    assert.equal((await exchangeRaw(port, head('GET', '/x', HOST))).status, 200)
  })

  test('in an upgrade costs its connection alone', async (t) => {
    const { port, unread } = await stage(t, { webSocketHosts: new Set(['localhost']) })
    const connection = await openRaw(port)
    connection.send(head('GET', '/throw', HOST, ...WEBSOCKET))
    assert.equal(await connection.closed(), '')
    assert.deepEqual(
      unread.map(({ code }) => code),
      ['fault'],
    )
    assert.equal((await exchangeRaw(port, head('GET', '/x', HOST))).status, 200)
  })

  test('in whether a peer is taken costs its connection alone', async (t) => {
    let faulty = true
    const from = () => {
      if (faulty) throw new Error('cannot tell')
      return true
    }
    const { port, unread } = await stage(t, { from })
    const connection = await openRaw(port)
    connection.send(head('GET', '/x', HOST))
    assert.equal(await connection.closed(), '')
    assert.equal(unread[0]?.code, 'fault')
    faulty = false
    assert.equal((await exchangeRaw(port, head('GET', '/x', HOST))).status, 200)
  })

  test('in counting what was refused is logged', async (t) => {
    const { port, logged } = await stage(t, {}, async () => {
      throw new Error('cannot count')
    })
    const connection = await openRaw(port)
    connection.send('bad request\r\n\r\n')
    await connection.closed()
    await eventually(
      () => logged.join(''),
      (all) => all.includes('could not be counted'),
    )
    assert.equal((await exchangeRaw(port, head('GET', '/x', HOST))).status, 200)
  })
})

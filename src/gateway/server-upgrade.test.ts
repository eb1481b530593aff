/** Upgrades at the listener: what bounds them until they are joined, that nothing does afterwards, and what they leave behind. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Duplex } from 'node:stream'
import { suite, type TestContext, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { connect as connectTls } from 'node:tls'
import { eventually, openRaw, type RawAnswering, type RawUpstream, readAnswer, startRawUpstream } from '../../test/fakes/raw-http.ts'
import { secretSource } from '../config/references.ts'
import { bearerCredential } from '../credential.ts'
import { createCertificateAuthority } from '../dev/certificate-authority.ts'
import { asRefusal } from '../errors.ts'
import { createHttpUpstream } from '../forward/http.ts'
import { BEARER } from '../forward/kubernetes.fake.ts'
import { kubernetesUpgradeAct } from '../forward/kubernetes-upgrade.ts'
import type { Grant } from '../grant.ts'
import { createLog } from '../log.ts'
import { Secret } from '../secret.ts'
import { answerRefusal } from './answers.ts'
import type { Gateway } from './gateway.ts'
import { type Listener, type ListenOptions, listen } from './server.ts'

/** Every bound there is, far below what the tests then wait. */
const LOW = {
  keepAliveTimeout: 100,
  headersTimeout: 200,
  requestTimeout: 300,
  fetchTimeout: 200,
  connectionsCheckingInterval: 50,
} as const
const ANSWER_WITHIN_MS = 200
const LONG_MS = 1_500

const SWITCHED = 'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\n\r\n'
const ASK = 'POST /clusters/prod/exec HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\n\r\n'

/** An API server that switches and then gives back what it gets. */
const echo: RawAnswering = (socket) => {
  socket.write(SWITCHED)
  socket.removeAllListeners('data')
  socket.on('data', (text) => void socket.write(text))
}

interface UpgradeStage {
  readonly port: number
  readonly listener: Listener
  readonly upstream: RawUpstream
  /** What the gateway was asked, upgrades and requests alike. */
  readonly asked: string[]
  /** The callers' connections that were handed over. */
  readonly handedOver: Duplex[]
  live(): number
}

/** A listener before an API server, and no rules between them: whoever asks is the caller. */
async function stage(
  t: TestContext,
  answering: RawAnswering = echo,
  { answerWithinMs = ANSWER_WITHIN_MS, ...more }: Partial<ListenOptions> & { readonly answerWithinMs?: number } = {},
): Promise<UpgradeStage> {
  const upstream = await startRawUpstream(answering)
  const origin = createHttpUpstream({ origin: upstream.origin })
  const asked: string[] = []
  const handedOver: Duplex[] = []
  let live = 0
  const target = {
    upstream: origin,
    streamMaxAgeMs: 60_000,
    answerWithinMs,
    liveStreams: (change: 1 | -1) => {
      live += change
    },
    stopping: new AbortController().signal,
  }
  const credential = bearerCredential(new Secret('t'), Number.MAX_SAFE_INTEGER)
  const grant: Grant = {
    caller: {
      principal: { kind: 'person', provider: 'corp', issuer: 'i', subject: 's', groups: [] },
      proof: BEARER,
      ended: new AbortController().signal,
    },
    credential,
    effect: async () => undefined,
    refused: () => true,
    renew: async () => credential,
    streamOpened: async () => undefined,
  }
  const gateway: Gateway = {
    async answer(request, response, upgrade) {
      asked.push(`${request.method} ${request.url}`)
      if (upgrade === undefined) return void response.end('ok')
      handedOver.push(upgrade.socket)
      const act = kubernetesUpgradeAct(target, {
        request,
        response,
        connection: upgrade.socket,
        early: upgrade.early,
        path: '/exec',
        mount: '/clusters/prod',
        writes: true,
        effect: 'exec',
        asked: { protocol: request.headers.upgrade ?? '', subprotocols: [] },
      })
      await act(grant).catch((error: unknown) => answerRefusal({ response, requestId: 'r', form: 'status' }, asRefusal(error)))
    },
    refuseUnread: async () => undefined,
  }
  const listener = await listen(
    gateway,
    { host: '127.0.0.1', port: 0, bounds: LOW, ...more },
    createLog(() => undefined),
  )
  t.after(async () => {
    await listener.close(0)
    await origin.close()
    await upstream.close()
  })
  return { port: listener.port, listener, upstream, asked, handedOver, live: () => live }
}

const refuses: RawAnswering = (socket) =>
  void socket.write('HTTP/1.1 403 Forbidden\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nno')

suite('an upgrade that is not joined', () => {
  test('refused by the API server: its connection is closed, and what was sent behind it is no request', async (t) => {
    const { port, asked } = await stage(t, refuses)
    const connection = await openRaw(port)
    connection.send(`${ASK}GET /smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n`)
    const { status, head, all } = readAnswer(await connection.closed())
    assert.equal(status, 403)
    assert.match(head, /\r\nconnection: close/)
    assert.equal(all.match(/HTTP\/1\.1/g)?.length, 1)
    assert.deepEqual(asked, ['POST /clusters/prod/exec'])
  })

  test('never answered by the API server: refused and closed within the bound of an answer', async (t) => {
    const { port } = await stage(t, () => undefined)
    const connection = await openRaw(port)
    connection.send(ASK)
    assert.equal(readAnswer(await connection.closed()).status, 504)
  })

  test('refused, and its caller goes on holding the connection: it is cut when the time for fetching is up', async (t) => {
    const { port, handedOver } = await stage(t, refuses)
    const holding = connect({ port, host: '127.0.0.1', allowHalfOpen: true })
    t.after(() => holding.destroy())
    holding.on('error', () => undefined)
    holding.resume()
    holding.write(ASK)
    await once(holding, 'end')
    await eventually(
      () => handedOver[0]?.destroyed,
      (destroyed) => destroyed === true,
      LOW.fetchTimeout + 2_000,
    )
  })

  test('refused, and its caller goes on sending a byte now and then: it is cut all the same', async (t) => {
    const { port, handedOver } = await stage(t, refuses)
    const holding = connect({ port, host: '127.0.0.1', allowHalfOpen: true })
    holding.on('error', () => undefined)
    holding.write(`${ASK}more`)
    const drops = setInterval(() => holding.writable && holding.write('x'), 20)
    t.after(() => {
      clearInterval(drops)
      holding.destroy()
    })
    await eventually(
      () => handedOver[0]?.destroyed,
      (destroyed) => destroyed === true,
      LOW.fetchTimeout + 2_000,
    )
  })

  test('refused, with bytes behind its head, by callers that then leave: nothing is held for them', async (t) => {
    const { port, handedOver } = await stage(t, refuses, { bounds: { ...LOW, fetchTimeout: 60_000 } })
    for (let i = 0; i < 20; i += 1) {
      const connection = await openRaw(port)
      connection.send(`${ASK}0123456789`)
      await connection.until(/403/)
      connection.socket.end()
    }
    await eventually(
      () => handedOver.filter(({ destroyed }) => !destroyed).length,
      (held) => held === 0,
    )
  })

  test('a caller that ends its side before there is an answer has left', async (t) => {
    const { port, upstream, handedOver } = await stage(t, () => undefined)
    const connection = await openRaw(port)
    connection.send(ASK)
    await eventually(
      () => upstream.heads().length,
      (count) => count === 1,
    )
    connection.socket.end()
    await eventually(
      () => handedOver[0]?.destroyed && upstream.connections[0]?.socket.destroyed,
      (gone) => gone === true,
    )
    // The bound of an answer would have brought a 504.
    assert.equal(connection.received(), '')
  })

  test('one of another protocol, of HTTP/1.0, or of another path is a request like any other', async (t) => {
    const { port, upstream, handedOver } = await stage(t)
    for (const ask of [
      ASK.replace('SPDY/3.1', 'foo, bar'),
      ASK.replace('SPDY/3.1', 'h2c'),
      ASK.replace('HTTP/1.1', 'HTTP/1.0'),
      ASK.replace('/clusters/prod/exec', '/x'),
    ]) {
      const connection = await openRaw(port)
      connection.send(ask)
      await connection.until(/200 OK/)
      connection.socket.destroy()
    }
    assert.deepEqual(handedOver, [])
    assert.deepEqual(upstream.heads(), [])
  })

  test('elsewhere than below /clusters/ it is handed over for a host with WebSockets alone, and then only as one', async (t) => {
    const { port, asked, handedOver } = await stage(t, echo, { webSocketHosts: new Set(['app.example']) })
    const open = 'GET /socket HTTP/1.1\r\nHost: app.example:8443\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n'
    for (const ask of [
      open.replace('app.example', 'other.example'),
      open.replace('app.example', 'app.example.evil'),
      open.replace('Host: app.example:8443', 'Host: app.example, other.example'),
      open.replace('GET', 'POST'),
      open.replace('websocket', 'SPDY/3.1'),
      open.replace('websocket', 'websocket, h2c'),
      open.replace('HTTP/1.1', 'HTTP/1.0'),
    ]) {
      const connection = await openRaw(port)
      connection.send(ask)
      await connection.until(/200 OK/)
      connection.socket.destroy()
    }
    assert.deepEqual(handedOver, [])
    const before = asked.length
    const connection = await openRaw(port)
    connection.send(open.replace('app.example', 'APP.example').replace('websocket', 'WebSocket'))
    await eventually(
      () => handedOver.length,
      (count) => count === 1,
    )
    assert.equal(asked.length, before + 1)
    connection.socket.destroy()
  })

  for (const [what, drop] of [
    ['stops within its head', ''],
    ['sends its head drop by drop', 'X-A: b\r\n'],
  ] as const) {
    test(`a caller that ${what} is cut within the bound`, async (t) => {
      const { port, asked } = await stage(t)
      const connection = await openRaw(port)
      connection.send(ASK.slice(0, -2))
      const drops = setInterval(() => drop !== '' && connection.socket.writable && connection.send(drop), 20)
      t.after(() => clearInterval(drops))
      assert.match(await connection.closed(LOW.headersTimeout + 2_000), /^HTTP\/1\.1 408 /)
      assert.deepEqual(asked, [])
    })
  }
})

suite('an upgrade that was joined', () => {
  for (const [what, before] of [
    ['as the first of its connection', ''],
    ['behind a request', 'GET /x HTTP/1.1\r\nHost: localhost\r\n\r\n'],
  ] as const) {
    test(`${what} is idle for much longer than every bound, and works afterwards`, async (t) => {
      const { port, live } = await stage(t)
      const connection = await openRaw(port)
      if (before !== '') {
        connection.send(before)
        await connection.until(/ok$/)
      }
      connection.send(ASK)
      await connection.until(/101 Switching Protocols/)
      connection.send('one;')
      await connection.until(/one;$/)
      await sleep(LONG_MS)
      connection.send('two;')
      await connection.until(/one;two;$/)
      assert.equal(live(), 1)
      connection.socket.destroy()
      await eventually(live, (count) => count === 0)
    })
  }

  test('over TLS it is the same', async (t) => {
    const folder = await mkdtemp(join(tmpdir(), 'mandate-upgrade-'))
    t.after(() => rm(folder, { recursive: true }))
    const authority = await createCertificateAuthority('Gateway authority')
    const leaf = await authority.issue({ commonName: 'gateway', dnsNames: ['localhost'], ipAddresses: ['127.0.0.1'] })
    const secret = async (name: string, content: string) => {
      const file = join(folder, name)
      await writeFile(file, content, { mode: 0o600 })
      return secretSource({ file })
    }
    const tls = { cert: await secret('cert.pem', leaf.certificatePem), key: await secret('key.pem', leaf.privateKeyPem) }
    const { port, live } = await stage(t, echo, { tls })
    const caller = connectTls({ port, host: '127.0.0.1', ca: authority.certificatePem, servername: 'localhost' })
    t.after(() => caller.destroy())
    let received = ''
    caller.setEncoding('latin1').on('data', (text: string) => {
      received += text
    })
    const comes = (pattern: RegExp) => eventually(() => received, pattern.test.bind(pattern))
    await once(caller, 'secureConnect')
    caller.write(`${ASK}early;`)
    await comes(/101 Switching Protocols[\s\S]*early;$/)
    await sleep(LONG_MS)
    caller.write('late;')
    await comes(/early;late;$/)
    caller.end()
    await eventually(live, (count) => count === 0)
  })

  test('goes on while the listener stops, and is cut when the grace is over', async (t) => {
    const { port, listener, live } = await stage(t)
    const connection = await openRaw(port)
    connection.send(ASK)
    await connection.until(/101 Switching Protocols/)
    const closing = listener.close(400)
    connection.send('one;')
    await connection.until(/one;$/)
    assert.equal(live(), 1)
    await connection.closed(400 + 2_000)
    await closing
    await eventually(live, (count) => count === 0)
  })
})

/** What keeps the process alive, in the kinds that connections leave behind. */
function held(): Record<string, number> {
  const resources = process.getActiveResourcesInfo()
  const count = (kind: string) => resources.filter((resource) => resource === kind).length
  return { sockets: count('TCPSocketWrap'), timers: count('Timeout'), requests: count('TCPConnectWrap') + count('WriteWrap') }
}

const MANY = 200

suite('many upgrades', () => {
  for (const [what, answering, leave] of [
    ['dropped by their callers', echo, 'drop'],
    ['ended by their callers', echo, 'end'],
    ['dropped by the API server', echo, 'upstream'],
    ['left before they were answered', () => undefined, 'at once'],
    ['refused', refuses, 'nothing'],
  ] as const) {
    test(`${MANY} ${what} leave no socket and no timer`, async (t) => {
      const { port, live, upstream, handedOver } = await stage(t, answering, { answerWithinMs: 30_000 })
      const before = held()
      const connections = await Promise.all(Array.from({ length: MANY }, () => openRaw(port)))
      for (const { send } of connections) send(ASK)
      if (answering === echo) {
        await Promise.all(connections.map(({ until }) => until(/101 Switching Protocols/)))
        assert.equal(live(), MANY)
        assert.ok((held()['timers'] ?? 0) >= MANY, 'the streams are counted in what is held')
      } else {
        await eventually(
          () => handedOver.length,
          (count) => count === MANY,
        )
      }
      for (const [nth, { socket }] of connections.entries()) {
        if (leave === 'end') socket.end()
        if (leave === 'at once' || (leave === 'drop' && nth % 2 === 0)) socket.destroy()
        if (leave === 'drop' && nth % 2 === 1) socket.resetAndDestroy()
      }
      if (leave === 'upstream') for (const { socket } of upstream.connections) socket.destroy()
      await Promise.all(connections.map(({ closed }) => closed()))
      // What an earlier test left behind may end meanwhile, so there may be less than before.
      await eventually(held, (now) => Object.entries(now).every(([kind, count]) => count <= (before[kind] ?? 0)))
      assert.equal(live(), 0)
    })
  }
})

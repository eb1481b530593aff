import assert from 'node:assert/strict'
import { suite, type TestContext, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { eventually, exchangeRaw, openRaw, readAnswer } from '../../test/fakes/raw-http.ts'
import { asRefusal, type Refusal } from '../errors.ts'
import { createLog } from '../log.ts'
import { answerRefusal } from './answers.ts'
import { createFormReader } from './form-body.ts'
import type { Gateway } from './gateway.ts'
import { readHead } from './request-head.ts'
import { type Bounds, type Listener, type ListenOptions, listen } from './server.ts'

interface ServerStage {
  readonly port: number
  readonly listener: Listener
  /** Requests that got as far as the gateway. */
  readonly arrived: string[]
  readonly unread: Refusal[]
  /** Answers whose end or whose connection's end was noticed. */
  readonly closed: string[]
}

/** A gateway that reads the head and answers ok; /hang never does, /stream begins and goes on. */
async function stage(t: TestContext, bounds: Partial<Bounds> = {}, more: Partial<ListenOptions> = {}): Promise<ServerStage> {
  const arrived: string[] = []
  const unread: Refusal[] = []
  const closed: string[] = []
  const readForm = createFormReader()
  const gateway: Gateway = {
    async answer(request, response) {
      arrived.push(`${request.method} ${request.url}`)
      try {
        readHead(request.rawHeaders)
        if (request.url === '/hang') return
        response.once('close', () => closed.push(`${request.url}`))
        if (request.url === '/large') return void response.end(Buffer.alloc(64_000_000))
        if (request.url === '/form') await readForm({ request, response, address: '192.0.2.1' })
        else for await (const part of request) void part
        if (request.url === '/stream') return void response.write('begun')
        response.end('ok')
      } catch (error) {
        answerRefusal({ response, requestId: 'r', form: 'problem' }, asRefusal(error))
      }
    },
    async refuseUnread(_peer, refusal) {
      unread.push(refusal)
    },
  }
  const listener = await listen(
    gateway,
    { host: '127.0.0.1', port: 0, bounds, ...more },
    createLog(() => undefined),
  )
  t.after(() => listener.close(0))
  return { port: listener.port, listener, arrived, unread, closed }
}

const head = (...lines: readonly string[]) => `${['GET /x HTTP/1.1', 'Host: localhost', ...lines].join('\r\n')}\r\n\r\n`
const post = (...lines: readonly string[]) => `${['POST /x HTTP/1.1', 'Host: localhost', ...lines].join('\r\n')}\r\n\r\n`

/** What smuggles: each is one request to one parser and another, or two, to another. */
const SMUGGLING: ReadonlyArray<readonly [what: string, text: string]> = [
  ['a length and chunks', `${post('Content-Length: 4', 'Transfer-Encoding: chunked')}0\r\n\r\n`],
  ['chunks and a length', `${post('Transfer-Encoding: chunked', 'Content-Length: 4')}0\r\n\r\n`],
  ['two lengths', `${post('Content-Length: 4', 'Content-Length: 5')}abcd`],
  ['two equal lengths', `${post('Content-Length: 4', 'Content-Length: 4')}abcd`],
  ['a list of lengths', `${post('Content-Length: 4, 4')}abcd`],
  ['a signed length', `${post('Content-Length: +4')}abcd`],
  ['a negative length', post('Content-Length: -1')],
  ['a hexadecimal length', `${post('Content-Length: 0x4')}abcd`],
  ['a length beyond all numbers', post('Content-Length: 99999999999999999999')],
  ['transfer codings twice', `${post('Transfer-Encoding: chunked', 'Transfer-Encoding: identity')}0\r\n\r\n`],
  ['chunked twice', `${post('Transfer-Encoding: chunked', 'Transfer-Encoding: chunked')}0\r\n\r\n`],
  ['another coding', `${post('Transfer-Encoding: xchunked')}0\r\n\r\n`],
  ['chunked before another coding', `${post('Transfer-Encoding: chunked, identity')}0\r\n\r\n`],
  ['a coding before chunked', `${post('Transfer-Encoding: gzip, chunked')}0\r\n\r\n`],
  ['a coding behind a vertical tab', `${post('Transfer-Encoding: \x0bchunked')}0\r\n\r\n`],
  ['a header name before a space', head('Authorization : Bearer a')],
  ['a transfer coding before a space', `${post('Transfer-Encoding : chunked')}0\r\n\r\n`],
  ['a header name with a space', head('X Y: z')],
  ['a header line without a colon', head('Authorization')],
  ['a folded header', head('X-A: b', ' c: d')],
  ['a header folded by a tab', head('X-A: b', '\tImpersonate-User: admin')],
  ['a folded first header', 'GET /x HTTP/1.1\r\n Host: localhost\r\n\r\n'],
  ['bare line feeds', 'GET /x HTTP/1.1\nHost: localhost\n\n'],
  ['a bare line feed in a header', head('X-A: b\nImpersonate-User: admin')],
  ['a bare carriage return in a header', head('X-A: b\rImpersonate-User: admin')],
  ['a NUL in a header', head('X-A: b\0c')],
  ['an empty header name', head(': x')],
  ['a header name outside ASCII', head('X-\xe9: x')],
  ['a chunk size that is no number', `${post('Transfer-Encoding: chunked')}zz\r\n`],
  ['a chunk size with a sign', `${post('Transfer-Encoding: chunked')}+5\r\nhello\r\n0\r\n\r\n`],
  ['a chunk size with 0x', `${post('Transfer-Encoding: chunked')}0x5\r\nhello\r\n0\r\n\r\n`],
  ['a chunk size beyond all numbers', `${post('Transfer-Encoding: chunked')}fffffffffffffffff\r\n`],
  ['a chunk without its line break', `${post('Transfer-Encoding: chunked')}5\r\nhelloXX0\r\n\r\n`],
  ['a chunk line that ends in a bare line feed', `${post('Transfer-Encoding: chunked')}5\nhello\r\n0\r\n\r\n`],
  ['chunk extensions without end', `${post('Transfer-Encoding: chunked')}5;${'a'.repeat(40_000)}\r\nhello\r\n0\r\n\r\n`],
  ['trailers without end', `${post('Transfer-Encoding: chunked')}0\r\nX: ${'a'.repeat(40_000)}\r\n\r\n`],
  ['no host', 'GET /x HTTP/1.1\r\n\r\n'],
  ['two hosts', head('Host: evil.example')],
  ['another version', 'GET /x HTTP/3.7\r\nHost: localhost\r\n\r\n'],
  ['no version', 'GET /x\r\nHost: localhost\r\n\r\n'],
  ['chunks in HTTP/1.0', 'POST /x HTTP/1.0\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\nConnection: keep-alive\r\n\r\n0\r\n\r\n'],
  ['a space in the target', 'GET /x y HTTP/1.1\r\nHost: localhost\r\n\r\n'],
  ['a method with a space before it', ' GET /x HTTP/1.1\r\nHost: localhost\r\n\r\n'],
  ['a method nobody knows', 'FROB /x HTTP/1.1\r\nHost: localhost\r\n\r\n'],
  ['HTTP/2 out of the blue', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'],
  ['a TLS handshake', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03'],
]

suite('the listener', () => {
  for (const [what, text] of SMUGGLING) {
    test(`refuses ${what}, and what is hidden behind it is no request`, async (t) => {
      const { port, arrived } = await stage(t)
      const connection = await openRaw(port)
      connection.send(`${text}GET /smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n`)
      const all = await connection.until(/HTTP\/1\.1 4\d\d /).catch(() => connection.closed())
      await sleep(30)
      assert.ok(!arrived.includes('GET /smuggled'), `it got through; ${all}`)
      assert.doesNotMatch(connection.received(), /HTTP\/1\.1 200/, 'it was answered')
      connection.socket.destroy()
    })
  }

  test('what the parser refuses is answered in a form of ours, closed, counted, and not quoted', async (t) => {
    const { port, unread } = await stage(t)
    const connection = await openRaw(port)
    connection.send(head('X secret-value: y'))
    const { status, head: lines, body } = readAnswer(await connection.closed())
    assert.equal(status, 400)
    assert.match(lines, /content-type: application\/problem\+json/)
    assert.match(lines, /connection: close/)
    assert.equal(JSON.parse(body).code, 'header_ambiguous')
    assert.doesNotMatch(body, /secret/)
    assert.deepEqual(
      unread.map(({ code }) => code),
      ['header_ambiguous'],
    )
  })

  test('the authority form of CONNECT is refused in the same way', async (t) => {
    const { port, unread } = await stage(t)
    const connection = await openRaw(port)
    connection.send('CONNECT evil.example:443 HTTP/1.1\r\nHost: evil.example:443\r\n\r\n')
    assert.equal(JSON.parse(readAnswer(await connection.closed()).body).code, 'path_ambiguous')
    assert.equal(unread.length, 1)
  })

  for (const [what, lines] of [
    ['a cookie of 1 MB', [`Cookie: a=${'x'.repeat(1_000_000)}`]],
    ['10,000 headers', Array.from({ length: 10_000 }, (_, i) => `X-${i}: v`)],
    ['5,000 short headers', Array.from({ length: 5_000 }, () => 'a:')],
    ['101 headers', Array.from({ length: 101 }, (_, i) => `X-${i}: v`)],
  ] as const) {
    test(`${what} are refused with 431`, async (t) => {
      const { port } = await stage(t)
      const answer = await exchangeRaw(port, head(...lines))
      assert.equal(answer.status, 431, answer.all)
      assert.equal(JSON.parse(answer.body).code, 'headers_too_many')
    })
  }

  test('a target without end is refused with 431 as well', async (t) => {
    const { port } = await stage(t)
    assert.equal((await exchangeRaw(port, `GET /${'a'.repeat(100_000)} HTTP/1.1\r\nHost: localhost\r\n\r\n`)).status, 431)
  })

  test('a refusal is not written into an answer that has begun', async (t) => {
    const { port } = await stage(t)
    for (const bad of ['bad request\r\n\r\n', head(`X: ${'a'.repeat(40_000)}`)]) {
      const connection = await openRaw(port)
      connection.send('GET /stream HTTP/1.1\r\nHost: localhost\r\n\r\n')
      await connection.until(/begun/)
      connection.send(bad)
      assert.equal((await connection.closed()).match(/HTTP\/1\.1/g)?.length, 1)
    }
  })

  test('a bad request on a connection that served one before is told so', async (t) => {
    const { port } = await stage(t)
    const connection = await openRaw(port)
    connection.send(head())
    await connection.until(/ok$/)
    connection.send('bad request\r\n\r\n')
    assert.match(await connection.closed(), /HTTP\/1\.1 400 /)
  })

  test('requests without end behind an answer that goes on cost their connection', async (t) => {
    for (const first of ['/stream', '/hang']) {
      const { port, arrived, unread } = await stage(t)
      const connection = await openRaw(port)
      connection.send(`GET ${first} HTTP/1.1\r\nHost: localhost\r\n\r\n`)
      await eventually(
        () => arrived.length,
        (length) => length === 1,
      )
      connection.send(head().repeat(20_000))
      await connection.closed(5_000)
      assert.deepEqual(arrived, [`GET ${first}`])
      assert.deepEqual(
        unread.map(({ code }) => code),
        ['too_many_requests'],
      )
    }
  })

  test('a peer whose requests are not taken is told so, and its proof is not looked at', async (t) => {
    const { port, arrived, unread } = await stage(t, {}, { from: (peer) => peer !== '127.0.0.1' })
    const connection = await openRaw(port)
    connection.send(head('Authorization: Bearer t').repeat(2))
    const { status, body } = readAnswer(await connection.closed())
    assert.deepEqual([status, JSON.parse(body).code, arrived.length, unread.length], [403, 'peer_refused', 0, 1])
  })

  test('few requests with large heads behind an answer that goes on cost their connection as well', async (t) => {
    const { port, arrived, unread } = await stage(t)
    const connection = await openRaw(port)
    connection.send('GET /stream HTTP/1.1\r\nHost: localhost\r\n\r\n')
    await connection.until(/begun/)
    connection.send(head(`X: ${'a'.repeat(25_000)}`).repeat(3))
    await connection.closed()
    assert.deepEqual(arrived, ['GET /stream'])
    assert.deepEqual(
      unread.map(({ code }) => code),
      ['too_many_requests'],
    )
  })

  test('a few requests sent at once are answered one after the other', async (t) => {
    const { port, arrived } = await stage(t)
    const connection = await openRaw(port)
    connection.send(head().repeat(10))
    await connection.until(/(?:ok[\s\S]*){10}$/)
    assert.equal(arrived.length, 10)
  })

  for (const [what, lines] of [
    ['a finished answer', []],
    ['the refusal of an upgrade', ['Connection: Upgrade', 'Upgrade: websocket']],
  ] as const)
    test(`${what} that nobody fetches is cut in time`, async (t) => {
      const { port, closed } = await stage(t, { fetchTimeout: 200 }, { webSocketHosts: new Set(['localhost']) })
      const connection = await openRaw(port)
      connection.socket.pause()
      connection.send(head(...lines).replace('/x', '/large'))
      await eventually(
        () => closed,
        (urls) => urls.includes('/large'),
        5_000,
      )
      connection.socket.destroy()
    })

  test('an offer to change the protocol is a request like any other', async (t) => {
    const { port } = await stage(t)
    assert.equal((await exchangeRaw(port, head('Connection: Upgrade', 'Upgrade: h2c'))).status, 200)
  })

  for (const [what, begin, more] of [
    ['says nothing', '', ''],
    ['sends its head drop by drop', 'GET /x HTTP/1.1\r\nHost: localhost\r\n', 'X-A: b\r\n'],
    [
      'stops within its body',
      'POST /form HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 100\r\n\r\na=',
      '',
    ],
    [
      'sends its body drop by drop',
      'POST /form HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 100\r\n\r\na=',
      'b',
    ],
  ] as const) {
    test(`a caller that ${what} is cut within the bound`, async (t) => {
      const { port, unread } = await stage(t, { headersTimeout: 300, requestTimeout: 600, connectionsCheckingInterval: 50 })
      const connection = await openRaw(port)
      if (begin !== '') connection.send(begin)
      const drops = setInterval(() => more !== '' && connection.socket.writable && connection.send(more), 40)
      t.after(() => clearInterval(drops))
      const all = await connection.closed(3 * 800)
      assert.match(all, /^HTTP\/1\.1 408 /)
      assert.deepEqual(
        unread.map(({ code }) => code),
        ['request_timeout'],
      )
    })
  }

  test('an idle connection is closed after its time, a half-open one with it', async (t) => {
    const { port } = await stage(t, { keepAliveTimeout: 200 })
    const connection = await openRaw(port)
    connection.send(head())
    await connection.until(/ok$/)
    await connection.closed(5_000)
    const half = await openRaw(port)
    half.send(head())
    half.socket.end()
    await half.closed(5_000)
  })

  test('a form that is too large is refused, and its sender reads why', async (t) => {
    const { port } = await stage(t)
    const body = `a=${'x'.repeat(1_000_000)}`
    const answer = await exchangeRaw(
      port,
      `POST /form HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
    )
    assert.equal(JSON.parse(answer.body).code, 'body_too_large')
  })

  test('it stops in order: idle connections at once, busy ones when they are done or the grace is over', async (t) => {
    const { port, listener } = await stage(t)
    const [idle, busy] = [await openRaw(port), await openRaw(port)]
    idle.send(head())
    await idle.until(/ok$/)
    busy.send('GET /stream HTTP/1.1\r\nHost: localhost\r\n\r\n')
    await busy.until(/begun/)
    const closing = listener.close(300)
    await idle.closed(1_000)
    assert.ok(!busy.socket.destroyed)
    await closing
    await busy.closed()
    await eventually(
      () =>
        openRaw(port).then(
          () => false,
          () => true,
        ),
      Boolean,
    )
  })
})

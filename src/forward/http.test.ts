import assert from 'node:assert/strict'
import { once } from 'node:events'
import { PassThrough, Readable, Writable } from 'node:stream'
import { suite, type TestContext, test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { eventually, OK, type RawAnswering, startRawUpstream } from '../../test/fakes/raw-http.ts'
import { Refusal, type RefusalCode } from '../errors.ts'
import { createHttpUpstream, type HttpUpstreamOptions } from './http.ts'
import type { Forwarded, Upstream, UpstreamHead, UpstreamRequest } from './upstream.ts'

async function stage(t: TestContext, answer?: RawAnswering, options: Partial<HttpUpstreamOptions> = {}) {
  const raw = await startRawUpstream(answer)
  const upstream = createHttpUpstream({ origin: raw.origin, ...options })
  t.after(async () => {
    await upstream.close()
    await raw.close()
  })
  return { raw, upstream }
}

interface Seen {
  readonly head: UpstreamHead | undefined
  readonly body: string
  readonly forwarded: Forwarded
}

const asked = (more: Partial<UpstreamRequest> = {}): UpstreamRequest => ({
  method: 'GET',
  path: '/api',
  headers: [],
  body: undefined,
  signal: new AbortController().signal,
  answerWithinMs: 5_000,
  ...more,
})

async function fetchBy(upstream: Upstream, more: Partial<UpstreamRequest> = {}): Promise<Seen> {
  let head: UpstreamHead | undefined
  const parts: Buffer[] = []
  const destination = new Writable({ write: (chunk: Buffer, _encoding, done) => done(void parts.push(chunk)) })
  const forwarded = await upstream.forward(asked(more), async (came) => {
    head = came
    return destination
  })
  return { head, body: Buffer.concat(parts).toString('latin1'), forwarded }
}

function refusesWith(code: RefusalCode, promise: Promise<unknown>): Promise<void> {
  return assert.rejects(promise, (error: unknown) => error instanceof Refusal && error.code === code)
}

const chunked = 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Type: application/json\r\n\r\n'

suite('an upstream over HTTP', () => {
  test('gets the path and headers to the letter, and says them back', async (t) => {
    const { raw, upstream } = await stage(t)
    const path = '/api/v1/pods?labelSelector=a%3Db&x={"a"|b}^`&y=%C3%A9'
    const seen = await fetchBy(upstream, { path, headers: ['Accept', 'a', 'Accept', 'b', 'Authorization', 'Bearer t'] })
    assert.equal(seen.body, '{"kind":"List"}')
    assert.deepEqual(seen.forwarded, { bytes: 15, end: 'complete' })
    const [line, ...lines] = raw.heads()[0]?.split('\r\n') ?? []
    assert.equal(line, `GET ${path} HTTP/1.1`)
    assert.deepEqual(
      lines.filter((text) => /^(accept|authorization)/i.test(text)),
      ['Accept: a', 'Accept: b', 'Authorization: Bearer t'],
    )
  })

  test('header bytes outside ASCII come through as they are', async (t) => {
    const { upstream } = await stage(
      t,
      (socket) => void socket.write('HTTP/1.1 200 OK\r\nContent-Length: 0\r\nWarning: 299 - "\xc3\xa9\xff"\r\n\r\n', 'latin1'),
    )
    assert.deepEqual((await fetchBy(upstream)).head?.headers.at(-1), ['Warning', '299 - "\xc3\xa9\xff"'])
  })

  test('an encoded body keeps its length and its encoding', async (t) => {
    const body = gzipSync('x'.repeat(10_000))
    const { upstream } = await stage(t, (socket) => {
      socket.write(`HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: ${body.length}\r\n\r\n`)
      socket.write(body)
    })
    const seen = await fetchBy(upstream)
    assert.deepEqual(Buffer.from(seen.body, 'latin1'), body)
    assert.equal(seen.forwarded.bytes, body.length)
  })

  for (const [what, answer] of [
    ['resets before its head', (socket) => void socket.resetAndDestroy()],
    ['closes before its head', (socket) => void socket.destroy()],
    ['breaks off within its head', (socket) => void socket.end('HTTP/1.1 200 OK\r\nContent-Le')],
    ['talks something else', (socket) => void socket.end('SSH-2.0-OpenSSH_9.9\r\n')],
    ['names two lengths', (socket) => void socket.write('HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd')],
    [
      'names a length and chunks',
      (socket) => void socket.write('HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n'),
    ],
    ['folds a header', (socket) => void socket.write('HTTP/1.1 200 OK\r\nContent-Type: a\r\n b\r\nContent-Length: 0\r\n\r\n')],
    ['says Continue unasked', (socket) => void socket.write('HTTP/1.1 100 Continue\r\n\r\n')],
    [
      'changes protocol unasked',
      (socket) => void socket.write('HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n'),
    ],
    [
      'sends more header than anybody needs',
      (socket) => void socket.write(`HTTP/1.1 200 OK\r\nX: ${'a'.repeat(70_000)}\r\nContent-Length: 0\r\n\r\n`),
    ],
  ] as ReadonlyArray<readonly [string, RawAnswering]>) {
    test(`is unavailable when it ${what}, and the next request has a new connection`, async (t) => {
      const { raw, upstream } = await stage(t, (socket, head, nth) => (nth === 0 ? answer(socket, head, nth) : void socket.write(OK)))
      await refusesWith('upstream_unavailable', fetchBy(upstream))
      assert.equal((await fetchBy(upstream)).head?.status, 200)
      assert.equal(raw.connections.length, 2)
      assert.ok(raw.connections[0]?.socket.destroyed || raw.connections[0]?.socket.readableEnded)
    })
  }

  for (const [what, answer] of [
    ['resets within its body', (socket) => socket.write(`${chunked}5\r\nhello\r\n`, () => setTimeout(() => socket.resetAndDestroy(), 20))],
    ['closes before the last chunk', (socket) => void socket.end(`${chunked}5\r\nhello\r\n`)],
    ['sends less than it announced', (socket) => void socket.end('HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello')],
    ['sends a bad chunk', (socket) => void socket.write(`${chunked}5\r\nhello\r\nzz\r\n`)],
  ] as ReadonlyArray<readonly [string, RawAnswering]>) {
    test(`is known to have broken off when it ${what}`, async (t) => {
      const { upstream } = await stage(t, (socket, head, nth) => (nth === 0 ? answer(socket, head, nth) : void socket.write(OK)))
      const { forwarded, body } = await fetchBy(upstream)
      assert.deepEqual(forwarded, { bytes: 5, end: 'upstream-broke' })
      assert.equal(body, 'hello')
      assert.equal((await fetchBy(upstream)).head?.status, 200)
    })
  }

  test('bytes beyond the announced length reach nobody, and no later answer', async (t) => {
    const { raw, upstream } = await stage(
      t,
      (socket, _head, nth) =>
        void socket.write(
          nth === 0 ? `HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nsecret` : OK,
        ),
    )
    assert.equal((await fetchBy(upstream)).body, 'ok')
    assert.equal((await fetchBy(upstream)).body, '{"kind":"List"}')
    assert.equal(raw.connections.length, 2)
  })

  test('answers within its time or is late, and the late answer reaches no other request', async (t) => {
    const { upstream } = await stage(t, (socket, _head, nth) => {
      if (nth > 0) socket.write(OK)
      else setTimeout(() => socket.writable && socket.write(OK.replaceAll('List', 'Late')), 150)
    })
    await refusesWith('upstream_timeout', fetchBy(upstream, { answerWithinMs: 50 }))
    for (let i = 0; i < 5; i += 1) assert.equal((await fetchBy(upstream)).body, '{"kind":"List"}')
  })

  test('a connection that cannot be had is told apart', async (t) => {
    const { raw, upstream } = await stage(t)
    await raw.close()
    await assert.rejects(fetchBy(upstream), (error: unknown) => error instanceof Refusal && error.detail === 'connection refused')
  })

  test('1xx answers concern nobody, and trailers neither', async (t) => {
    const { upstream } = await stage(
      t,
      (socket) =>
        void socket.write(
          `HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n${chunked}2\r\nok\r\n0\r\nX-Trailer: t\r\n\r\n`,
        ),
    )
    const seen = await fetchBy(upstream)
    assert.equal(seen.head?.status, 200)
    assert.equal(seen.body, 'ok')
    assert.equal(seen.forwarded.end, 'complete')
  })

  for (const [what, method, answer] of [
    ['HEAD', 'HEAD', 'HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n'],
    ['204', 'DELETE', 'HTTP/1.1 204 No Content\r\n\r\n'],
    ['304', 'GET', 'HTTP/1.1 304 Not Modified\r\nETag: "x"\r\nContent-Length: 500\r\n\r\n'],
  ] as const) {
    test(`the answer to ${what} has no body and leaves the connection whole`, async (t) => {
      const { raw, upstream } = await stage(t, (socket, head) => void socket.write(head.startsWith(method) ? answer : OK))
      assert.deepEqual((await fetchBy(upstream, { method })).forwarded, { bytes: 0, end: 'complete' })
      assert.deepEqual((await fetchBy(upstream, { method })).forwarded, { bytes: 0, end: 'complete' })
      assert.ok(raw.connections.length <= 2)
    })
  }

  test('a redirect is an answer like any other', async (t) => {
    const { raw, upstream } = await stage(
      t,
      (socket) => void socket.write('HTTP/1.1 307 Temporary Redirect\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n'),
    )
    assert.equal((await fetchBy(upstream)).head?.status, 307)
    assert.equal(raw.heads().length, 1)
  })

  test("an aborted request closes the upstream's side at once, before the head and after it", async (t) => {
    const { raw, upstream } = await stage(t, (socket, _head, nth) => void (nth === 0 || socket.write(`${chunked}5\r\nhello\r\n`)))
    const before = new AbortController()
    const first = fetchBy(upstream, { signal: before.signal })
    await eventually(
      () => raw.heads().length,
      (count) => count === 1,
    )
    before.abort()
    assert.equal((await first).forwarded.end, 'aborted')
    const after = new AbortController()
    const second = fetchBy(upstream, { signal: after.signal })
    await eventually(
      () => raw.heads().length,
      (count) => count === 2,
    )
    setTimeout(() => after.abort(), 50)
    assert.deepEqual((await second).forwarded, { bytes: 5, end: 'aborted' })
    await eventually(() => raw.connections.every(({ socket }) => socket.destroyed), Boolean)
    assert.equal((await fetchBy(upstream, { signal: AbortSignal.abort() })).forwarded.end, 'aborted')
    assert.equal(raw.heads().length, 2)
  })

  test('a caller that goes away while it downloads aborts the upstream', async (t) => {
    const { raw, upstream } = await stage(t, (socket) => void socket.write(`${chunked}5\r\nhello\r\n`))
    const destination = new PassThrough()
    const forwarding = upstream.forward(asked(), async () => destination)
    await once(destination, 'data')
    destination.destroy()
    assert.equal((await forwarding).end, 'caller-gone')
    await eventually(() => raw.connections.every(({ socket }) => socket.destroyed), Boolean)
  })

  test('a caller that takes nothing while bytes wait is treated as gone, one that is merely slow is not', async (t) => {
    const body = 'x'.repeat(400_000)
    const { upstream } = await stage(t, (socket) => void socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n${body}`), {
      stalledAfterMs: 200,
    })
    const stuck = new Writable({ highWaterMark: 1, write: () => undefined })
    assert.equal((await upstream.forward(asked(), async () => stuck)).end, 'caller-gone')
    const slow = new Writable({ highWaterMark: 1, write: (_chunk, _encoding, done) => void setTimeout(done, 60) })
    assert.deepEqual(await upstream.forward(asked(), async () => slow), { bytes: body.length, end: 'complete' })
  })

  test('the bound on the answer begins anew with each piece of the body', async (t) => {
    const { upstream } = await stage(
      t,
      (socket) => void socket.on('data', (text: string) => text.endsWith('0\r\n\r\n') && socket.write(OK)),
    )
    const slow = Readable.from(
      (async function* () {
        for (let i = 0; i < 8; i += 1) {
          await new Promise((resolve) => setTimeout(resolve, 60))
          yield Buffer.from('x')
        }
      })(),
      { objectMode: false },
    )
    const { head } = await fetchBy(upstream, { method: 'POST', body: slow, answerWithinMs: 250 })
    assert.equal(head?.status, 200)
  })

  test('a caller that does not send its body is late itself; an upstream that does not take it is late', async (t) => {
    const { upstream } = await stage(t, (socket) => void socket.pause())
    const silent = new Readable({ read: () => undefined })
    await refusesWith('request_timeout', fetchBy(upstream, { method: 'POST', body: silent, answerWithinMs: 100 }))
    const endless = new Readable({
      read() {
        this.push(Buffer.alloc(65_536))
      },
    })
    await refusesWith('upstream_timeout', fetchBy(upstream, { method: 'POST', body: endless, answerWithinMs: 300 }))
  })

  test('a body that fails is not sent as if it were whole, and its own refusal comes back', async (t) => {
    const { raw, upstream } = await stage(t, () => undefined)
    const failing = Readable.from(
      (async function* () {
        yield Buffer.from('half')
        throw new Refusal('body_too_large')
      })(),
      { objectMode: false },
    )
    await refusesWith('body_too_large', fetchBy(upstream, { method: 'POST', body: failing }))
    await eventually(() => raw.connections.every(({ socket }) => socket.destroyed), Boolean)
    assert.doesNotMatch(raw.connections[0]?.received ?? '', /\r\n0\r\n\r\n$/)
  })

  test('an upstream that answers before it has the body is heard', async (t) => {
    const { upstream } = await stage(
      t,
      (socket) => void socket.end('HTTP/1.1 413 Too Large\r\nConnection: close\r\nContent-Length: 3\r\n\r\nbig'),
    )
    const endless = new Readable({
      read() {
        setTimeout(() => this.push(Buffer.alloc(1_000)), 5)
      },
    })
    const seen = await fetchBy(upstream, { method: 'POST', body: endless })
    assert.equal(seen.head?.status, 413)
    endless.destroy()
  })

  test('a head that nobody wants, or that was refused, drops the answer and its connection', async (t) => {
    const { raw, upstream } = await stage(t)
    assert.deepEqual(await upstream.forward(asked(), async () => undefined), { bytes: 0, end: 'complete' })
    await refusesWith(
      'content_refused',
      upstream.forward(asked(), async () => {
        throw new Refusal('content_refused')
      }),
    )
    assert.equal((await fetchBy(upstream)).head?.status, 200)
    assert.equal(raw.connections.length, 3)
  })

  test('2,000 watches at once each have their own events', async (t) => {
    const { raw, upstream } = await stage(t, (socket, head) => void socket.write(`${chunked}5\r\n${/n=(\d+)/.exec(head)?.[1]}\n\r\n`))
    const abort = new AbortController()
    const bodies = new Map<number, string>()
    const { setMaxListeners } = await import('node:events')
    setMaxListeners(0, abort.signal)
    const watching = Array.from({ length: 2_000 }, (_, i) => {
      const destination = new Writable({ write: (chunk: Buffer, _encoding, done) => done(void bodies.set(i, chunk.toString())) })
      return upstream.forward(
        asked({ path: `/watch?n=${1_000 + i}`, signal: abort.signal, answerWithinMs: 30_000 }),
        async () => destination,
      )
    })
    await eventually(
      () => bodies.size,
      (count) => count === 2_000,
      30_000,
    )
    assert.ok([...bodies].every(([i, body]) => body === `${1_000 + i}\n`))
    abort.abort()
    assert.ok((await Promise.all(watching)).every(({ end, bytes }) => end === 'aborted' && bytes === 5))
    await eventually(() => raw.connections.every(({ socket }) => socket.destroyed), Boolean, 10_000)
  })
})

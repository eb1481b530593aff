import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { eventually, OK, type RawAnswering } from '../../test/fakes/raw-http.ts'
import { Refusal } from '../errors.ts'
import type { RefusalCode } from '../refusal-codes.ts'
import { chunked, cutBy, fetchBy, refusesWith, stageUpstream as stage } from './http.fake.ts'

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

  for (const [code, what, answer] of [
    ['upstream_unavailable', 'resets before its head', (socket) => void socket.resetAndDestroy()],
    ['upstream_unavailable', 'closes before its head', (socket) => void socket.destroy()],
    ['upstream_broke', 'says Continue unasked', (socket) => void socket.write('HTTP/1.1 100 Continue\r\n\r\n')],
    [
      'upstream_broke',
      'changes protocol unasked',
      (socket) => void socket.write('HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n'),
    ],
    ['upstream_broke', 'breaks off within its head', (socket) => void socket.end('HTTP/1.1 200 OK\r\nContent-Le')],
    ['upstream_broke', 'breaks off after one byte', (socket) => void socket.end('H')],
    ['upstream_broke', 'breaks off after a 103', (socket) => void socket.end('HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n')],
    [
      'upstream_broke',
      'encodes its transfer',
      (socket) => void socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n'),
    ],
    [
      'upstream_broke',
      'encodes its transfer and ends by closing',
      (socket) => void socket.end('HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nhello'),
    ],
    ['upstream_broke', 'talks something else', (socket) => void socket.end('SSH-2.0-OpenSSH_9.9\r\n')],
    [
      'upstream_broke',
      'names two lengths',
      (socket) => void socket.write('HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd'),
    ],
    [
      'upstream_broke',
      'names a length and chunks',
      (socket) => void socket.write('HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n'),
    ],
    [
      'upstream_broke',
      'folds a header',
      (socket) => void socket.write('HTTP/1.1 200 OK\r\nContent-Type: a\r\n b\r\nContent-Length: 0\r\n\r\n'),
    ],
    [
      'upstream_broke',
      'sends more header than anybody needs',
      (socket) => void socket.write(`HTTP/1.1 200 OK\r\nX: ${'a'.repeat(70_000)}\r\nContent-Length: 0\r\n\r\n`),
    ],
  ] as ReadonlyArray<readonly [RefusalCode, string, RawAnswering]>) {
    test(`is ${code} when it ${what}, and the next request has a new connection`, async (t) => {
      const { raw, upstream } = await stage(t, (socket, head, nth) => (nth === 0 ? answer(socket, head, nth) : void socket.write(OK)))
      await refusesWith(code, fetchBy(upstream))
      assert.equal((await fetchBy(upstream)).head?.status, 200)
      assert.equal(raw.connections.length, 2)
      assert.ok(raw.connections[0]?.socket.destroyed || raw.connections[0]?.socket.readableEnded)
    })
  }

  test('the refusal of a Continue that nobody asked for says what it was; that of another half of a head does not', async (t) => {
    for (const [said, detail] of [
      ['HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n', 'it said 100 Continue, for which nobody asked'],
      ['HTTP/1.1 200', 'it began an answer and gave no head that can be read'],
    ] as const) {
      const { upstream } = await stage(t, (socket) => void socket.end(said))
      await assert.rejects(fetchBy(upstream), (error: unknown) => error instanceof Refusal && error.detail === detail)
    }
  })

  for (const [what, answer] of [
    ['resets within its body', (socket) => socket.write(`${chunked}5\r\nhello\r\n`, () => setTimeout(() => socket.resetAndDestroy(), 20))],
    [
      'resets an answer that ends by closing',
      (socket) => socket.write('HTTP/1.1 200 OK\r\n\r\nhello', () => setTimeout(() => socket.resetAndDestroy(), 20)),
    ],
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

  test('an answer that ends by closing properly is whole', async (t) => {
    const { upstream } = await stage(t, (socket) => void socket.end('HTTP/1.1 200 OK\r\n\r\nhello'))
    const { forwarded, body } = await fetchBy(upstream)
    assert.deepEqual([forwarded.end, body], ['complete', 'hello'])
  })

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
    const first = fetchBy(upstream, { cut: cutBy(before.signal) })
    await eventually(
      () => raw.heads().length,
      (count) => count === 1,
    )
    before.abort()
    assert.equal((await first).forwarded.end, 'aborted')
    const after = new AbortController()
    const second = fetchBy(upstream, { cut: cutBy(after.signal) })
    await eventually(
      () => raw.heads().length,
      (count) => count === 2,
    )
    setTimeout(() => after.abort(), 50)
    assert.deepEqual((await second).forwarded, { bytes: 5, end: 'aborted' })
    await eventually(() => raw.connections.every(({ socket }) => socket.destroyed), Boolean)
    assert.equal((await fetchBy(upstream, { cut: cutBy(AbortSignal.abort()) })).forwarded.end, 'aborted')
    assert.equal(raw.heads().length, 2)
  })
})

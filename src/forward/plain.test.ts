import assert from 'node:assert/strict'
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http'
import { suite, test } from 'node:test'
import { eventually, exchangeRaw, openRaw, startRawUpstream } from '../../test/fakes/raw-http.ts'
import { Refusal } from '../errors.ts'
import { codeOf, PIECE, pieces, startUpstream } from './kubernetes.fake.ts'
import { stageAct } from './plain.fake.ts'

const GET = 'GET / HTTP/1.1\r\nHost: x\r\n\r\n'
const gone = 'http://127.0.0.1:9'

suite('an act on a service is refused', () => {
  test('when nobody listens there: 502', async (t) => {
    const { port } = await stageAct(t, gone)
    assert.deepEqual((({ status, body }) => [status, body])(await exchangeRaw(port, GET)), [502, 'upstream_unavailable'])
  })

  test('when no answer comes in time: 504', async (t) => {
    const raw = await startRawUpstream(() => undefined)
    t.after(() => raw.close())
    const { port } = await stageAct(t, raw.origin, { answerWithinMs: 100 })
    assert.deepEqual((({ status, body }) => [status, body])(await exchangeRaw(port, GET)), [504, 'upstream_timeout'])
  })

  test('when the service closes without an answer, and is not asked again', async (t) => {
    const raw = await startRawUpstream((socket) => socket.destroy())
    t.after(() => raw.close())
    const { port } = await stageAct(t, raw.origin)
    assert.equal((await exchangeRaw(port, GET)).status, 502)
    assert.equal(raw.heads().length, 1)
  })

  test('when what it says is no HTTP', async (t) => {
    for (const said of [
      'nonsense\r\n\r\n',
      'HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx',
      'HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n',
    ]) {
      const raw = await startRawUpstream((socket) => void socket.write(said))
      t.after(() => raw.close())
      const { port } = await stageAct(t, raw.origin)
      assert.equal((await exchangeRaw(port, GET)).status, 502, said)
    }
  })

  test('when the body is too large, announced or not', async (t) => {
    const origin = await startUpstream(t, (request, response) => request.resume().on('end', () => response.end('ok')))
    const { port } = await stageAct(t, origin, { bodyLimit: 10 })
    assert.equal(
      (await exchangeRaw(port, `POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 11\r\n\r\n${'x'.repeat(11)}`)).body,
      'body_too_large',
    )
    const chunked = `POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nb\r\n${'x'.repeat(11)}\r\n0\r\n\r\n`
    assert.match((await exchangeRaw(port, chunked)).all, /body_too_large/)
  })

  test('when the effect of a write or the start of a stream cannot be recorded: nothing is sent, nothing is shown', async (t) => {
    const failing = async () => {
      throw new Refusal('audit_unavailable')
    }
    const raw = await startRawUpstream(
      (socket) => void socket.write('HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: secret\n\n'),
    )
    t.after(() => raw.close())
    const writing = await stageAct(t, raw.origin, { writes: true, grant: { effect: failing } })
    assert.equal((await exchangeRaw(writing.port, GET)).body, 'audit_unavailable')
    assert.deepEqual(raw.heads(), [])
    const streaming = await stageAct(t, raw.origin, { grant: { streamOpened: failing } })
    assert.equal((await exchangeRaw(streaming.port, GET)).body, 'audit_unavailable')
  })

  test('when the caller ends before the answer begins', async (t) => {
    const asked = Promise.withResolvers<void>()
    const origin = await startUpstream(t, () => asked.resolve())
    const stage = await stageAct(t, origin)
    const answer = exchangeRaw(stage.port, GET)
    await asked.promise
    stage.endCaller()
    assert.equal((await answer).body, 'login_ended')
  })
})

suite('an answer', () => {
  for (const [what, said, end] of [
    ['that ends before its length', 'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf', /half$/],
    ['that breaks off between chunks', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n', /4\r\nhalf\r\n$/],
  ] as const) {
    test(`${what} never looks whole`, async (t) => {
      const raw = await startRawUpstream((socket) => void socket.end(said))
      t.after(() => raw.close())
      const stage = await stageAct(t, raw.origin)
      const connection = await openRaw(stage.port)
      connection.send(GET)
      assert.match(await connection.closed(), end)
      const acted = await stage.over()
      assert.deepEqual(codeOf(acted), {
        result: 'failed',
        cause: 'upstream-broke',
        code: 'upstream_broke',
        status: 200,
        bytes: 4,
        upstreamAuditId: undefined,
      })
    })
  }

  test('to HEAD, of 204 and of 304 has no body and leaves the connection usable', async (t) => {
    const origin = await startUpstream(t, (request, response) => {
      if (request.url === '/204') response.writeHead(204).end()
      else if (request.url === '/304') response.writeHead(304, { etag: '"a"' }).end()
      else response.writeHead(200, { 'content-length': '1234' }).end()
    })
    const { port, ends } = await stageAct(t, origin)
    const connection = await openRaw(port)
    connection.send('HEAD / HTTP/1.1\r\nHost: x\r\n\r\n')
    await connection.until(/content-length: 1234\r\n[\s\S]*\r\n\r\n$/i)
    connection.send('GET /204 HTTP/1.1\r\nHost: x\r\n\r\n')
    await connection.until(/ 204 No Content[\s\S]*\r\n\r\n$/)
    connection.send('GET /304 HTTP/1.1\r\nHost: x\r\n\r\n')
    await connection.until(/ 304 Not Modified[\s\S]*\r\n\r\n$/)
    await eventually(
      () => ends.length,
      (count) => count === 3,
    )
    assert.ok(ends.every((end) => !(end instanceof Refusal) && end.result === 'completed'))
    connection.socket.destroy()
  })

  test('comes after any number of 1xx, which are for us alone', async (t) => {
    const raw = await startRawUpstream(
      (socket) =>
        void socket.write(
          'HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok',
        ),
    )
    t.after(() => raw.close())
    const { port } = await stageAct(t, raw.origin)
    const { all, body } = await exchangeRaw(port, GET)
    assert.match(all, /^HTTP\/1\.1 200/)
    assert.equal(body, 'ok')
  })

  test('that redirects is passed on and not followed', async (t) => {
    const raw = await startRawUpstream(
      (socket) => void socket.write('HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n'),
    )
    t.after(() => raw.close())
    const { port } = await stageAct(t, raw.origin)
    const { status, head } = await exchangeRaw(port, GET)
    assert.equal(status, 302)
    assert.match(head, /location: \/elsewhere/)
    assert.equal(raw.heads().length, 1)
  })

  test('of 401 is passed on where no token was sent, and nothing is sent twice', async (t) => {
    const raw = await startRawUpstream((socket) => void socket.write('HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n'))
    t.after(() => raw.close())
    const { port } = await stageAct(t, raw.origin)
    assert.equal((await exchangeRaw(port, GET)).status, 401)
    assert.equal(raw.heads().length, 1)
  })

  test('that is no event stream lives no longer than streams.maxAge and is cut', async (t) => {
    const origin = await startUpstream(
      t,
      (_request, response) => void response.writeHead(200, { 'content-type': 'text/plain' }).write('half'),
    )
    const stage = await stageAct(t, origin, { maxAgeMs: 100 })
    const connection = await openRaw(stage.port)
    connection.send(GET)
    assert.doesNotMatch(await connection.closed(), /\r\n0\r\n\r\n$/)
    const acted = await stage.over()
    assert.ok(!(acted instanceof Refusal) && acted?.result === 'failed' && acted.cause === 'max-age')
  })
})

suite('a body', () => {
  test('is asked for only when the service reads it, and Expect goes no further', async (t) => {
    const seen: IncomingMessage['headers'][] = []
    const origin = await startUpstream(t, (request, response) => {
      seen.push(request.headers)
      request.resume().on('end', () => response.end('ok'))
    })
    const { port } = await stageAct(t, origin)
    const connection = await openRaw(port)
    connection.send('POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n')
    await connection.until(/^HTTP\/1\.1 100 Continue\r\n\r\n/)
    connection.send('body')
    await connection.until(/HTTP\/1\.1 200/)
    assert.equal(seen[0]?.expect, undefined)
    connection.socket.destroy()
  })

  const COUNT = 800
  test(`of ${COUNT / 16} MB passes up and down whole`, async (t) => {
    const origin = await startUpstream(t, async (request: IncomingMessage, response: ServerResponse) => {
      let bytes = 0
      for await (const part of request) bytes += part.length
      response.writeHead(200, { 'x-received': String(bytes) })
      pieces(COUNT).pipe(response)
    })
    const { port } = await stageAct(t, origin)
    const answer = await fetch(`http://127.0.0.1:${port}/`, { method: 'POST', body: pieces(COUNT) as never, duplex: 'half' } as RequestInit)
    assert.equal(answer.headers.get('x-received'), String(COUNT * PIECE.length))
    let bytes = 0
    for await (const part of answer.body ?? []) bytes += part.length
    assert.equal(bytes, COUNT * PIECE.length)
  })

  test('is held back at its source when the other side does not take it, in both directions', async (t) => {
    let made = 0
    const origin = await startUpstream(t, (_request, response) => {
      const more = () => {
        while (made < 4_000) {
          made += 1
          if (!response.write(PIECE)) return void response.once('drain', more)
        }
        response.end()
      }
      more()
    })
    const { port } = await stageAct(t, origin)
    const connection = await openRaw(port)
    connection.socket.pause()
    connection.send(GET)
    // Steady for a while: what is in flight are the buffers of sockets, not of ours.
    const steady = await settled(() => made)
    assert.ok(steady > 0 && steady < 400, `${steady} pieces of 64 kB are on their way`)
    connection.socket.destroy()

    const deaf = await startRawUpstream((socket) => void socket.pause())
    t.after(() => deaf.close())
    const upload = await stageAct(t, deaf.origin)
    const sender = await openRaw(upload.port)
    sender.send('POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n')
    let sent = 0
    const push = () => {
      while (sent < 4_000) {
        sent += 1
        if (!sender.socket.write(`10000\r\n${'x'.repeat(65_536)}\r\n`)) return void sender.socket.once('drain', push)
      }
    }
    push()
    const held = await settled(() => sent)
    assert.ok(held > 0 && held < 400, `${held} pieces of 64 kB are on their way`)
    sender.socket.destroy()
  })
})

/** The value once it has not changed for a tenth of a second. */
async function settled(read: () => number): Promise<number> {
  let last = -1
  let since = performance.now()
  return eventually(read, (value) => {
    if (value !== last) since = performance.now()
    last = value
    return value > 0 && performance.now() - since > 100
  })
}

suite('an event stream', () => {
  const events: RequestListener = (_request, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8' })
    response.write('data: 1\n\n')
  }

  test('passes its head before any event, and each event at once', async (t) => {
    let emit: (event: string) => void = () => undefined
    const origin = await startUpstream(t, (_request, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' }).flushHeaders()
      emit = (event) => void response.write(event)
    })
    const stage = await stageAct(t, origin)
    const connection = await openRaw(stage.port)
    connection.send(GET)
    await connection.until(/\r\n\r\n/)
    assert.deepEqual([stage.live(), stage.recorded], [1, ['stream opened']])
    for (const n of [1, 2, 3]) {
      emit(`data: ${n}\n\n`)
      await connection.until(new RegExp(`data: ${n}\n\n`), 1_500)
    }
    connection.socket.destroy()
    await eventually(stage.live, (count) => count === 0)
    const acted = await stage.over()
    assert.ok(!(acted instanceof Refusal) && acted?.result === 'stream-closed' && acted.cause === 'caller-gone')
  })

  for (const [cause, end] of [
    ['max-age', () => undefined],
    ['caller-ended', (stage) => stage.endCaller()],
    ['stopping', (stage) => stage.stop()],
  ] as ReadonlyArray<readonly [string, (stage: Awaited<ReturnType<typeof stageAct>>) => void]>) {
    test(`ends by ${cause} with a proper last chunk`, async (t) => {
      const origin = await startUpstream(t, events)
      const stage = await stageAct(t, origin, { maxAgeMs: cause === 'max-age' ? 150 : 60_000 })
      const connection = await openRaw(stage.port)
      connection.send(GET)
      await connection.until(/data: 1\n\n/)
      end(stage)
      await connection.until(/\r\n0\r\n\r\n$/, 6_000)
      assert.deepEqual(await stage.over(), { result: 'stream-closed', cause, status: 200, bytes: 9, upstreamAuditId: undefined })
      assert.equal(stage.live(), 0)
    })
  }
})

import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { Readable } from 'node:stream'
import { suite, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { eventually, exchangeRaw, openRaw } from '../../test/fakes/raw-http.ts'
import { Refusal } from '../errors.ts'
import { LOGIN, stageAct, startUpstream } from './kubernetes.fake.ts'

const JSON_TYPE = { 'content-type': 'application/json' }
const codeOf = (end: unknown) => (end instanceof Refusal ? end.code : end)
const STREAM = { asked: () => ({ stream: true }) }
const PIECE = Buffer.alloc(65_536, 'x')

/** A body of so many pieces, made only as fast as it is taken. */
const pieces = (count: number) =>
  Readable.from(
    (function* () {
      for (let i = 0; i < count; i += 1) yield PIECE
    })(),
    { objectMode: false },
  )

/** The most RSS grew by while `work` ran. */
async function growthDuring(work: () => Promise<unknown>): Promise<number> {
  const before = process.memoryUsage.rss()
  let most = before
  const timer = setInterval(() => (most = Math.max(most, process.memoryUsage.rss())), 20)
  await work().finally(() => clearInterval(timer))
  return most - before
}

suite('an act on a Kubernetes API server', () => {
  test('an answer is passed on with its status, and dressed so that a browser only shows it', async (t) => {
    const upstream = await startUpstream(t, (_request, response) =>
      response.writeHead(403, { ...JSON_TYPE, 'set-cookie': 'a=b', 'audit-id': 'a-1', 'x-secret': 's' }).end('{"kind":"Status"}'),
    )
    const { origin, ends } = await stageAct(t, { upstream })
    const answer = await fetch(`${origin}/api`)
    assert.equal(answer.status, 403)
    assert.equal(await answer.text(), '{"kind":"Status"}')
    assert.deepEqual(
      [answer.headers.get('set-cookie'), answer.headers.get('x-secret'), answer.headers.get('audit-id')],
      [null, null, 'a-1'],
    )
    assert.match(answer.headers.get('content-security-policy') ?? '', /^sandbox/)
    assert.equal(answer.headers.get('x-content-type-options'), 'nosniff')
    assert.deepEqual(ends, [{ result: 'completed', status: 403, bytes: 17, upstreamAuditId: 'a-1', cause: 'complete' }])
  })

  test('no header of an answer is there twice', async (t) => {
    const upstream = await startUpstream(t, (_request, response) =>
      response
        .writeHead(
          200,
          [
            ['Date', 'Thu, 01 Jan 2026 00:00:00 GMT'],
            ['Content-Type', 'application/json'],
            ['Content-Length', '2'],
            ['Cache-Control', 'no-cache, private'],
          ].flat(),
        )
        .end('{}'),
    )
    const { port } = await stageAct(t, { upstream })
    const { head } = await exchangeRaw(port, 'GET /api HTTP/1.1\r\nHost: x\r\n\r\n')
    const names = head
      .split('\r\n')
      .slice(1)
      .map((line) => line.split(':')[0])
    assert.equal(new Set(names).size, names.length, head)
    assert.match(head, /date: thu, 01 jan 2026/)
  })

  test('a chunked request goes on chunked, without its extensions, trailers or hop-by-hop headers', async (t) => {
    let seen: IncomingMessage | undefined
    let body = ''
    const upstream = await startUpstream(t, async (request, response) => {
      seen = request
      for await (const part of request) body += String(part)
      response.writeHead(200, JSON_TYPE).end('{}')
    })
    const { port } = await stageAct(t, { upstream })
    const answer = await exchangeRaw(
      port,
      'POST /api HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nTrailer: Impersonate-User\r\nTE: trailers\r\nConnection: close, Authorization\r\n\r\n5;evil="1"\r\nhello\r\n0\r\nImpersonate-User: admin\r\n\r\n',
    )
    assert.equal(answer.status, 200)
    assert.equal(body, 'hello')
    assert.deepEqual(seen?.rawTrailers, [])
    assert.deepEqual([seen?.headers.te, seen?.headers.trailer, seen?.headers.authorization], [undefined, undefined, 'Bearer token-0'])
  })

  for (const method of ['GET', 'DELETE']) {
    test(`a 401 of the target is repeated once with a fresh credential: ${method} without a body`, async (t) => {
      const bearers: Array<string | undefined> = []
      const upstream = await startUpstream(t, (request, response) => {
        bearers.push(request.headers.authorization)
        response.writeHead(bearers.length === 1 ? 401 : 200, JSON_TYPE).end('{}')
      })
      const { origin } = await stageAct(t, { upstream })
      assert.equal((await fetch(`${origin}/api`, { method })).status, 200)
      assert.deepEqual(bearers, ['Bearer token-0', 'Bearer token-1'])
    })
  }

  test('a second 401 is the answer, and after a body the first one is', async (t) => {
    let asked = 0
    const upstream = await startUpstream(t, (request, response) => {
      asked += 1
      request.resume().on('end', () => response.writeHead(401, JSON_TYPE).end('{"kind":"Status"}'))
    })
    const { origin } = await stageAct(t, { upstream })
    assert.equal((await fetch(`${origin}/api`)).status, 401)
    assert.equal(asked, 2)
    assert.equal((await fetch(`${origin}/api`, { method: 'POST', body: '{}' })).status, 401)
    assert.equal(asked, 3)
  })

  for (const type of ['text/html', 'image/svg+xml', undefined]) {
    test(`an answer of type ${type} is not given to a cookie, not a byte of it`, async (t) => {
      const upstream = await startUpstream(t, (_request, response) =>
        response.writeHead(200, type === undefined ? {} : { 'content-type': type }).end('<script>alert(1)</script>'),
      )
      const { origin, ends } = await stageAct(t, { upstream, proof: LOGIN })
      const answer = await fetch(`${origin}/api`)
      assert.equal(answer.status, 502)
      assert.equal(await answer.text(), 'content_refused')
      assert.equal(codeOf(ends[0]), 'content_refused')
    })
  }

  test('a bearer is given what the target says, sandboxed all the same', async (t) => {
    const upstream = await startUpstream(t, (_request, response) => response.writeHead(200, { 'content-type': 'text/html' }).end('<p>'))
    const { origin } = await stageAct(t, { upstream })
    const answer = await fetch(`${origin}/api`)
    assert.equal(await answer.text(), '<p>')
    assert.match(answer.headers.get('content-security-policy') ?? '', /^sandbox/)
  })

  test('a write is recorded before it is sent, and not sent when that fails', async (t) => {
    let asked = 0
    const upstream = await startUpstream(t, (_request, response) => {
      asked += 1
      response.writeHead(200, JSON_TYPE).end('{}')
    })
    const failing = async () => {
      throw new Refusal('audit_unavailable')
    }
    const { origin } = await stageAct(t, { upstream, asked: () => ({ writes: true }), grant: { effect: failing } })
    assert.equal((await fetch(`${origin}/api`, { method: 'POST', body: 'x' })).status, 503)
    assert.equal(asked, 0)
  })

  test('a stream whose beginning cannot be recorded is not begun', async (t) => {
    const upstream = await startUpstream(t, (_request, response) => response.writeHead(200, JSON_TYPE).write('secret\n'))
    const failing = async () => {
      throw new Refusal('audit_unavailable')
    }
    const { origin, live } = await stageAct(t, { upstream, ...STREAM, grant: { streamOpened: failing } })
    const answer = await fetch(`${origin}/api?watch=1`)
    assert.equal(answer.status, 503)
    assert.doesNotMatch(await answer.text(), /secret/)
    assert.equal(live(), 0)
  })

  test('an announced body that is too large is refused before a byte of it, one that grows is cut; both are told', async (t) => {
    const received: number[] = []
    const upstream = await startUpstream(t, (request, response) => {
      request.on('data', (part: Buffer) => received.push(part.length))
      request.on('end', () => response.end())
      request.on('error', () => undefined)
    })
    const { origin, port, ends } = await stageAct(t, { upstream, asked: () => ({ bodyLimit: 1_000_000 }) })
    const announced = await fetch(`${origin}/api`, { method: 'POST', body: Buffer.alloc(5_000_000) })
    assert.equal(announced.status, 413)
    assert.deepEqual(received, [])
    const grows = await fetch(`${origin}/api`, { method: 'POST', body: pieces(80), duplex: 'half' })
    assert.equal(grows.status, 413)
    assert.ok(received.reduce((sum, size) => sum + size, 0) <= 1_000_000)
    assert.deepEqual(ends.map(codeOf), ['body_too_large', 'body_too_large'])
    const polite = await exchangeRaw(port, 'POST /api HTTP/1.1\r\nHost: x\r\nContent-Length: 2000000\r\nExpect: 100-continue\r\n\r\n')
    assert.equal(polite.status, 413, 'who waits for 100 Continue is told without having sent anything')
  })

  test('a body of exactly the limit is taken, and 100 Continue comes when it is wanted', async (t) => {
    const upstream = await startUpstream(
      t,
      (request, response) => void request.resume().on('end', () => response.writeHead(200, JSON_TYPE).end('{}')),
    )
    const { port } = await stageAct(t, { upstream, asked: () => ({ bodyLimit: 5 }) })
    const connection = await openRaw(port)
    connection.send('POST /api HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n')
    await connection.until(/^HTTP\/1\.1 100 Continue\r\n\r\n$/)
    connection.send('hello')
    assert.match(await connection.closed(), /\r\n\r\nHTTP\/1\.1 200 OK\r\n/)
  })

  test('a target that cannot be reached is told to a caller that sends a body', async (t) => {
    const { origin, ends } = await stageAct(t, { upstream: 'http://127.0.0.1:1' })
    for (const body of [Buffer.alloc(3_000_000), pieces(40)]) {
      const answer = await fetch(`${origin}/api`, { method: 'POST', body, duplex: 'half' })
      assert.equal(answer.status, 502)
      await answer.text()
    }
    assert.deepEqual(ends.map(codeOf), ['upstream_unavailable', 'upstream_unavailable'])
  })

  test('200 MB up and 200 MB down pass in constant memory, at the pace of the slower side', async (t) => {
    const count = 3_200
    let received = 0
    const upstream = await startUpstream(t, (request, response) => {
      request.on('data', (part: Buffer) => {
        received += part.length
      })
      request.on('end', () => void pieces(count).pipe(response.writeHead(200, { 'content-type': 'text/plain' })))
    })
    const { origin, ends } = await stageAct(t, { upstream })
    let down = 0
    const grown = await growthDuring(async () => {
      const answer = await fetch(`${origin}/api`, { method: 'POST', body: pieces(count), duplex: 'half' })
      for await (const part of answer.body ?? []) {
        down += part.length
        if (down % 50 === 0) await sleep(1)
      }
    })
    assert.equal(received, count * PIECE.length)
    assert.equal(down, count * PIECE.length)
    assert.deepEqual(
      ends.map((end) => 'bytes' in end && end.bytes),
      [down],
    )
    // Both ends of both connections are in this process; what is not garbage yet counts too.
    assert.ok(grown < 120_000_000, `RSS grew by ${Math.round(grown / 1e6)} MB`)
  })

  test('a caller that reads nothing holds the target back', async (t) => {
    let sent = 0
    const upstream = await startUpstream(t, (_request, response) => {
      response.writeHead(200, { 'content-type': 'text/plain' })
      const fill = () => {
        while (response.write(PIECE)) sent += PIECE.length
        sent += PIECE.length
      }
      response.on('drain', fill)
      fill()
    })
    const { port, ends } = await stageAct(t, { upstream })
    const connection = await openRaw(port)
    connection.socket.pause()
    connection.send('GET /api HTTP/1.1\r\nHost: x\r\n\r\n')
    await eventually(
      () => sent,
      (bytes) => bytes > 0,
    )
    let before = -1
    await eventually(
      async () => {
        const unchanged = before === sent
        before = sent
        await sleep(300)
        return unchanged
      },
      Boolean,
      15_000,
    )
    assert.ok(sent < 30_000_000, `${sent} bytes were made for nobody`)
    connection.socket.destroy()
    await eventually(
      () => ends.length,
      (length) => length === 1,
    )
    assert.deepEqual(codeOf(ends[0]), { ...ends[0], result: 'failed', cause: 'caller-gone' })
  })

  test("a caller that vanishes ends the target's side, before the head and while it uploads", async (t) => {
    let closed = 0
    const upstream = await startUpstream(
      t,
      (request) =>
        void request
          .resume()
          .on('close', () => {
            closed += 1
          })
          .on('error', () => undefined),
    )
    const { port, ends } = await stageAct(t, { upstream })
    for (const [i, head] of [
      'GET /api HTTP/1.1\r\nHost: x\r\n\r\n',
      'POST /api HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhalf',
    ].entries()) {
      const connection = await openRaw(port)
      connection.send(head)
      await sleep(100)
      connection.socket.resetAndDestroy()
      await eventually(
        () => closed,
        (count) => count === i + 1,
      )
    }
    await eventually(
      () => ends.length,
      (length) => length === 2,
    )
    for (const end of ends) assert.equal('cause' in end && end.cause, 'caller-gone')
  })

  for (const [what, body] of [
    ['an announced', 'HTTP/1.1 200 OK'],
    ['a chunked', 'HTTP/1.1 200 OK'],
  ] as const) {
    test(`half of ${what} answer is cut, never ended as if it were whole`, async (t) => {
      const upstream = await startUpstream(t, (_request, response) => {
        response.writeHead(200, { ...JSON_TYPE, ...(what === 'a chunked' ? {} : { 'content-length': '100' }) })
        response.write('{"half":', () => setTimeout(() => response.destroy(), 30))
      })
      const { port, ends } = await stageAct(t, { upstream })
      const connection = await openRaw(port)
      connection.send('GET /api HTTP/1.1\r\nHost: x\r\n\r\n')
      const all = await connection.closed()
      assert.ok(all.startsWith(body))
      assert.match(all, /\{"half":/)
      assert.doesNotMatch(all, /\r\n0\r\n\r\n$/)
      assert.deepEqual(ends, [
        { result: 'failed', cause: 'upstream-broke', code: 'upstream_broke', status: 200, bytes: 8, upstreamAuditId: undefined },
      ])
    })
  }
})

suite('a stream through an act', () => {
  const watching =
    (events: readonly string[] = ['{"n":1}\n']) =>
    (_request: IncomingMessage, response: ServerResponse) => {
      response.writeHead(200, { ...JSON_TYPE, 'audit-id': 'w-1' })
      response.flushHeaders()
      for (const event of events) response.write(event)
    }

  test('its head comes before any event, and each event at once', async (t) => {
    let emit: (event: string) => void = () => undefined
    const upstream = await startUpstream(t, (_request, response) => {
      response.writeHead(200, JSON_TYPE).flushHeaders()
      emit = (event) => void response.write(event)
    })
    const { port, live, recorded } = await stageAct(t, { upstream, ...STREAM })
    const connection = await openRaw(port)
    connection.send('GET /api?watch=1 HTTP/1.1\r\nHost: x\r\n\r\n')
    await connection.until(/\r\n\r\n/)
    assert.equal(live(), 1)
    assert.deepEqual(recorded, ['stream opened'])
    for (const n of [1, 2, 3]) {
      emit(`{"n":${n}}\n`)
      await connection.until(new RegExp(`\\{"n":${n}\\}`), 1_500)
    }
    connection.socket.destroy()
    await eventually(live, (count) => count === 0)
  })

  for (const [cause, end] of [
    ['max-age', () => undefined],
    ['caller-ended', (stage) => stage.endCaller()],
    ['stopping', (stage) => stage.stop()],
  ] as ReadonlyArray<readonly [string, (stage: Awaited<ReturnType<typeof stageAct>>) => void]>) {
    test(`ends by ${cause} with a proper last chunk`, async (t) => {
      const upstream = await startUpstream(t, watching())
      const stage = await stageAct(t, { upstream, ...STREAM, maxAgeMs: cause === 'max-age' ? 150 : 60_000 })
      const connection = await openRaw(stage.port)
      connection.send('GET /api?watch=1 HTTP/1.1\r\nHost: x\r\n\r\n')
      await connection.until(/\{"n":1\}/)
      end(stage)
      await connection.until(/\r\n0\r\n\r\n$/, 6_000)
      await eventually(
        () => stage.ends.length,
        (length) => length === 1,
      )
      assert.deepEqual(stage.ends, [{ result: 'stream-closed', cause, status: 200, bytes: 8, upstreamAuditId: 'w-1' }])
      assert.equal(stage.live(), 0)
    })
  }

  test('ends by logout although its caller reads nothing', async (t) => {
    const upstream = await startUpstream(
      t,
      (_request, response) => void pieces(10_000).pipe(response.writeHead(200, { 'content-type': 'text/plain' })),
    )
    const stage = await stageAct(t, { upstream, ...STREAM })
    const connection = await openRaw(stage.port)
    connection.send('GET /api?watch=1 HTTP/1.1\r\nHost: x\r\n\r\n')
    await once(connection.socket, 'data')
    connection.socket.pause()
    await sleep(200)
    stage.endCaller()
    await eventually(
      () => stage.ends.length,
      (length) => length === 1,
      6_000,
    )
    assert.equal(stage.live(), 0)
  })

  test('an ordinary answer of a caller that ends is cut, and one that stops is finished', async (t) => {
    const upstream = await startUpstream(t, async (_request, response) => {
      response.writeHead(200, { 'content-type': 'text/plain' }).write('begun')
      await sleep(200)
      response.end(' and done')
    })
    const stage = await stageAct(t, { upstream })
    const finishing = await openRaw(stage.port)
    finishing.send('GET /api HTTP/1.1\r\nHost: x\r\n\r\n')
    await finishing.until(/begun/)
    stage.stop()
    await finishing.until(/and done\r\n0\r\n\r\n/)
    const cut = await openRaw(stage.port)
    cut.send('GET /api HTTP/1.1\r\nHost: x\r\n\r\n')
    await cut.until(/begun/)
    stage.endCaller()
    assert.doesNotMatch(await cut.closed(), /\r\n0\r\n\r\n$/)
  })

  test('a caller that ended before the head is refused with the reason it ended for', async (t) => {
    const upstream = await startUpstream(t, () => undefined)
    for (const [reason, code] of [
      [undefined, 'login_ended'],
      [new Refusal('store_unavailable'), 'store_unavailable'],
    ] as const) {
      const stage = await stageAct(t, { upstream, proof: LOGIN })
      const asking = fetch(`${stage.origin}/api`)
      await sleep(50)
      stage.endCaller(reason)
      assert.equal(await (await asking).text(), code)
    }
  })

  test('ended by the target it ends properly, and broken off it is cut', async (t) => {
    const upstream = await startUpstream(t, (request, response) => {
      response
        .writeHead(200, JSON_TYPE)
        .write('{"n":1}\n', () => setTimeout(() => (request.url === '/end' ? response.end() : response.destroy()), 30))
    })
    const { origin, ends } = await stageAct(t, { upstream, ...STREAM })
    assert.equal(await (await fetch(`${origin}/end`)).text(), '{"n":1}\n')
    await assert.rejects((async () => (await fetch(`${origin}/break`)).text())())
    await eventually(
      () => ends.length,
      (length) => length === 2,
    )
    assert.deepEqual(
      ends.map((end) => 'cause' in end && end.cause),
      ['upstream-ended', 'upstream-broke'],
    )
  })

  test('a refused watch is an ordinary answer', async (t) => {
    const upstream = await startUpstream(t, (_request, response) => response.writeHead(410, JSON_TYPE).end('{}'))
    const { origin, recorded, ends } = await stageAct(t, { upstream, ...STREAM })
    assert.equal((await fetch(`${origin}/api?watch=1`)).status, 410)
    assert.deepEqual(recorded, [])
    assert.equal('result' in (ends[0] ?? {}) && (ends[0] as { result: string }).result, 'completed')
  })

  test('HTTP/1.0 callers get an answer that ends with its connection', async (t) => {
    const upstream = await startUpstream(t, (_request, response) => response.writeHead(200, JSON_TYPE).end('{}'))
    const { port } = await stageAct(t, { upstream })
    const connection = await openRaw(port)
    connection.send('GET /api HTTP/1.0\r\nHost: x\r\n\r\n')
    assert.match(await connection.closed(), /\r\n\r\n\{\}$/)
  })
})

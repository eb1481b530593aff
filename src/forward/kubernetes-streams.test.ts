import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { suite, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { eventually, openRaw } from '../../test/fakes/raw-http.ts'
import { Refusal } from '../errors.ts'
import { JSON_TYPE, LOGIN, pieces, STREAM, stageAct, startUpstream } from './kubernetes.fake.ts'

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

  test('that announced a length is ended as one without, and what is asked behind it is answered apart', async (t) => {
    const upstream = await startUpstream(t, (request, response) => {
      const more = request.url?.includes('watch') ? 400 : 8
      response.writeHead(200, { ...JSON_TYPE, 'content-length': more }).write('{"n":1}\n')
    })
    const asked = (request: IncomingMessage) => ({ stream: request.url?.includes('watch') === true, piecewise: true })
    const stage = await stageAct(t, { upstream, asked })
    const connection = await openRaw(stage.port)
    connection.send('GET /api?watch=1 HTTP/1.1\r\nHost: x\r\n\r\n')
    await connection.until(/\{"n":1\}/)
    assert.doesNotMatch(connection.received(), /content-length/i)
    stage.stop()
    await connection.until(/\r\n0\r\n\r\n$/)
    connection.send('GET /api HTTP/1.1\r\nHost: x\r\n\r\n')
    await connection.until(/\r\n0\r\n\r\nHTTP\/1\.1 200/)
    connection.socket.destroy()
  })

  test('that is encoded is cut, since half of it is whole in no part', async (t) => {
    const upstream = await startUpstream(t, (_request, response) => {
      response.writeHead(200, { ...JSON_TYPE, 'content-encoding': 'gzip' }).write('half')
    })
    const stage = await stageAct(t, { upstream, ...STREAM })
    const connection = await openRaw(stage.port)
    connection.send('GET /api?watch=1 HTTP/1.1\r\nHost: x\r\n\r\n')
    await connection.until(/half/)
    stage.stop()
    assert.doesNotMatch(await connection.closed(), /\r\n0\r\n\r\n$/)
  })

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

  test('an answer that is not called a stream goes on no longer than one, and is cut', async (t) => {
    const upstream = await startUpstream(t, (_request, response) => {
      response.writeHead(200, { 'content-type': 'text/plain' })
      const more = setInterval(() => response.write('more'), 20)
      response.on('close', () => clearInterval(more))
    })
    const { port, ends } = await stageAct(t, { upstream, maxAgeMs: 150 })
    const connection = await openRaw(port)
    connection.send('GET /large HTTP/1.1\r\nHost: x\r\n\r\n')
    assert.doesNotMatch(await connection.closed(3_000), /\r\n0\r\n\r\n$/)
    assert.deepEqual(
      ends.map((end) => 'result' in end && [end.result, end.cause]),
      [['failed', 'max-age']],
    )
  })

  for (const end of ['max-age', 'stopping']) {
    test(`a proxied answer that goes on ends by ${end}, and never looks whole`, async (t) => {
      const upstream = await startUpstream(t, watching())
      const asked = () => ({ stream: true, piecewise: false })
      const stage = await stageAct(t, { upstream, asked, maxAgeMs: end === 'max-age' ? 150 : 60_000 })
      const connection = await openRaw(stage.port)
      connection.send('GET /proxied HTTP/1.1\r\nHost: x\r\n\r\n')
      await connection.until(/\{"n":1\}/)
      if (end === 'stopping') stage.stop()
      assert.doesNotMatch(await connection.closed(3_000), /\r\n0\r\n\r\n$/)
      assert.deepEqual(
        stage.ends.map((acted) => 'result' in acted && [acted.result, acted.cause]),
        [['stream-closed', end]],
      )
      assert.equal(stage.live(), 0)
    })
  }

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

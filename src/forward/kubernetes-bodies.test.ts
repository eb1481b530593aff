import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type IncomingMessage, request } from 'node:http'
import { suite, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { eventually, exchangeRaw, openRaw } from '../../test/fakes/raw-http.ts'
import { codeOf, JSON_TYPE, PIECE, pieces, stageAct, startUpstream } from './kubernetes.fake.ts'

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void

/** Bytes held right now, on the heap and outside of it; what is garbage does not count, whenever it would be collected. */
function held(): number {
  collect()
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external
}

/** The most that was held more while `work` ran. */
async function growthDuring(work: () => Promise<unknown>): Promise<number> {
  const before = held()
  let most = before
  const timer = setInterval(() => (most = Math.max(most, held())), 50)
  await work().finally(() => clearInterval(timer))
  return most - before
}

suite('bodies through an act', () => {
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
      // Not fetch, whose own buffers differ from one Node to the next.
      const asking = request(`${origin}/api`, { method: 'POST' })
      const answering = once(asking, 'response')
      pieces(count).pipe(asking)
      const [answer] = (await answering) as [IncomingMessage]
      for await (const part of answer as AsyncIterable<Buffer>) {
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
    // Both ends of both connections are in this process.
    assert.ok(grown < 40_000_000, `${Math.round(grown / 1e6)} MB more were held`)
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

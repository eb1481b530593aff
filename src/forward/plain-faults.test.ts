/** Services that lie, stall and flood: each request ends as a refusal or as a cut connection, in time, and leaves no socket. */
import assert from 'node:assert/strict'
import type { Socket } from 'node:net'
import { suite, type TestContext, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { eventually, OK, openRaw, type RawAnswering, readAnswer, startRawUpstream } from '../../test/fakes/raw-http.ts'
import { Refusal } from '../errors.ts'
import type { Acted } from '../grant.ts'
import { type PlainStageOptions, stageAct } from './plain.fake.ts'

const CHUNKED = 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n'
const LENGTH = (length: number) => `HTTP/1.1 200 OK\r\nContent-Length: ${length}\r\n\r\n`
const GET = 'GET /x HTTP/1.1\r\nHost: x\r\n\r\n'
/** Short where the bound is what the test is about; a busy machine keeps an answer waiting for longer than that. */
const BOUNDS = { answerWithinMs: 30_000, pauseMs: 300 } as const
const HASTY = { answerWithinMs: 300 } as const

async function stage(t: TestContext, answering: RawAnswering, options: PlainStageOptions = {}) {
  const raw = await startRawUpstream(answering)
  t.after(() => raw.close())
  return { raw, ...(await stageAct(t, raw.origin, { ...BOUNDS, ...options })) }
}

/** Asks once and gives what came until the connection was closed, or until the answer was complete. */
async function outcomeOf(port: number, ask = GET): Promise<string> {
  const connection = await openRaw(port)
  connection.send(ask.replace('\r\n\r\n', '\r\nConnection: close\r\n\r\n'))
  return connection.closed()
}

const repeat = (socket: Socket, text: string) => {
  if (socket.destroyed) return
  socket.write(text)
  setTimeout(() => repeat(socket, text), 1)
}

suite('refused, and nothing of it reaches the caller', () => {
  for (const [what, code, answering] of [
    ['never answers', 504, () => undefined],
    ['resets before its head', 502, (socket) => void socket.resetAndDestroy()],
    ['sends 1xx without end', 504, (socket) => repeat(socket, 'HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n')],
    ['sends its head drop by drop', 504, (socket) => repeat(socket.write('HTTP/1.1 200 OK\r\nX: ') ? socket : socket, 'x')],
    ['sends a huge head', 502, (socket) => void socket.write(`HTTP/1.1 200 OK\r\nX: ${'secret'.repeat(20_000)}\r\n\r\n`)],
    [
      'sends a thousand headers',
      502,
      (socket) => void socket.write(`HTTP/1.1 200 OK\r\n${'X-A: secretsecretsecretsecretsecretsecretsecret\r\n'.repeat(2_000)}\r\n`),
    ],
    ['has two lengths', 502, (socket) => void socket.write('HTTP/1.1 200 OK\r\nContent-Length: 6\r\nContent-Length: 7\r\n\r\nsecret')],
    ['has a negative length', 502, (socket) => void socket.write('HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\nsecret')],
    [
      'has a length and chunks',
      502,
      (socket) => void socket.write('HTTP/1.1 200 OK\r\nContent-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n6\r\nsecret\r\n0\r\n\r\n'),
    ],
    ['encodes its transfer', 502, (socket) => void socket.end('HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nsecret')],
    [
      'changes the protocol unasked',
      502,
      (socket) => void socket.write('HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\nsecret'),
    ],
  ] as ReadonlyArray<readonly [string, number, RawAnswering]>) {
    test(`a service that ${what}: ${code}`, async (t) => {
      const { raw, port, ends } = await stage(t, answering, code === 504 ? HASTY : {})
      const all = await outcomeOf(port)
      assert.equal(readAnswer(all).status, code)
      assert.doesNotMatch(all, /secret/)
      assert.ok(ends[0] instanceof Refusal)
      await eventually(
        () => raw.connections.every(({ socket }) => socket.destroyed || socket.readableEnded),
        (all) => all,
      )
    })
  }

  test('only what was reset: the next answer that ends by closing is whole', async (t) => {
    const whole = (socket: Socket) => void socket.end('HTTP/1.1 200 OK\r\n\r\nwhole')
    const { port, ends } = await stage(t, (socket, _head, nth) => (nth === 0 ? void socket.resetAndDestroy() : whole(socket)))
    assert.equal(readAnswer(await outcomeOf(port)).status, 502)
    assert.match(await outcomeOf(port), /whole/)
    const [first, second] = await eventually(
      () => ends,
      (all) => all.length === 2,
    )
    assert.ok(first instanceof Refusal && second !== undefined && !(second instanceof Refusal))
    assert.deepEqual([second.result, second.bytes], ['completed', 5])
  })

  test('a service that cannot be connected to in time: 502', async (t) => {
    // Of the range for documentation (RFC 5737): nobody answers, or there is no way at all; either is told in time.
    const { port } = await stageAct(t, 'http://192.0.2.1:81', { connectWithinMs: 100, retries: 5 })
    const began = performance.now()
    assert.equal(readAnswer(await outcomeOf(port)).status, 502)
    assert.ok(performance.now() - began < 3_000, 'connecting is not tried again and again')
  })
})

suite('cut, and never looks whole', () => {
  for (const [what, answering] of [
    ['resets within its body', (socket) => void socket.write(`${LENGTH(10)}half`, () => setTimeout(() => socket.resetAndDestroy(), 20))],
    [
      'resets what ends by closing',
      (socket) => void socket.write('HTTP/1.1 200 OK\r\n\r\nhalf', () => setTimeout(() => socket.resetAndDestroy(), 20)),
    ],
    ['sends less than it announced', (socket) => void socket.end(`${LENGTH(10)}half`)],
    ['ends between chunks', (socket) => void socket.end(`${CHUNKED}4\r\nhalf\r\n`)],
    ['ends within a chunk', (socket) => void socket.end(`${CHUNKED}9\r\nhalf`)],
    ['sends garbage for a chunk', (socket) => void socket.write(`${CHUNKED}4\r\nhalf\r\nzz\r\n`)],
    ['sends a chunk longer than it says', (socket) => void socket.write(`${CHUNKED}4\r\nhalfmore\r\n0\r\n\r\n`)],
    ['stalls within its body', (socket) => void socket.write(`${LENGTH(10)}half`)],
    ['stalls between chunks', (socket) => void socket.write(`${CHUNKED}4\r\nhalf\r\n`)],
    ['stalls after its head', (socket) => void socket.write(LENGTH(10))],
    [
      'stalls after a while',
      (socket) => {
        socket.write(CHUNKED)
        for (let i = 1; i <= 4; i += 1) setTimeout(() => socket.write('4\r\nhalf\r\n'), i * 100)
      },
    ],
  ] as ReadonlyArray<readonly [string, RawAnswering]>) {
    test(`the answer of a service that ${what}`, async (t) => {
      const { raw, port, over } = await stage(t, answering)
      const all = await outcomeOf(port)
      assert.match(all, /^HTTP\/1\.1 200/)
      assert.doesNotMatch(all, /\r\n0\r\n\r\n$/)
      const length = /content-length: (\d+)/i.exec(all)?.[1]
      if (length !== undefined) assert.ok(readAnswer(all).body.length < Number(length))
      const acted = await over()
      assert.ok(acted !== undefined && !(acted instanceof Refusal))
      assert.deepEqual([acted.result, acted.code], ['failed', 'upstream_broke'])
      assert.equal(acted.cause, what.startsWith('stalls') ? 'upstream-paused' : 'upstream-broke')
      await eventually(
        () => raw.connections.every(({ socket }) => socket.destroyed || socket.readableEnded),
        (all) => all,
      )
    })
  }
})

/** How the one act ended. */
function resultOf([end]: ReadonlyArray<Acted | Refusal>): string | undefined {
  return end instanceof Refusal ? end.code : end?.result
}

suite('an answer', () => {
  test('that is longer than it announced ends where it said, and what came behind it reaches nobody', async (t) => {
    const { port } = await stage(
      t,
      (socket, _head, nth) => void socket.write(nth === 0 ? `${LENGTH(2)}ok${OK.replace('List', 'Evil')}` : OK),
    )
    assert.match(await outcomeOf(port), /\r\n\r\nok$/)
    assert.match(await outcomeOf(port), /"List"/)
  })

  for (const [what, ask, answer] of [
    ['HEAD with a body', 'HEAD /x HTTP/1.1\r\nHost: x\r\n\r\n', `${LENGTH(4)}evil`],
    ['304 with a length and a body', GET, 'HTTP/1.1 304 Not Modified\r\nContent-Length: 4\r\n\r\nevil'],
    ['204 with a body', GET, 'HTTP/1.1 204 No Content\r\nContent-Length: 4\r\n\r\nevil'],
  ] as const) {
    test(`to ${what} has none, and the next answer is the next one's`, async (t) => {
      const { port } = await stage(t, (socket, _head, nth) => void socket.write(nth === 0 ? answer : OK))
      assert.doesNotMatch(await outcomeOf(port, ask), /evil/)
      const next = await outcomeOf(port)
      assert.match(next, /"List"/)
      assert.doesNotMatch(next, /evil/)
    })
  }

  test('that pauses for less than the bound again and again passes whole', async (t) => {
    const pauses: RawAnswering = (socket) => {
      socket.write(CHUNKED)
      for (let i = 1; i <= 12; i += 1) setTimeout(() => socket.write('4\r\nhalf\r\n'), i * 100)
      setTimeout(() => socket.write('0\r\n\r\n'), 1_300)
    }
    const { port } = await stage(t, pauses, { pauseMs: 1_000 })
    assert.match(await outcomeOf(port), /\r\n0\r\n\r\n$/)
  })

  test('of events may be quiet for as long as it likes', async (t) => {
    const { port } = await stage(t, (socket) => {
      socket.write('HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n9\r\ndata: 1\n\n\r\n')
      setTimeout(() => socket.write('9\r\ndata: 2\n\n\r\n0\r\n\r\n'), 4 * BOUNDS.pauseMs)
    })
    assert.match(await outcomeOf(port), /data: 1[\s\S]*data: 2[\s\S]*\r\n0\r\n\r\n$/)
  })

  test('that the caller is slow to take is not the fault of the service', async (t) => {
    const piece = 'x'.repeat(1_000_000)
    const { port, ends } = await stage(t, (socket) => void socket.write(`${LENGTH(40_000_000)}${piece.repeat(40)}`))
    const connection = await openRaw(port)
    connection.socket.pause()
    connection.send(GET)
    await sleep(4 * BOUNDS.pauseMs)
    assert.deepEqual(ends, [])
    connection.socket.resume()
    await eventually(
      () => ends.length,
      (count) => count === 1,
      20_000,
    )
    assert.equal(resultOf(ends), 'completed')
    connection.socket.destroy()
  })

  test('that comes before the body was read reaches the caller, who need not send the rest', async (t) => {
    const { raw, port, ends } = await stage(
      t,
      (socket) => void socket.write('HTTP/1.1 413 Content Too Large\r\nContent-Length: 2\r\n\r\nno'),
    )
    const connection = await openRaw(port)
    connection.send(`POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n${'x'.repeat(1_000)}`)
    await connection.until(/413[\s\S]*no$/)
    await eventually(
      () => ends.length,
      (count) => count === 1,
    )
    await eventually(
      () => raw.connections.every(({ socket }) => socket.destroyed || socket.readableEnded),
      (all) => all,
    )
    connection.socket.destroy()
  })

  test('that has begun while the caller still sends is not cut for what the caller takes its time', async (t) => {
    const { port } = await stage(t, (socket) => {
      socket.write(`${CHUNKED}2\r\nok\r\n`)
      socket.on('data', (text) => String(text).includes('end') && socket.write('0\r\n\r\n'))
    })
    const connection = await openRaw(port)
    connection.send('POST /x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n')
    for (let i = 0; i < 6; i += 1) {
      await sleep(100)
      connection.send('2\r\nxx\r\n')
    }
    connection.send('3\r\nend\r\n0\r\n\r\n')
    await connection.until(/\r\n0\r\n\r\n$/)
    connection.socket.destroy()
  })
})

suite('events that are ended by us', () => {
  const EVENTS = 'Content-Type: text/event-stream\r\n'

  test('leave no length unmet: the next answer on the connection is read as itself', async (t) => {
    const { port, stop } = await stage(t, (socket, head) => {
      socket.write(head.includes('/x') ? `${LENGTH(400).replace('\r\n\r\n', `\r\n${EVENTS}\r\n`)}data: one\n\n` : OK)
    })
    const connection = await openRaw(port)
    connection.send(`${GET}${GET.replace('/x', '/next')}`)
    await connection.until(/data: one/)
    stop()
    await connection.until(/\r\n0\r\n\r\nHTTP\/1\.1 200[\s\S]*"List"/)
    assert.doesNotMatch(connection.received().slice(0, connection.received().indexOf('data: one')), /content-length/i)
    connection.socket.destroy()
  })

  test('are cut when they are encoded', async (t) => {
    const { port, stop } = await stage(
      t,
      (socket) => void socket.write(`${CHUNKED.slice(0, -2)}${EVENTS}Content-Encoding: gzip\r\n\r\n4\r\nhalf\r\n`),
    )
    const connection = await openRaw(port)
    connection.send(GET)
    await connection.until(/half/)
    stop()
    assert.doesNotMatch(await connection.closed(), /\r\n0\r\n\r\n$/)
  })
})

suite('many faults', () => {
  test('leave no socket and no timer', async (t) => {
    const faults: readonly RawAnswering[] = [
      (socket) => void socket.resetAndDestroy(),
      (socket) => void socket.write(`${LENGTH(10)}half`),
      (socket) => void socket.end(`${CHUNKED}4\r\nhalf\r\n`),
      (socket) => void socket.write(`${CHUNKED}4\r\nhalf\r\nzz\r\n`),
      () => undefined,
    ]
    const { port, raw, ends } = await stage(t, (socket, head, nth) => faults[nth % faults.length]?.(socket, head, nth), HASTY)
    const held = () => process.getActiveResourcesInfo().filter((kind) => kind === 'TCPSocketWrap' || kind === 'Timeout').length
    const before = held()
    await Promise.all(Array.from({ length: 100 }, () => outcomeOf(port)))
    await eventually(
      () => ends.length,
      (count) => count === 100,
    )
    await eventually(
      () => raw.connections.filter(({ socket }) => !socket.destroyed).length,
      (open) => open === 0,
    )
    assert.ok((await eventually(held, (now) => now <= before + 1)) <= before + 1)
  })
})

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { PassThrough, Readable, Writable } from 'node:stream'
import { suite, test } from 'node:test'
import { eventually, OK } from '../../test/fakes/raw-http.ts'
import { Refusal } from '../errors.ts'
import { asked, chunked, cutBy, fetchBy, refusesWith, stageUpstream as stage } from './http.fake.ts'

suite('a caller of an upstream over HTTP', () => {
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
        asked({ path: `/watch?n=${1_000 + i}`, cut: cutBy(abort.signal), answerWithinMs: 30_000 }),
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

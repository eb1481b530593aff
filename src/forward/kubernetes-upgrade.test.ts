/** Upgrades between a raw client and a raw API server: what may pass, and what each connection is good for afterwards. */
import assert from 'node:assert/strict'
import type { Socket } from 'node:net'
import { suite, type TestContext, test } from 'node:test'
import { eventually, openRaw, type RawAnswering, readAnswer, startRawUpstream } from '../../test/fakes/raw-http.ts'
import { Refusal } from '../errors.ts'
import { type ActStageOptions, codeOf, LOGIN, stageAct } from './kubernetes.fake.ts'

const SWITCHED = 'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\nAudit-Id: a-1\r\n\r\n'
const FORBIDDEN = '{"kind":"Status","code":403}'
const refuseWith = (status: string, body = FORBIDDEN, ...lines: string[]) =>
  `HTTP/1.1 ${status}\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n${lines.map((line) => `${line}\r\n`).join('')}\r\n${body}`
const ASK = (...lines: string[]) =>
  ['POST /exec?command=cat HTTP/1.1', 'Host: localhost', 'Connection: Upgrade', 'Upgrade: SPDY/3.1', ...lines, '', ''].join('\r\n')

async function between(t: TestContext, answering: RawAnswering, options: Partial<ActStageOptions> = {}) {
  const upstream = await startRawUpstream(answering)
  t.after(() => upstream.close())
  const stage = await stageAct(t, { upstream: upstream.origin, ...options })
  const caller = await openRaw(stage.port)
  t.after(() => caller.socket.destroy())
  return { upstream, stage, caller }
}

const say =
  (text: string): RawAnswering =>
  (socket) =>
    void socket.write(text, 'latin1')

suite('an upgrade towards the API server', () => {
  test('refused with keep-alive: the caller reads why, and neither connection is used again', async (t) => {
    const { upstream, stage, caller } = await between(t, say(refuseWith('403 Forbidden', FORBIDDEN, 'Connection: keep-alive')))
    caller.send(ASK())
    await caller.closed()
    const answer = readAnswer(caller.received())
    assert.equal(answer.status, 403)
    assert.equal(answer.body, FORBIDDEN)
    assert.match(answer.head, /\r\nconnection: close/)
    await eventually(
      () => upstream.connections[0]?.socket.destroyed,
      (gone) => gone === true,
    )
    assert.equal(upstream.connections.length, 1)
    assert.deepEqual(stage.recorded, ['effect x'])
    const [end] = stage.ends
    assert.deepEqual(end, { result: 'completed', cause: 'complete', status: 403, bytes: FORBIDDEN.length, upstreamAuditId: undefined })
  })

  test('bytes that a caller sends right behind a refused upgrade never reach the API server', async (t) => {
    const { upstream, caller } = await between(t, say(refuseWith('403 Forbidden')))
    caller.send(`${ASK()}GET /api/v1/secrets HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer smuggled\r\n\r\n`)
    await caller.closed()
    await eventually(
      () => upstream.connections[0]?.socket.destroyed,
      (gone) => gone === true,
    )
    assert.doesNotMatch(upstream.connections[0]?.received ?? '', /smuggled|secrets/)
  })

  test('headers of the caller pass by the same allow-list, whatever Connection names', async (t) => {
    const { upstream, caller } = await between(t, say(SWITCHED))
    caller.send(
      ASK(
        'Authorization: Bearer of-the-caller',
        'Cookie: mandate=1',
        'Impersonate-User: root',
        'Impersonate_User: root',
        'X-Remote-User: root',
        'X-Forwarded-For: 1.1.1.1',
        'Sec-WebSocket-Extensions: permessage-deflate',
        'X-Stream-Protocol-Version: v4.channel.k8s.io',
        'X-Stream-Protocol-Version: v3.channel.k8s.io',
        'Content-Type: text/html',
      ).replace('Connection: Upgrade', 'Connection: Upgrade, Authorization, Impersonate-User'),
    )
    await caller.until(/101[\s\S]*\r\n\r\n/)
    const lines = (upstream.heads()[0] ?? '').split('\r\n').slice(1)
    assert.deepEqual(lines, [
      `Host: 127.0.0.1:${upstream.port}`,
      'Content-Length: 0',
      'X-Stream-Protocol-Version: v4.channel.k8s.io',
      'X-Stream-Protocol-Version: v3.channel.k8s.io',
      'Connection: Upgrade',
      'Upgrade: SPDY/3.1',
      'Authorization: Bearer token-0',
    ])
  })

  for (const [fault, answer] of [
    ['a protocol nobody asked for', SWITCHED.replace('SPDY/3.1', 'websocket')],
    ['a success without a change of protocol', refuseWith('200 OK')],
  ] as const) {
    test(`${fault} is upstream_broke, and nothing is joined`, async (t) => {
      const { stage, caller, upstream } = await between(t, say(answer))
      caller.send(ASK())
      await caller.until(/upstream_broke/)
      assert.equal(codeOf(stage.ends[0]), 'upstream_broke')
      await eventually(
        () => upstream.connections[0]?.socket.destroyed,
        (gone) => gone === true,
      )
    })
  }

  test('one that the API server breaks off in the middle is not called the doing of the caller', async (t) => {
    const half = refuseWith('403 Forbidden').slice(0, -5)
    const { caller, stage } = await between(t, (socket) => void socket.write(half, () => setTimeout(() => socket.resetAndDestroy(), 20)))
    caller.send(ASK())
    await caller.closed()
    const [end] = await eventually(
      () => stage.ends,
      ({ length }) => length === 1,
    )
    assert.ok(end !== undefined && 'result' in end)
    assert.deepEqual([end.result, end.cause], ['failed', 'upstream-broke'])
  })

  test("a cookie's caller is not shown a page that an API server answers", async (t) => {
    const page = refuseWith('403 Forbidden', '<script>alert(1)</script>').replace('application/json', 'text/html')
    const { caller } = await between(t, say(page), { proof: LOGIN })
    caller.send(ASK())
    await caller.until(/content_refused/)
    assert.doesNotMatch(caller.received(), /script/)
  })

  test('an API server that never answers is upstream_timeout', async (t) => {
    const { caller } = await between(t, () => undefined, { answerWithinMs: 50 })
    caller.send(ASK())
    await caller.until(/504[\s\S]*upstream_timeout/)
  })

  test('one that is not there is upstream_unavailable', async (t) => {
    const { upstream, caller } = await between(t, () => undefined)
    await upstream.close()
    caller.send(ASK())
    await caller.until(/502[\s\S]*upstream_unavailable/)
  })

  test('no record of the stream: the caller sees no 101 and the upstream is cut', async (t) => {
    const streamOpened = async () => {
      throw new Refusal('audit_unavailable')
    }
    const { upstream, caller, stage } = await between(t, say(SWITCHED), { grant: { streamOpened } })
    caller.send(`${ASK()}early`)
    await caller.until(/503[\s\S]*audit_unavailable/)
    assert.doesNotMatch(upstream.connections[0]?.received ?? '', /early/)
    await eventually(
      () => upstream.connections[0]?.socket.destroyed,
      (gone) => gone === true,
    )
    assert.equal(stage.live(), 0)
  })

  test('a 401 to a credential that was renewed a moment ago is the answer', async (t) => {
    const { upstream, caller, stage } = await between(t, (socket) => socket.write(refuseWith('401 Unauthorized')), {
      grant: { refused: () => false },
    })
    caller.send(ASK())
    await caller.until(/^HTTP\/1\.1 401/)
    assert.deepEqual([upstream.heads().length, stage.recorded.includes('renewed')], [1, false])
  })

  test('a 401 is asked again once with a fresh credential', async (t) => {
    const { upstream, caller, stage } = await between(t, (socket, _head, nth) =>
      socket.write(nth === 0 ? refuseWith('401 Unauthorized') : SWITCHED),
    )
    caller.send(ASK())
    await caller.until(/101 Switching/)
    assert.match(upstream.heads()[1] ?? '', /Bearer token-1/)
    assert.ok(stage.recorded.includes('renewed'))
  })

  test('a caller that leaves while the API server thinks takes the request with it', async (t) => {
    const { upstream, caller, stage } = await between(t, () => undefined)
    caller.send(ASK())
    await eventually(
      () => upstream.heads().length,
      (count) => count === 1,
    )
    caller.socket.resetAndDestroy()
    const [end] = await eventually(
      () => stage.ends,
      ({ length }) => length === 1,
    )
    assert.equal(end !== undefined && 'cause' in end && end.cause, 'caller-gone')
    assert.equal(upstream.connections[0]?.socket.destroyed, true)
  })
})

/** An API server that switches and then gives back what it gets. */
const echo: RawAnswering = (socket: Socket) => {
  socket.write(`${SWITCHED}early words;`)
  socket.setEncoding('latin1')
  socket.removeAllListeners('data')
  socket.on('data', (text) => void socket.write(text))
}

suite('a joined pair of connections', () => {
  test('carries both ways, what came with the heads included, and counts', async (t) => {
    const { caller, stage } = await between(t, echo)
    caller.send(`${ASK()}before;`)
    await caller.until(/101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: SPDY\/3\.1\r\nAudit-Id: a-1\r\n\r\nearly words;before;/)
    caller.send('after;')
    await caller.until(/after;$/)
    assert.equal(stage.live(), 1)
    caller.socket.end()
    const [end] = await eventually(
      () => stage.ends,
      ({ length }) => length === 1,
    )
    const bytes = 'early words;before;after;'.length
    assert.deepEqual(end, { result: 'stream-closed', status: 101, bytes, upstreamAuditId: 'a-1', cause: 'complete' })
    assert.equal(stage.live(), 0)
  })

  for (const [what, act, cause] of [
    ['the end of the caller', 'endCaller', 'caller-ended'],
    ['the stop of the replica', 'stop', 'stopping'],
  ] as const) {
    test(`is cut on both sides by ${what}`, async (t) => {
      const { caller, stage, upstream } = await between(t, echo)
      caller.send(ASK())
      await caller.until(/early words;/)
      stage[act]()
      await caller.closed()
      const [end] = await eventually(
        () => stage.ends,
        ({ length }) => length === 1,
      )
      assert.equal(end !== undefined && 'cause' in end && end.cause, cause)
      await eventually(
        () => upstream.connections[0]?.socket.destroyed,
        (gone) => gone === true,
      )
    })
  }

  test('is cut at its age', async (t) => {
    const { caller, stage } = await between(t, echo, { maxAgeMs: 50 })
    caller.send(ASK())
    await caller.closed()
    const [end] = await eventually(
      () => stage.ends,
      ({ length }) => length === 1,
    )
    assert.equal(end !== undefined && 'cause' in end && end.cause, 'max-age')
  })

  for (const side of ['caller', 'upstream'] as const) {
    test(`is over when the ${side} breaks off`, async (t) => {
      const { caller, stage, upstream } = await between(t, echo)
      caller.send(ASK())
      await caller.until(/early words;/)
      const there = upstream.connections[0]?.socket
      if (side === 'caller') caller.socket.resetAndDestroy()
      else there?.resetAndDestroy()
      const [end] = await eventually(
        () => stage.ends,
        ({ length }) => length === 1,
      )
      assert.equal(end !== undefined && 'cause' in end && end.cause, side === 'caller' ? 'caller-gone' : 'upstream-broke')
      await eventually(
        () => caller.socket.destroyed && there?.destroyed,
        (gone) => gone === true,
      )
    })
  }

  test('holds back an upstream that is faster than its caller', async (t) => {
    let sent = 0
    const pour: RawAnswering = (socket) => {
      const more = () => {
        while (sent < 256 << 20) {
          sent += 65_536
          if (!socket.write(Buffer.alloc(65_536, 'x'))) return void socket.once('drain', more)
        }
      }
      socket.write(SWITCHED, more)
    }
    const { caller } = await between(t, pour)
    caller.send(ASK())
    await caller.until(/101 Switching/)
    caller.socket.pause()
    let before = -1
    await eventually(
      () => {
        const same = sent === before
        before = sent
        return same
      },
      (same) => same,
    )
    assert.ok(sent < 128 << 20, `${sent} bytes were taken of an upstream whose caller takes none`)
  })
})

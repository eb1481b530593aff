import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { suite, type TestContext, test } from 'node:test'
import { eventually, openRaw, type RawAnswering, startRawUpstream } from '../../test/fakes/raw-http.ts'
import { bearerCredential } from '../credential.ts'
import { Refusal } from '../errors.ts'
import { Secret } from '../secret.ts'
import { type PlainStageOptions, stageAct } from './plain.fake.ts'

const KEY = 'dGhlIHNhbXBsZSBub25jZQ=='
/** Of RFC 6455 1.3. */
const ACCEPT = 's3pPLMBiTxaQ9kYGzzhZRbK+xOo='

const ask = (...lines: string[]) =>
  [
    'GET /socket?x=1 HTTP/1.1',
    'Host: app.example',
    'Connection: Upgrade',
    'Upgrade: websocket',
    `Sec-WebSocket-Key: ${KEY}`,
    'Sec-WebSocket-Version: 13',
    ...lines,
    '',
    '',
  ].join('\r\n')

const switched = (...lines: string[]) =>
  [
    'HTTP/1.1 101 Switching Protocols',
    'Connection: Upgrade',
    'Upgrade: websocket',
    `Sec-WebSocket-Accept: ${ACCEPT}`,
    ...lines,
    '',
    '',
  ].join('\r\n')
const say =
  (text: string): RawAnswering =>
  (socket) =>
    void socket.write(text)

async function between(t: TestContext, answering: RawAnswering, options: PlainStageOptions = {}) {
  const service = await startRawUpstream(answering)
  t.after(() => service.close())
  const stage = await stageAct(t, service.origin, options)
  const caller = await openRaw(stage.port)
  t.after(() => caller.socket.destroy())
  return { service, caller, ...stage }
}

const isGone = (service: Awaited<ReturnType<typeof startRawUpstream>>) =>
  eventually(
    () => service.connections.every(({ socket }) => socket.destroyed || socket.readableEnded),
    (all) => all,
  )

suite('a WebSocket is refused, and nothing is joined', () => {
  for (const [what, answer] of [
    ['an ordinary success', 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'],
    ['another protocol', switched().replace('Upgrade: websocket', 'Upgrade: h2c')],
    ['no proof', switched().replace(/Sec-WebSocket-Accept.*\r\n/, '')],
    ['the proof of another handshake', switched().replace(ACCEPT, createHash('sha1').update('x').digest('base64'))],
    ['two proofs', switched(`Sec-WebSocket-Accept: ${ACCEPT}`)],
    ['a subprotocol nobody offered', switched('Sec-WebSocket-Protocol: admin')],
    ['two subprotocols', switched('Sec-WebSocket-Protocol: chat', 'Sec-WebSocket-Protocol: chat')],
    ['no HTTP', 'SSH-2.0-OpenSSH_9.9\r\n\r\n'],
  ] as const) {
    test(`when the service answers with ${what}, and what was sent behind the handshake is no request`, async (t) => {
      const { service, caller, ends, recorded } = await between(t, say(answer), { subprotocols: ['chat'] })
      caller.send(`${ask('Sec-WebSocket-Protocol: chat')}GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n`)
      await caller.until(/^HTTP\/1\.1 502[\s\S]*upstream_/)
      assert.doesNotMatch(caller.received(), /101|200/)
      assert.ok(ends[0] instanceof Refusal)
      await isGone(service)
      assert.deepEqual([recorded, service.heads().length], [[], 1])
      assert.doesNotMatch(service.connections[0]?.received ?? '', /smuggled/)
    })
  }

  test('when its start cannot be recorded', async (t) => {
    const streamOpened = () => Promise.reject(new Refusal('audit_unavailable'))
    const { service, caller } = await between(t, say(switched()), { grant: { streamOpened } })
    caller.send(`${ask()}early`)
    await caller.until(/audit_unavailable/)
    await isGone(service)
    assert.doesNotMatch(service.connections[0]?.received ?? '', /early/)
  })

  test('when its effect cannot be recorded: nothing is sent', async (t) => {
    const effect = () => Promise.reject(new Refusal('audit_unavailable'))
    const { service, caller } = await between(t, say(switched()), { writes: true, grant: { effect } })
    caller.send(ask())
    await caller.until(/audit_unavailable/)
    assert.deepEqual(service.heads(), [])
  })

  test('when the service never answers: 504', async (t) => {
    const { caller } = await between(t, () => undefined, { answerWithinMs: 50 })
    caller.send(ask())
    await caller.until(/504[\s\S]*upstream_timeout/)
  })

  test('when it is not there: 502, and each further server is asked', async (t) => {
    const [gone, service] = [await startRawUpstream(), await startRawUpstream(say(switched()))]
    await gone.close()
    t.after(() => service.close())
    const { port, recorded } = await stageAct(t, [gone.origin, service.origin], { retries: 1, writes: true })
    const caller = await openRaw(port)
    caller.send(ask())
    await caller.until(/^HTTP\/1\.1 101/)
    assert.deepEqual(recorded, ['effect x', 'retried', 'effect x', 'stream opened'])
    caller.socket.destroy()
    const none = await stageAct(t, gone.origin)
    const other = await openRaw(none.port)
    other.send(ask())
    await other.until(/502[\s\S]*upstream_unavailable/)
  })

  for (const [what, early] of [
    ['', ''],
    [' behind bytes that came too early', 'early'],
  ] as const) {
    test(`when its caller ended with the handshake${what}: the service is let go of and asked once`, async (t) => {
      const { service, caller, over } = await between(t, () => undefined, { retries: 3, answerWithinMs: 60_000 })
      caller.socket.end(`${ask()}${early}`, 'latin1')
      const acted = await over()
      assert.ok(acted !== undefined && !(acted instanceof Refusal))
      assert.deepEqual([acted.result, acted.cause], ['failed', 'caller-gone'])
      await isGone(service)
      assert.ok(service.heads().length <= 1)
    })

    test(`when its caller ended while it was decided on${what}: the service is let go of`, async (t) => {
      const deciding = Promise.withResolvers<void>()
      const effect = () => deciding.promise
      const { service, caller, over } = await between(t, () => undefined, { writes: true, answerWithinMs: 60_000, grant: { effect } })
      caller.socket.end(`${ask()}${early}`, 'latin1')
      await new Promise((resolve) => setTimeout(resolve, 100))
      deciding.resolve()
      const acted = await over()
      assert.ok(acted !== undefined && !(acted instanceof Refusal))
      assert.equal(acted.cause, 'caller-gone')
      await isGone(service)
    })
  }

  for (const [what, answering] of [
    ['broke off within its first line', (socket) => void socket.end('HTTP/1.1 1')],
    ['was begun by a 103', (socket) => void socket.end('HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n')],
    ['is no HTTP', (socket) => void socket.write('SSH-2.0\r\n\r\n')],
    ['has another transfer coding', (socket) => void socket.end('HTTP/1.1 403 Forbidden\r\nTransfer-Encoding: gzip\r\n\r\nno')],
  ] as ReadonlyArray<readonly [string, RawAnswering]>) {
    test(`when its answer ${what}: upstream_broke, and it is not asked for again`, async (t) => {
      const { service, caller } = await between(t, answering, { retries: 3 })
      caller.send(ask())
      await caller.until(/502[\s\S]*upstream_broke/)
      assert.equal(service.heads().length, 1)
    })
  }

  test('with an answer that is reset: half of it never looks whole', async (t) => {
    const { caller, over } = await between(
      t,
      (socket) => void socket.write('HTTP/1.1 403 Forbidden\r\n\r\nhalf', () => setTimeout(() => socket.resetAndDestroy(), 50)),
    )
    caller.send(ask())
    assert.doesNotMatch(await caller.closed(), /\r\n0\r\n\r\n$/)
    const acted = await over()
    assert.ok(acted !== undefined && !(acted instanceof Refusal))
    assert.deepEqual([acted.result, acted.cause], ['failed', 'upstream-broke'])
  })

  test('what the service refuses it with is passed on, and its connection is closed', async (t) => {
    const { service, caller, over } = await between(
      t,
      say('HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\nX-Why: no\r\nProxy-Authenticate: x\r\nSet-Cookie: mandate-1=x\r\n\r\nno'),
    )
    caller.send(ask())
    assert.match(await caller.closed(), /^HTTP\/1\.1 403[\s\S]*x-why: no[\s\S]*no$/i)
    assert.doesNotMatch(caller.received(), /proxy-authenticate|mandate-1/i)
    await isGone(service)
    const acted = await over()
    assert.ok(acted !== undefined && !(acted instanceof Refusal) && acted.result === 'completed' && acted.status === 403)
  })
})

suite('a WebSocket', () => {
  test('is asked for with headers of the boundary, the handshake written anew, identity last', async (t) => {
    const { service, caller } = await between(t, say(switched()), { subprotocols: ['chat', 'v2'] })
    caller.send(
      ask(
        'Sec-WebSocket-Protocol: chat, base64url.bearer.authorization.k8s.io.c2VjcmV0, v2',
        'Sec-WebSocket-Extensions: permessage-deflate',
        'Sec-WebSocket-Evil: x',
        'Sec_WebSocket_Key: evil',
        'Origin: https://app.example',
        'Authorization: Bearer of-the-caller',
        'Cookie: theme=dark; mandate-8080=x',
        'X-Mandate-Subject: root',
      ).replace('Connection: Upgrade', 'Connection: Upgrade, X-Mandate-Subject'),
    )
    await caller.until(/101[\s\S]*\r\n\r\n/)
    assert.deepEqual((service.heads()[0] ?? '').split('\r\n'), [
      'GET /socket?x=1 HTTP/1.1',
      `Host: 127.0.0.1:${service.port}`,
      'Origin: https://app.example',
      'Cookie: theme=dark',
      'X-Forwarded-For: 192.0.2.1',
      'X-Forwarded-Proto: https',
      'X-Forwarded-Host: app.example',
      'X-Request-Id: r-1',
      'Connection: Upgrade',
      'Upgrade: websocket',
      `Sec-WebSocket-Key: ${KEY}`,
      'Sec-WebSocket-Version: 13',
      'Sec-WebSocket-Protocol: chat, v2',
      'Sec-WebSocket-Extensions: permessage-deflate',
      'X-Mandate-Subject: alice',
    ])
  })

  test('is answered with what belongs to the handshake, and cookies of the service alone', async (t) => {
    const { caller } = await between(
      t,
      say(
        switched(
          'Sec-WebSocket-Protocol: chat',
          'Set-Cookie: a=b',
          'Set-Cookie: mandate-1=x',
          'Content-Length: 5',
          'Proxy-Authenticate: x',
          'X-Own: x',
        ),
      ),
      { subprotocols: ['chat'] },
    )
    caller.send(ask('Sec-WebSocket-Protocol: chat'))
    await caller.until(/\r\n\r\n/)
    assert.deepEqual(caller.received().split('\r\n'), [
      'HTTP/1.1 101 Switching Protocols',
      'Connection: Upgrade',
      'Upgrade: websocket',
      `Sec-WebSocket-Accept: ${ACCEPT}`,
      'Sec-WebSocket-Protocol: chat',
      'Set-Cookie: a=b',
      '',
      '',
    ])
  })

  test('is not asked for again when its token was renewed a moment ago: the refusal is passed on', async (t) => {
    const credential = bearerCredential(new Secret('token'), Number.MAX_SAFE_INTEGER)
    const { service, caller } = await between(
      t,
      (socket) => void socket.write('HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\n\r\nno'),
      { grant: { credential, refused: () => false } },
    )
    caller.send(ask())
    await caller.until(/^HTTP\/1\.1 401[\s\S]*no$/)
    assert.equal(service.heads().length, 1)
  })

  test('is asked for once more with a fresh token when the service does not take the first', async (t) => {
    let made = 0
    const token = () => bearerCredential(new Secret(`token-${made}`), Number.MAX_SAFE_INTEGER)
    const renew = async () => {
      made += 1
      return token()
    }
    const { service, caller, recorded } = await between(
      t,
      (socket, _head, nth) => void socket.write(nth === 0 ? 'HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n' : switched()),
      { writes: true, grant: { credential: token(), renew } },
    )
    caller.send(ask())
    await caller.until(/^HTTP\/1\.1 101/)
    assert.deepEqual(
      service.heads().map((head) => /Bearer (\S+)/.exec(head)?.[1]),
      ['token-0', 'token-1'],
    )
    assert.deepEqual(recorded, ['effect x', 'effect x', 'stream opened'])
  })

  test('is asked for once more and never again, however often the service refuses the token', async (t) => {
    let made = 0
    const token = () => bearerCredential(new Secret(`token-${made}`), Number.MAX_SAFE_INTEGER)
    const renew = async () => {
      made += 1
      if (made > 5) throw new Refusal('fault')
      return token()
    }
    const { service, caller, recorded } = await between(
      t,
      (socket) => void socket.write('HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\n\r\nno'),
      { grant: { credential: token(), renew } },
    )
    caller.send(ask())
    await caller.until(/^HTTP\/1\.1 401[\s\S]*no$/)
    assert.deepEqual([service.heads().length, made, recorded], [2, 1, []])
    // Nor is the first answer held open.
    await isGone(service)
  })

  test('is not asked for again, and no effect is recorded, when its caller ended while a token was fetched', async (t) => {
    const credential = bearerCredential(new Secret('token'), Number.MAX_SAFE_INTEGER)
    const renew = async () => {
      endCaller()
      return credential
    }
    const { service, caller, recorded, endCaller, over } = await between(
      t,
      (socket) => void socket.write('HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\n\r\nno'),
      { writes: true, grant: { credential, renew } },
    )
    caller.send(ask())
    const ended = await over()
    assert.equal(ended instanceof Refusal && ended.code, 'login_ended')
    assert.deepEqual([service.heads().length, recorded], [1, ['effect x']])
  })

  test('is asked for again as often as its route says and no more, and what only reads has no effect', async (t) => {
    const { service, caller, recorded } = await between(
      t,
      (socket, _head, nth) => void (nth < 5 ? socket.resetAndDestroy() : socket.write(switched())),
      { retries: 2 },
    )
    caller.send(ask())
    await caller.until(/502[\s\S]*upstream_unavailable/)
    assert.deepEqual([service.heads().length, recorded], [3, ['retried', 'retried']])
  })

  test('has what its caller sent ahead of the answer, in its order', async (t) => {
    const answered = Promise.withResolvers<void>()
    const { service, caller } = await between(t, (socket) => void answered.promise.then(() => socket.write(switched())))
    caller.send(`${ask()}one;`)
    await eventually(
      () => service.heads().length,
      (count) => count === 1,
    )
    caller.send('two;')
    caller.send('three;'.repeat(30_000))
    await new Promise((resolve) => setTimeout(resolve, 100))
    answered.resolve()
    caller.send('four;')
    const all = await eventually(
      () => service.connections[0]?.received.split('\r\n\r\n')[1] ?? '',
      (received) => received.endsWith('four;'),
    )
    assert.equal(all, `one;two;${'three;'.repeat(30_000)}four;`)
  })

  for (const [cause, end] of [
    ['caller-ended', (stage) => stage.endCaller()],
    ['stopping', (stage) => stage.stop()],
    ['max-age', () => undefined],
  ] as ReadonlyArray<readonly [string, (stage: Awaited<ReturnType<typeof between>>) => void]>) {
    test(`carries bytes both ways, however quiet it was, until ${cause} cuts both sides`, async (t) => {
      const stage = await between(
        t,
        (socket) => {
          socket.write(`${switched()}hello;`)
          socket.removeAllListeners('data')
          socket.on('data', (text) => void socket.write(text))
        },
        { pauseMs: 50, maxAgeMs: cause === 'max-age' ? 600 : 60_000 },
      )
      const { service, caller } = stage
      caller.send(`${ask()}early;`)
      await caller.until(/hello;early;$/)
      await new Promise((resolve) => setTimeout(resolve, 200))
      caller.send('late;')
      await caller.until(/late;$/)
      assert.equal(stage.live(), 1)
      end(stage)
      await caller.closed()
      await isGone(service)
      const acted = await stage.over()
      assert.ok(acted !== undefined && !(acted instanceof Refusal))
      assert.deepEqual([acted.result, acted.status, acted.cause], ['stream-closed', 101, cause])
      await eventually(stage.live, (count) => count === 0)
    })
  }
})

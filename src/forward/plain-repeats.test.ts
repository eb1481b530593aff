/** When an act on a service sends a request twice, and when it must not. */
import assert from 'node:assert/strict'
import { suite, type TestContext, test } from 'node:test'
import { eventually, exchangeRaw, OK, openRaw, type RawAnswering, startRawUpstream } from '../../test/fakes/raw-http.ts'
import { bearerCredential, type Credential } from '../credential.ts'
import { Refusal } from '../errors.ts'
import type { Grant } from '../grant.ts'
import { Secret } from '../secret.ts'
import { type PlainStageOptions, stageAct } from './plain.fake.ts'
import { isIdempotent } from './retry.ts'

const resets: RawAnswering = (socket) => void socket.resetAndDestroy()
const firstThen =
  (first: RawAnswering): RawAnswering =>
  (socket, head, nth) =>
    nth === 0 ? first(socket, head, nth) : void socket.write(head.startsWith('HEAD') ? OK.slice(0, OK.indexOf('\r\n\r\n') + 4) : OK)

async function stage(t: TestContext, answering: RawAnswering, options: PlainStageOptions = {}) {
  const raw = await startRawUpstream(answering)
  t.after(() => raw.close())
  return { raw, ...(await stageAct(t, raw.origin, { retries: 1, ...options })) }
}

const ask = (method: string, body?: string) =>
  `${method} /x HTTP/1.1\r\nHost: x\r\n${body === undefined ? '' : `Content-Length: ${body.length}\r\n`}\r\n${body ?? ''}`

/** A credential that is renewed, each one counted. */
function tokens(): Partial<Grant> {
  let made = 0
  const credential = () => bearerCredential(new Secret(`token-${made}`), Number.MAX_SAFE_INTEGER)
  return {
    credential: credential(),
    async renew() {
      made += 1
      return credential()
    },
  }
}

const says401: RawAnswering = (socket) => void socket.write('HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\n\r\nno')

suite('a request is not sent again', () => {
  for (const method of ['POST', 'PATCH']) {
    test(`by ${method}, which may not mean the same done twice`, async (t) => {
      const { raw, port, recorded } = await stage(t, resets, { writes: true })
      assert.equal((await exchangeRaw(port, ask(method, ''))).status, 502)
      assert.deepEqual([raw.heads().length, recorded], [1, ['effect x']])
    })
  }

  test('by a method that the service has made up, or that is not spelled as the standard has it', () => {
    assert.deepEqual(['PROPFIND', 'get', 'CONNECT', '', undefined].filter(isIdempotent), [])
  })

  test('when it has a body', async (t) => {
    const { raw, port } = await stage(t, resets)
    assert.equal((await exchangeRaw(port, ask('PUT', 'body'))).body, 'upstream_unavailable')
    assert.equal(raw.heads().length, 1)
  })

  test('when its answer came too late', async (t) => {
    const { raw, port } = await stage(t, () => undefined, { answerWithinMs: 50 })
    assert.equal((await exchangeRaw(port, ask('GET'))).body, 'upstream_timeout')
    assert.equal(raw.heads().length, 1)
  })

  for (const [what, answering] of [
    ['was begun and broke off', (socket) => void socket.end('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf')],
    ['broke off within its first line', (socket) => void socket.end('HTTP/1.1 2')],
    ['was begun by a 103', (socket) => void socket.end('HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n')],
    [
      'is a protocol that nobody asked for',
      (socket) => void socket.write('HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n'),
    ],
    ['is no HTTP', (socket) => void socket.write('SSH-2.0\r\n\r\n')],
    ['has two lengths', (socket) => void socket.write('HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx')],
    ['is a 503', (socket) => void socket.write('HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n')],
  ] as ReadonlyArray<readonly [string, RawAnswering]>) {
    test(`when an answer ${what}`, async (t) => {
      const { raw, port, over } = await stage(t, answering)
      const connection = await openRaw(port)
      connection.send(ask('GET'))
      await over()
      connection.socket.destroy()
      assert.equal(raw.heads().length, 1)
    })
  }

  test('when nobody waits for it any more', async (t) => {
    const gone = Promise.withResolvers<void>()
    const { raw, port, ends } = await stage(t, (socket) => void gone.promise.then(() => socket.resetAndDestroy()))
    const connection = await openRaw(port)
    connection.send(ask('GET'))
    await eventually(
      () => raw.heads().length,
      (count) => count === 1,
    )
    connection.socket.destroy()
    await eventually(
      () => ends.length,
      (count) => count === 1,
    )
    gone.resolve()
    assert.equal(raw.heads().length, 1)
  })

  test('and not at all, when the caller left while it was decided on', async (t) => {
    const deciding = Promise.withResolvers<void>()
    const began = Promise.withResolvers<void>()
    const effect = () => {
      began.resolve()
      return deciding.promise
    }
    const { raw, port, over } = await stage(t, resets, { writes: true, grant: { effect } })
    const connection = await openRaw(port)
    connection.send(ask('DELETE'))
    await began.promise
    const left = new Promise((resolve) => setTimeout(resolve, 100))
    connection.socket.destroy()
    await left
    deciding.resolve()
    const acted = await over()
    assert.ok(acted !== undefined && !(acted instanceof Refusal))
    assert.deepEqual([acted.cause, raw.heads()], ['caller-gone', []])
  })

  test('for a 401 when the caller left while a token was fetched, and no effect is recorded', async (t) => {
    const fetching = Promise.withResolvers<void>()
    const began = Promise.withResolvers<void>()
    const all = tokens()
    const renew = async () => {
      began.resolve()
      await fetching.promise
      return all.renew?.() ?? assert.fail()
    }
    const { raw, port, over, recorded } = await stage(t, says401, { writes: true, grant: { ...all, renew } })
    const connection = await openRaw(port)
    connection.send(ask('DELETE'))
    await began.promise
    const left = new Promise((resolve) => setTimeout(resolve, 100))
    connection.socket.destroy()
    await left
    fetching.resolve()
    const acted = await over()
    assert.ok(acted !== undefined && !(acted instanceof Refusal))
    assert.deepEqual([acted.cause, raw.heads().length, recorded], ['caller-gone', 1, ['effect x']])
  })

  test('more often than was asked for', async (t) => {
    const { raw, port, recorded } = await stage(t, resets, { retries: 3 })
    assert.equal((await exchangeRaw(port, ask('GET'))).status, 502)
    assert.deepEqual([raw.heads().length, recorded], [4, ['retried', 'retried', 'retried']])
    const none = await stage(t, resets, { retries: 0 })
    assert.equal((await exchangeRaw(none.port, ask('GET'))).status, 502)
    assert.equal(none.raw.heads().length, 1)
  })

  test('when its effect cannot be recorded once more', async (t) => {
    let recordings = 0
    const effect = async () => {
      recordings += 1
      if (recordings > 1) throw new Refusal('audit_unavailable')
    }
    const { raw, port } = await stage(t, resets, { writes: true, grant: { effect } })
    assert.equal((await exchangeRaw(port, ask('DELETE'))).body, 'audit_unavailable')
    assert.equal(raw.heads().length, 1)
  })

  test('for a 401 when it had a body, or was refused twice', async (t) => {
    const sending = await stage(t, says401, { grant: tokens() })
    assert.equal((await exchangeRaw(sending.port, ask('POST', 'body'))).status, 401)
    assert.equal(sending.raw.heads().length, 1)
    const { raw, port } = await stage(t, says401, { grant: tokens() })
    assert.equal((await exchangeRaw(port, ask('GET'))).body, 'no')
    assert.deepEqual(
      raw.heads().map((head) => /Bearer (\S+)/.exec(head)?.[1]),
      ['token-0', 'token-1'],
    )
  })

  test('for a 401 when its token was renewed for one a moment ago: the answer is passed on', async (t) => {
    const told: unknown[] = []
    const all = tokens()
    const refused = (credential: Credential) => {
      told.push(credential)
      return false
    }
    const { raw, port } = await stage(t, says401, { grant: { ...all, refused, renew: () => assert.fail('it was renewed') } })
    const answer = await exchangeRaw(port, ask('GET'))
    assert.deepEqual([answer.status, answer.body, raw.heads().length], [401, 'no', 1])
    assert.deepEqual(told, [all.credential])
  })

  test('for a 401 when there is no other token', async (t) => {
    const grant = { ...tokens(), renew: () => Promise.reject(new Refusal('login_expired')) }
    const { raw, port } = await stage(t, says401, { grant })
    assert.equal((await exchangeRaw(port, ask('GET'))).body, 'login_expired')
    assert.equal(raw.heads().length, 1)
  })
})

suite('a request is sent again', () => {
  for (const method of ['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE']) {
    test(`by ${method} without a body, when the service closed without an answer`, async (t) => {
      const { raw, port, recorded } = await stage(t, firstThen(resets))
      assert.equal((await exchangeRaw(port, ask(method, method === 'PUT' ? '' : undefined))).status, 200)
      assert.deepEqual([raw.heads().length, recorded], [2, ['retried']])
      assert.equal(raw.heads()[0], raw.heads()[1])
    })
  }

  test('and its effect is recorded each time', async (t) => {
    const { port, recorded } = await stage(t, firstThen(resets), { writes: true })
    assert.equal((await exchangeRaw(port, ask('DELETE'))).status, 200)
    assert.deepEqual(recorded, ['effect x', 'retried', 'effect x'])
  })

  test('to another server where there is one', async (t) => {
    const [bad, good] = [await startRawUpstream(resets), await startRawUpstream()]
    t.after(() => Promise.all([bad.close(), good.close()]))
    const { port } = await stageAct(t, [bad.origin, good.origin], { retries: 1 })
    for (let i = 0; i < 10; i += 1) assert.equal((await exchangeRaw(port, ask('GET'))).status, 200)
    assert.equal(good.heads().length, 10)
  })

  test('once with a fresh token when the service does not take the first, by any method without a body', async (t) => {
    const { raw, port, recorded } = await stage(t, firstThen(says401), { writes: true, retries: 0, grant: tokens() })
    assert.equal((await exchangeRaw(port, ask('POST', ''))).status, 200)
    assert.deepEqual(
      raw.heads().map((head) => /Bearer (\S+)/.exec(head)?.[1]),
      ['token-0', 'token-1'],
    )
    assert.deepEqual(recorded, ['effect x', 'effect x'])
  })
})

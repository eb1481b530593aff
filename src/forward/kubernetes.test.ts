import assert from 'node:assert/strict'
import type { IncomingMessage } from 'node:http'
import { suite, test } from 'node:test'
import { exchangeRaw } from '../../test/fakes/raw-http.ts'
import { Refusal } from '../errors.ts'
import { codeOf, JSON_TYPE, LOGIN, STREAM, stageAct, startUpstream } from './kubernetes.fake.ts'

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

  for (const [what, named] of [
    ["the caller's token", 'eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJhbGljZSJ9.c2lnbmF0dXJl'],
    ['a token in hexadecimal', 'ab'.repeat(33)],
    ['words', 'a b'],
    ['nothing', ''],
  ] as const) {
    test(`${what} in Audit-Id is not recorded`, async (t) => {
      for (const options of [{}, STREAM]) {
        const opened: unknown[] = []
        const upstream = await startUpstream(t, (_request, response) =>
          response.writeHead(200, { ...JSON_TYPE, 'audit-id': named }).end('{}'),
        )
        const grant = { streamOpened: async (id: string | undefined) => void opened.push(id) }
        const { origin, ends } = await stageAct(t, { upstream, grant, ...options })
        await (await fetch(`${origin}/api`)).text()
        assert.deepEqual(
          [...ends.map((end) => 'result' in end && end.upstreamAuditId), ...opened],
          options === STREAM ? [undefined, undefined] : [undefined],
        )
      }
    })
  }

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

  test('a 401 to a credential that was renewed a moment ago is the answer', async (t) => {
    let asked = 0
    const upstream = await startUpstream(t, (_request, response) => {
      asked += 1
      response.writeHead(401, JSON_TYPE).end('{"kind":"Status"}')
    })
    const { origin, recorded } = await stageAct(t, { upstream, grant: { refused: () => false } })
    assert.equal((await fetch(`${origin}/api`)).status, 401)
    assert.deepEqual([asked, recorded.includes('renewed')], [1, false])
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
})

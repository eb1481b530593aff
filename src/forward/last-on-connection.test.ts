import assert from 'node:assert/strict'
import { METHODS } from 'node:http'
import type { Socket } from 'node:net'
import { Readable } from 'node:stream'
import { suite, test } from 'node:test'
import { eventually, exchangeRaw, startRawUpstream } from '../../test/fakes/raw-http.ts'
import { fetchBy } from './http.fake.ts'
import { createHttpUpstream } from './http.ts'
import { startUpstream } from './kubernetes.fake.ts'
import { isLastOnConnection } from './last-on-connection.ts'
import { stageAct } from './plain.fake.ts'

const FORGED = 'GET /admin HTTP/1.1\r\nHost: x\r\nX-Mandate-Subject: root\r\n\r\n'
const lineOf = (head: string) => `${/^\S* ?\S+/.exec(head.trim())?.[0]} as ${/x-mandate-subject: (\w+)/i.exec(head)?.[1]}`

/** A service that reads no bodies, as Python's http.server does: what follows a head is the next one, unless there is to be none. */
function unread(served: string[]) {
  return (socket: Socket, head: string) => {
    if (socket.writableEnded) return
    served.push(lineOf(head))
    const answer = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'
    if (/\r\nconnection: close(?:\r\n|$)/i.test(head)) socket.end(answer)
    else socket.write(answer)
  }
}

suite('a service that does not read bodies', () => {
  for (const method of ['GET', 'HEAD', 'DELETE', 'OPTIONS'])
    for (const [how, framing, body] of [
      ['counted', `Content-Length: ${FORGED.length}`, FORGED],
      ['chunked', 'Transfer-Encoding: chunked', `${FORGED.length.toString(16)}\r\n${FORGED}\r\n0\r\n\r\n`],
    ] as const)
      test(`is not asked as somebody else by a ${how} body of ${method}`, async (t) => {
        const served: string[] = []
        const raw = await startRawUpstream(unread(served))
        t.after(() => raw.close())
        const { port, over } = await stageAct(t, raw.origin)
        const said = await exchangeRaw(port, `${method} /a HTTP/1.1\r\nHost: x\r\nConnection: close\r\n${framing}\r\n\r\n${body}`)
        assert.equal(said.status, 200)
        await over()
        // What it took for a second request has come; it only must not answer it.
        await eventually(
          () => raw.connections.every(({ socket }) => socket.destroyed || socket.writableEnded),
          (closed) => closed,
        )
        assert.deepEqual(served, [`${method} /a as alice`])
        assert.equal(raw.connections.length, 1)
      })
})

suite('a connection', () => {
  test('is kept for the next request, or its service is told that there is none: whatever the method, bodies never leave it open', async (t) => {
    const asked: Array<{ readonly told: boolean; readonly socket: Socket }> = []
    const origin = await startUpstream(t, (request, response) => {
      asked.push({ told: request.headers.connection === 'close', socket: request.socket })
      request.resume().on('end', () => response.end())
    })
    const upstream = createHttpUpstream({ origin })
    t.after(() => upstream.close())
    const kept: string[] = []
    for (const method of METHODS.filter((name) => name !== 'CONNECT')) {
      const from = asked.length
      for (let i = 0; i < 5; i += 1) await fetchBy(upstream, { method, headers: ['Content-Length', '3'], body: Readable.from(['abc']) })
      const those = asked.slice(from)
      const connections = new Set(those.map(({ socket }) => socket)).size
      if (those.every(({ told }) => told)) assert.equal(connections, 5, method)
      else {
        kept.push(method)
        // Not one: it is free again only a turn after its answer.
        assert.ok(connections <= 2 && !those.some(({ told }) => told), method)
      }
    }
    assert.deepEqual(kept.sort(), ['PATCH', 'POST', 'PROPFIND', 'PROPPATCH', 'PUT', 'QUERY'])
  })

  test('is kept without a body, whatever the method', () => {
    assert.deepEqual(
      METHODS.filter((method) => isLastOnConnection(method, false)),
      [],
    )
  })
})

import assert from 'node:assert/strict'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { suite, type TestContext, test } from 'node:test'
import { eventually, exchangeRaw, openRaw, readAnswer } from '../../test/fakes/raw-http.ts'
import { asRefusal } from '../errors.ts'
import { answerRefusal } from './answers.ts'
import { createFormReader, type FormBounds } from './form-body.ts'

const post = (body: string, length = body.length, lines: readonly string[] = [], address = '192.0.2.1') =>
  `${[
    'POST / HTTP/1.1',
    'Host: localhost',
    'Content-Type: application/x-www-form-urlencoded',
    `X-Address: ${address}`,
    `Content-Length: ${length}`,
    ...lines,
  ].join('\r\n')}\r\n\r\n${body}`

/** A server that reads forms as of the address that they name, and answers with their field `a`. */
async function stage(t: TestContext, bounds: Partial<FormBounds> = {}): Promise<{ readonly port: number; readonly reading: () => number }> {
  const readForm = createFormReader(bounds)
  let reading = 0
  const answer = async (request: IncomingMessage, response: ServerResponse) => {
    reading += 1
    try {
      const form = await readForm({ request, response, address: String(request.headers['x-address']) })
      response.end(form.get('a'))
    } catch (error) {
      answerRefusal({ response, requestId: 'r', form: 'problem' }, asRefusal(error))
    } finally {
      reading -= 1
    }
  }
  const server = createServer((request, response) => void answer(request, response))
  server.on('checkContinue', (request, response) => void answer(request, response))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.after(() => server.close().closeAllConnections())
  return { port: (server.address() as AddressInfo).port, reading: () => reading }
}

const codeOf = ({ status, body }: { readonly status: number; readonly body: string }) => [status, JSON.parse(body).code]

suite('a form', () => {
  test('of another type is refused', async (t) => {
    const { port } = await stage(t)
    const answer = await exchangeRaw(port, post('a=b').replace('x-www-form-urlencoded', 'json'))
    assert.deepEqual(codeOf(answer), [403, 'csrf_refused'])
  })

  test('that is larger than a logout token ever is, announced or not, is refused', async (t) => {
    const { port } = await stage(t)
    assert.deepEqual(codeOf(await exchangeRaw(port, post('a=', 16_385))), [413, 'body_too_large'])
    const chunked = post('').replace('Content-Length: 0', 'Transfer-Encoding: chunked')
    const answer = await exchangeRaw(port, `${chunked}4001\r\n${'a'.repeat(0x4001)}\r\n0\r\n\r\n`)
    assert.deepEqual(codeOf(answer), [413, 'body_too_large'])
  })

  test('that stops, or comes drop by drop, is refused in time, and its connection closed', async (t) => {
    const { port } = await stage(t, { withinMs: 150 })
    for (const drop of ['', 'b']) {
      const connection = await openRaw(port)
      connection.send(post('a=', 1_000))
      const drops = setInterval(() => drop !== '' && connection.socket.writable && connection.send(drop), 20)
      t.after(() => clearInterval(drops))
      const answer = readAnswer(await connection.closed())
      assert.deepEqual(codeOf(answer), [408, 'request_timeout'])
      assert.match(answer.head, /\r\nconnection: close/)
    }
  })

  for (const [what, bounds, slow, refused, taken] of [
    ['in all', { atOnce: 2 }, ['192.0.2.1', '192.0.2.2'], '192.0.2.3', undefined],
    ['of its address', { perAddress: 2 }, ['192.0.2.1', '192.0.2.1'], '192.0.2.1', '192.0.2.2'],
    ['of its network', { perAddress: 2 }, ['2001:db8::1', '2001:db8::2'], '2001:db8::3', '2001:db8:0:1::1'],
  ] as const) {
    test(`while too many ${what} come in slowly is refused unread, with the time to wait, and taken when they are done`, async (t) => {
      const { port, reading } = await stage(t, bounds)
      const connections = await Promise.all(slow.map(() => openRaw(port)))
      for (const [at, { send }] of connections.entries()) send(post('a=', 3, [], slow[at]))
      await eventually(reading, (count) => count === 2)
      const answer = await exchangeRaw(port, post('a=b', 3, [], refused))
      assert.deepEqual(codeOf(answer), [503, 'too_busy'])
      assert.match(answer.head, /\r\nretry-after: 5/)
      if (taken !== undefined) assert.equal((await exchangeRaw(port, post('a=b', 3, [], taken))).body, 'b')
      connections[0]?.send('c')
      await connections[0]?.until(/c$/)
      // Whoever leaves in the middle gives the place back as well.
      connections[1]?.socket.destroy()
      await eventually(reading, (count) => count === 0)
      const others = await Promise.all([exchangeRaw(port, post('a=d', 3, [], refused)), exchangeRaw(port, post('a=e', 3, [], refused))])
      assert.deepEqual(
        others.map(({ body }) => body),
        ['d', 'e'],
      )
      for (const { socket } of connections) socket.destroy()
    })
  }

  test('is read whole, in pieces and after 100 Continue as well', async (t) => {
    const { port } = await stage(t)
    const body = `a=${'x'.repeat(16_000)}`
    assert.equal((await exchangeRaw(port, post(body))).body, body.slice(2))
    const connection = await openRaw(port)
    connection.send(post('', 3, ['Expect: 100-continue']))
    await connection.until(/100 Continue\r\n\r\n/)
    connection.send('a=')
    connection.send('b')
    assert.match(await connection.until(/\r\n\r\nb$/), /200 OK/)
    connection.socket.destroy()
  })
})

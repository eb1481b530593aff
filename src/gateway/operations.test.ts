import assert from 'node:assert/strict'
import { Agent, type IncomingMessage, request } from 'node:http'
import { suite, type TestContext, test } from 'node:test'
import { eventually, openRaw } from '../../test/fakes/raw-http.ts'
import { createFakeClock } from '../clock.fake.ts'
import { createLog } from '../log.ts'
import { createMetrics, type Metrics } from '../metrics.ts'
import { listenOperations, type OperationsOptions } from './operations.ts'

/** The port with a clock that stands still, and how many expositions were begun. */
async function stage(t: TestContext, more: Partial<OperationsOptions> = {}) {
  const clock = createFakeClock()
  const made = more.metrics ?? createMetrics()
  let exposed = 0
  const metrics: Metrics = {
    ...made,
    expose() {
      exposed += 1
      return made.expose()
    },
  }
  const log = createLog(() => undefined)
  const listener = await listenOperations({ host: '127.0.0.1', port: 0, readiness: () => [], log, clock, ...more, metrics })
  t.after(() => listener.close(0))
  return { port: listener.port, clock, metrics: made, exposed: () => exposed }
}

const ask = (path: string) => `GET ${path} HTTP/1.1\r\nHost: localhost\r\n\r\n`
const large = (): Metrics => ({ ...createMetrics(), expose: async () => ({ contentType: 'text/plain', body: 'x'.repeat(64_000_000) }) })

suite('the operations port', () => {
  test('refuses requests without end on one connection, and exposes once at most for all of them', async (t) => {
    const { port, metrics, exposed } = await stage(t)
    const connection = await openRaw(port)
    connection.send(ask('/metrics').repeat(2_000))
    await connection.closed()
    assert.ok(exposed() <= 1, `${exposed()} expositions`)
    assert.match((await metrics.expose()).body, /mandate_refusals_total\{reason="too_many_requests",route="none"\} 1\n/)
  })

  test('refuses an exposition of its own to each of those who ask at the same time and read nothing', async (t) => {
    const { port, exposed } = await stage(t)
    const asking = await Promise.all(Array.from({ length: 20 }, () => openRaw(port)))
    for (const { socket, send } of asking) {
      socket.pause()
      send(ask('/metrics').repeat(10))
    }
    const other = await openRaw(port)
    other.send(ask('/ready'))
    await other.until(/"status":"ready"/)
    assert.equal(exposed(), 1)
    for (const { socket } of [...asking, other]) socket.destroy()
  })

  test('refuses one more exposition where one was not read, and cuts the connection in time', async (t) => {
    const { port, clock, exposed } = await stage(t, { metrics: large(), bounds: { fetchTimeout: 300 } })
    const connection = await openRaw(port)
    connection.socket.pause()
    connection.send(ask('/metrics').repeat(5))
    await eventually(exposed, (count) => count === 1)
    await clock.advance(60_000)
    // What it never read is gone with it.
    await eventually(
      async () => {
        connection.send(ask('/metrics'))
        await clock.advance(1_000)
        return connection.socket.destroyed
      },
      (destroyed) => destroyed,
    )
    assert.equal(exposed(), 1)
  })

  for (const [what, begun] of [
    ['says nothing', ''],
    ['stops within its head', 'GET /health HTTP/1.1\r\nHost: loc'],
    ['stops within its body', 'POST /x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\na'],
  ] as const) {
    test(`cuts whoever ${what}`, async (t) => {
      const { port } = await stage(t, { bounds: { headersTimeout: 200, requestTimeout: 400, connectionsCheckingInterval: 50 } })
      const connection = await openRaw(port)
      if (begun !== '') connection.send(begun)
      await connection.closed(5_000)
    })
  }

  test('a failed exposition is a 500, and the next one is made anew', async (t) => {
    const metrics = createMetrics()
    let fails = true
    const expose = () => (fails ? Promise.reject(new Error('cannot tell')) : metrics.expose())
    const { port, clock } = await stage(t, { metrics: { ...metrics, expose } })
    const connection = await openRaw(port)
    connection.send(ask('/metrics'))
    await connection.until(/^HTTP\/1\.1 500 /)
    fails = false
    await clock.advance(1_000)
    connection.send(ask('/metrics'))
    await connection.until(/HTTP\/1\.1 200 [\s\S]*mandate_/)
    connection.socket.destroy()
  })

  test('who asks again at once waits for an answer that tells of what was meanwhile', async (t) => {
    const { port, clock, metrics, exposed } = await stage(t)
    const connection = await openRaw(port)
    connection.send(ask('/metrics'))
    await connection.until(/HTTP\/1\.1 200 [\s\S]*mandate_/)
    metrics.count('mandate_limited_total', { route: 'route/app' })
    connection.send(ask('/metrics'))
    const health = await openRaw(port)
    health.send(ask('/health'))
    await health.until(/"status":"ok"/)
    assert.equal(exposed(), 1)
    await eventually(
      async () => {
        await clock.advance(1_000)
        return connection.received()
      },
      (all) => all.includes('mandate_limited_total{route="route/app"} 1\n'),
    )
    assert.equal(exposed(), 2)
    for (const { socket } of [connection, health]) socket.destroy()
  })

  test('one after the other are answered on one connection, as scrapers ask', async (t) => {
    const { port, clock } = await stage(t)
    const agent = new Agent({ keepAlive: true, maxSockets: 1 })
    t.after(() => agent.destroy())
    const get = (path: string, method = 'GET') =>
      new Promise<[port: number | undefined, status: number | undefined, text: string]>((resolve, reject) => {
        const asking = request({ host: '127.0.0.1', port, path, method, agent }, (answer: IncomingMessage) => {
          const { localPort } = answer.socket
          let text = ''
          answer.setEncoding('utf8').on('data', (part: string) => {
            text += part
          })
          answer.on('end', () => resolve([localPort, answer.statusCode, text]))
        })
        asking.on('error', reject)
        asking.end()
      })
    const ports = new Set<number | undefined>()
    for (const [path, method, status, body] of [
      ['/metrics', 'GET', 200, /^# HELP mandate_[\s\S]*\n$/],
      ['/metrics', 'HEAD', 200, /^$/],
      ['/metrics?x=1', 'GET', 200, /^# HELP mandate_/],
      ['/ready', 'GET', 200, /"ready"/],
      ['/health', 'GET', 200, /"ok"/],
      ['/elsewhere', 'GET', 404, /not found/],
      ['/metrics', 'POST', 405, /not allowed/],
    ] as const) {
      const [from, told, text] = await get(path, method)
      ports.add(from)
      assert.equal(told, status, path)
      assert.match(text, body)
      await clock.advance(1_000)
    }
    assert.equal(ports.size, 1, 'each had a connection of its own')
  })
})

import assert from 'node:assert/strict'
import { suite, type TestContext, test } from 'node:test'
import { eventually, type RawAnswering, startRawUpstream } from '../../test/fakes/raw-http.ts'
import { createFakeClock } from '../clock.fake.ts'
import { systemClock } from '../clock.ts'
import { Refusal } from '../errors.ts'
import { createLog } from '../log.ts'
import { checkHealth } from './health.ts'
import { createHttpUpstream } from './http.ts'
import type { Forwarded, Upstream, UpstreamRequest } from './upstream.ts'

const HEALTH = { path: '/healthz?full=1', every: 5_000, within: 2_000, downAfter: 2, upAfter: 3 }

/** Checks of servers whose statuses the test sets; 0 is one that cannot be reached. */
function stage(t: TestContext, names: readonly string[], random = () => 0) {
  const clock = createFakeClock()
  const statuses = new Map(names.map((name) => [name, 200]))
  const asked: Array<{ server: string; request: UpstreamRequest }> = []
  const closed: string[] = []
  const verdicts: string[] = []
  const lines: string[] = []
  const servers = names.map((origin) => ({ origin, well: true }))
  const connect = (server: string): Upstream => ({
    async forward(request, onHead): Promise<Forwarded> {
      asked.push({ server, request })
      const status = statuses.get(server) ?? 0
      if (status === 0) throw new Refusal('upstream_unavailable', { detail: 'connection refused' })
      if (status < 0)
        return new Promise((resolve) => {
          request.cut.listen(() => {
            closed.push(`check of ${server}`)
            resolve({ bytes: 0, end: 'aborted' })
          })
        })
      assert.equal(await onHead({ status, headers: [] }), undefined, 'nothing of the answer is read')
      return { bytes: 0, end: 'complete' }
    },
    upgrade: () => assert.fail(),
    close: async () => void closed.push(server),
  })
  const checks = checkHealth({
    route: 'route/app',
    servers,
    connect,
    health: HEALTH,
    clock,
    log: createLog((line) => void lines.push(line)),
    observe: (server, up) => void verdicts.push(`${server} ${up ? 'up' : 'down'}`),
    random,
  })
  t.after(() => checks.stop())
  const well = () => servers.map((server) => server.well)
  return { clock, statuses, asked, closed, verdicts, lines, checks, well }
}

suite('health checks', () => {
  for (const [what, status] of [
    ['cannot be reached', 0],
    ['answers 500', 500],
    ['answers 404', 404],
    ['answers 400', 400],
    ['answers 101', 101],
  ] as const) {
    test(`a server that ${what} so many times in a row is out, and back after so many good answers`, async (t) => {
      const { clock, statuses, verdicts, lines, well } = stage(t, ['http://a:1', 'http://b:1'])
      await clock.advance(0)
      assert.deepEqual(verdicts, ['http://a:1 up', 'http://b:1 up'])
      statuses.set('http://a:1', status)
      await clock.advance(5_000)
      assert.deepEqual(well(), [true, true], 'once is not enough')
      await clock.advance(5_000)
      assert.deepEqual(well(), [false, true])
      statuses.set('http://a:1', 302)
      await clock.advance(10_000)
      assert.deepEqual(well(), [false, true], 'nor is twice to come back')
      await clock.advance(5_000)
      assert.deepEqual(well(), [true, true])
      assert.deepEqual(verdicts.slice(2), ['http://a:1 down', 'http://a:1 up'])
      assert.deepEqual(
        lines.map((line) => (({ level, message, route, server }) => [level, message, route, server])(JSON.parse(line))),
        [
          ['warn', 'a server of a route is not well and gets no more requests', 'route/app', 'http://a:1'],
          ['info', 'a server of a route is well again', 'route/app', 'http://a:1'],
        ],
      )
    })
  }

  test('good and bad answers in turn change nothing', async (t) => {
    const { clock, statuses, verdicts, well } = stage(t, ['http://a:1'])
    for (let i = 0; i < 8; i += 1) {
      statuses.set('http://a:1', i % 2 === 0 ? 200 : 500)
      await clock.advance(5_000)
    }
    assert.deepEqual([well(), verdicts], [[true], ['http://a:1 up']])
  })

  test('a server that is down from the start gets a verdict with its last bad answer, not before', async (t) => {
    const { clock, statuses, verdicts } = stage(t, ['http://a:1'])
    statuses.set('http://a:1', 500)
    await clock.advance(0)
    assert.deepEqual(verdicts, [])
    await clock.advance(5_000)
    assert.deepEqual(verdicts, ['http://a:1 down'])
  })

  test('carry nothing of anybody, and their bound', async (t) => {
    const { clock, asked } = stage(t, ['http://a:1'])
    await clock.advance(0)
    const [{ request } = assert.fail()] = asked
    const { method, path, headers, body, answerWithinMs } = request
    assert.deepEqual(
      [method, path, headers, body, answerWithinMs],
      ['GET', '/healthz?full=1', ['User-Agent', 'mandate-health-check', 'Accept', '*/*'], undefined, 2_000],
    )
  })

  test('of a server that hangs there is one, however long it takes, and it ends with the checks', async (t) => {
    const { clock, statuses, asked, closed, checks, well } = stage(t, ['http://a:1'])
    statuses.set('http://a:1', -1)
    await clock.advance(60_000)
    assert.equal(asked.length, 1)
    await checks.stop()
    await clock.advance(60_000)
    assert.deepEqual([asked.length, closed, clock.pending, well()], [1, ['check of http://a:1', 'http://a:1'], 0, [true]])
  })

  test('do not begin all at once', async (t) => {
    let next = 0
    const { clock, asked } = stage(t, ['http://a:1', 'http://b:1'], () => (next += 0.4))
    await clock.advance(1_999)
    assert.deepEqual(asked, [])
    await clock.advance(1)
    assert.deepEqual(
      asked.map(({ server }) => server),
      ['http://a:1'],
    )
    await clock.advance(2_000)
    assert.equal(asked.length, 2)
  })
})

suite('health checks of a real server', () => {
  const outcome = async (t: TestContext, answering: RawAnswering) => {
    const raw = await startRawUpstream(answering)
    const server = { origin: raw.origin, well: true }
    const checks = checkHealth({
      route: 'route/app',
      servers: [server],
      connect: (origin) => createHttpUpstream({ origin }),
      health: { ...HEALTH, every: 10, within: 50, downAfter: 1, upAfter: 1 },
      clock: systemClock,
      log: createLog(() => undefined),
      observe: () => undefined,
    })
    t.after(async () => {
      await checks.stop()
      await raw.close()
    })
    return { raw, server, checks }
  }

  for (const [what, answering] of [
    ['hangs', () => undefined],
    ['sends 1xx without end', (socket) => flood(socket)],
    ['talks something else', (socket) => void socket.write('SSH-2.0\r\n\r\n')],
  ] as ReadonlyArray<readonly [string, RawAnswering]>) {
    test(`one that ${what} is out within the bound, and leaves no socket`, async (t) => {
      const { raw, server, checks } = await outcome(t, answering)
      await eventually(
        () => server.well,
        (well) => !well,
      )
      await checks.stop()
      await eventually(
        () => raw.connections.every(({ socket }) => socket.destroyed),
        (all) => all,
      )
    })
  }

  test('one whose answer never ends is well, and holds no socket for it', async (t) => {
    const { raw, server } = await outcome(t, (socket) => void socket.write('HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nx'))
    await eventually(
      () => raw.heads().length,
      (count) => count >= 3,
    )
    assert.equal(server.well, true)
    await eventually(
      () => raw.connections.filter(({ socket }) => !socket.destroyed).length,
      (open) => open <= 1,
    )
    assert.doesNotMatch(raw.heads().join('\n'), /authorization|cookie|x-mandate/i)
  })
})

function flood(socket: { readonly destroyed: boolean; write(text: string): unknown }): void {
  if (socket.destroyed) return
  socket.write('HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n')
  setTimeout(() => flood(socket), 5)
}

/** Where routes lead: pools whose servers die and come back, services that lie, event streams, and WebSockets. */
import assert from 'node:assert/strict'
import { suite, type TestContext, test } from 'node:test'
import { findForm } from '../fakes/html-form.ts'
import { eventually, exchangeRaw, OK, openRaw, type RawAnswering, readAnswer, startRawUpstream } from '../fakes/raw-http.ts'
import { handshake, openWebSocket, startWebSocketService } from '../fakes/web-socket-service.ts'
import { askRaw, bearerOf, codeOf, cookieOf } from './asks.ts'
import { type Stage, setStage } from './stage.ts'
import type { StartWorld } from './world.ts'

/** Two seconds, at three times their value. */
const BOUND_MS = 6_000
const HOST = 'app.localhost'
const callers = ['person', 'machine']

interface Routed {
  readonly stage: Stage
  readonly port: number
  readonly origin: string
  /** Lines of a request by a machine, or by a person with a bearer. */
  as(who: 'robot' | 'alice'): string[]
}

async function stageRoute(t: TestContext, start: StartWorld, route: object, more: readonly object[] = []): Promise<Routed> {
  const stage = await setStage(t, start, {
    configure(config) {
      config['routes'] = [{ name: 'app', match: { host: HOST, path: '/**' }, allow: { callers }, ...route }, ...more]
    },
  })
  const { port } = new URL(stage.origin)
  const robot = `Bearer ${stage.world.issuer.mintAccessToken({ client: 'robot' })}`
  return {
    stage,
    port: Number(port),
    origin: `http://${HOST}:${port}`,
    as: (who) => [`Host: ${HOST}:${port}`, `Authorization: ${who === 'robot' ? robot : bearerOf(stage, who)}`],
  }
}

async function service(t: TestContext, answering?: RawAnswering) {
  const raw = await startRawUpstream(answering)
  t.after(() => raw.close())
  return raw
}

const metricOf = async (stage: Stage, pattern: RegExp) => pattern.exec(await stage.metrics())?.[1]

/** Runs the journey on a world. */
export function upstreams(name: string, start: StartWorld): void {
  suite(`a pool of servers, ${name}`, () => {
    test('one dead server is nobody else', async (t) => {
      const [dead, alive] = [await service(t), await service(t)]
      await dead.close()
      const { stage, as } = await stageRoute(t, start, { upstream: { servers: [dead.origin, alive.origin] } })
      for (let i = 0; i < 6; i += 1) assert.equal((await askRaw(stage, '/x', as('robot'))).status, 200)
      assert.equal(alive.heads().length, 6)
      assert.equal(await metricOf(stage, /mandate_upstream_retries_total\{route="route\/app"\} (\d+)/), '1')
    })

    test('a server that is not well gets nothing, is shown as down, and comes back', async (t) => {
      let sick = false
      const health: RawAnswering = (socket, head) =>
        void socket.write(sick && head.startsWith('GET /healthz') ? 'HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n' : OK)
      const [one, other] = [await service(t, health), await service(t)]
      const { stage, as } = await stageRoute(t, start, {
        upstream: {
          servers: [one.origin, other.origin],
          health: { path: '/healthz', every: '50ms', within: '2s', downAfter: 2, upAfter: 2 },
        },
      })
      const up = async () =>
        Promise.all(
          [one, other].map(({ origin }) =>
            metricOf(stage, new RegExp(`mandate_upstream_up\\{route="route/app",server="${origin}"\\} (\\d)`)),
          ),
        )
      const asked = (raw: typeof one) => raw.heads().filter((head) => head.startsWith('GET /x')).length
      await eventually(up, (both) => both.join() === '1,1')
      sick = true
      await eventually(up, (both) => both.join() === '0,1')
      const before = asked(one)
      for (let i = 0; i < 6; i += 1) assert.equal((await askRaw(stage, '/x', as('robot'))).status, 200)
      assert.equal(asked(one), before)
      sick = false
      await eventually(up, (both) => both.join() === '1,1')
      for (let i = 0; i < 6; i += 1) assert.equal((await askRaw(stage, '/x', as('robot'))).status, 200)
      assert.equal(asked(one), before + 3)
      assert.match(stage.logged(), /"level":"warn","message":"a server of a route is not well[^}]*"route":"route\/app"/)
      assert.match(stage.logged(), /"message":"a server of a route is well again"/)
      const checks = [one, other].flatMap((raw) => raw.heads().filter((head) => head.startsWith('GET /healthz')))
      assert.ok(checks.length >= 4)
      assert.doesNotMatch(checks.join('\n'), /authorization|cookie|mandate-subject|forwarded/i)
    })

    test('none that is well is 502 at once, and nothing is asked of any', async (t) => {
      const sick = await service(t, (socket) => void socket.write('HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n'))
      const { stage, as } = await stageRoute(t, start, {
        upstream: { servers: [sick.origin], health: { path: '/healthz', every: '20ms', downAfter: 1 } },
      })
      await eventually(
        () => metricOf(stage, /mandate_upstream_up\{[^}]*\} (\d)/),
        (up) => up === '0',
      )
      const answer = await askRaw(stage, '/x', as('robot'))
      assert.deepEqual([answer.status, codeOf(answer)], [502, 'upstream_unavailable'])
      assert.ok(sick.heads().every((head) => head.startsWith('GET /healthz')))
    })
  })

  suite(`services that fail, ${name}`, () => {
    const half = 'HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf'
    for (const [fault, answering, status, code] of [
      ['never answers', () => undefined, 504, 'upstream_timeout'],
      ['closes without an answer', (socket) => void socket.destroy(), 502, 'upstream_unavailable'],
      ['talks something else', (socket) => void socket.write('SSH-2.0\r\n\r\n'), 502, 'upstream_broke'],
      ['breaks off', (socket) => void socket.end(half), 200, 'upstream_broke'],
      ['stalls', (socket) => void socket.write(half), 200, 'upstream_broke'],
    ] as ReadonlyArray<readonly [string, RawAnswering, number, string]>) {
      test(`one that ${fault} is told in time, counted and recorded`, async (t) => {
        const raw = await service(t, answering)
        const { stage, port, as } = await stageRoute(t, start, { upstream: raw.origin, timeouts: { answer: '300ms', idle: '300ms' } })
        const connection = await openRaw(port)
        connection.send(['GET /x HTTP/1.1', ...as('robot'), 'Connection: close', '', ''].join('\r\n'))
        const all = await connection.closed(BOUND_MS)
        assert.equal(readAnswer(all).status, status)
        if (status === 200) assert.match(all, /half$/)
        else assert.equal(codeOf(readAnswer(all)), code)
        const [failed] = await eventually(
          () => stage.audit('failed'),
          ({ length }) => length === 1,
        )
        assert.equal(failed?.code, code)
        assert.match(
          await stage.metrics(),
          new RegExp(`mandate_requests_total\\{route="route/app",method="GET",status="${status === 200 ? 5 : String(status)[0]}xx"\\} 1`),
        )
        await eventually(
          () => raw.connections.every(({ socket }) => socket.destroyed || socket.readableEnded),
          (all) => all,
        )
      })
    }

    test('a body larger than the route takes is 413, and another route has its own limit', async (t) => {
      const raw = await service(t, (socket, head) => {
        if (head.startsWith('POST')) socket.write(OK)
      })
      const { stage, as } = await stageRoute(t, start, { upstream: raw.origin, body: '1kB' }, [
        { name: 'large', match: { host: HOST, path: '/large' }, allow: { callers }, upstream: raw.origin, body: '1MB' },
      ])
      const post = (path: string) => askRaw(stage, path, [...as('robot'), 'Content-Length: 1001'], 'POST', 'x'.repeat(1_001))
      const refused = await post('/x')
      assert.deepEqual([refused.status, codeOf(refused)], [413, 'body_too_large'])
      assert.equal((await post('/large')).status, 200)
    })
  })

  suite(`an event stream of a route, ${name}`, () => {
    test('comes event by event, however long it is quiet, and ends with the login', async (t) => {
      let emit: (event: string) => void = () => undefined
      const raw = await service(t, (socket, head) => {
        if (!head.startsWith('GET /events')) return void socket.write(OK)
        socket.write('HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n')
        emit = (event) => void socket.write(`${event.length.toString(16)}\r\n${event}\r\n`)
      })
      const { stage, port, origin } = await stageRoute(t, start, { upstream: raw.origin, timeouts: { idle: '100ms' } })
      const alice = await stage.browser()
      await alice.signIn(`${origin}/`, 'alice')
      const connection = await openRaw(port)
      t.after(() => connection.socket.destroy())
      const lines = [`Host: ${HOST}:${port}`, `Cookie: ${cookieOf(alice, { origin })}`, 'Accept: text/event-stream']
      connection.send(['GET /events HTTP/1.1', ...lines, '', ''].join('\r\n'))
      await connection.until(/text\/event-stream[\s\S]*\r\n\r\n/)
      for (const n of [1, 2, 3]) {
        emit(`data: ${n}\n\n`)
        await connection.until(new RegExp(`data: ${n}\n\n`), 1_500)
        await new Promise((resolve) => setTimeout(resolve, 150))
      }
      assert.equal(stage.audit('stream-opened').length, 1)
      await signOut(stage, alice)
      await connection.until(/\r\n0\r\n\r\n$/, BOUND_MS)
      await eventually(
        () => stage.audit('stream-closed').at(-1)?.cause,
        (cause) => cause === 'caller-ended',
      )
    })
  })

  webSockets(name, start)
}

async function signOut(stage: Stage, browser: Awaited<ReturnType<Stage['browser']>>): Promise<void> {
  const page = await browser.get(`${stage.origin}/logout`)
  const { hidden } = findForm(page.body, page.url) ?? {}
  assert.equal((await browser.post(`${stage.origin}/logout`, { ...hidden }, { origin: stage.origin })).status, 200)
}

async function stageSockets(t: TestContext, start: StartWorld) {
  const sockets = await startWebSocketService()
  t.after(() => sockets.close())
  const closed = { name: 'closed', match: { host: HOST, path: '/closed/**' }, allow: { callers }, upstream: sockets.origin }
  const other = { name: 'other', match: { host: 'other.localhost', path: '/**' }, allow: { callers }, upstream: sockets.origin }
  const staged = await stageRoute(t, start, { upstream: sockets.origin, websockets: true, timeouts: { idle: '100ms' } }, [closed, other])
  return { sockets, ask: (text: string) => exchangeRaw(staged.port, text), ...staged }
}

function webSockets(name: string, start: StartWorld): void {
  suite(`WebSockets of a route, ${name}`, () => {
    test('are refused to whoever may not have one, and nothing arrives', async (t) => {
      const { stage, sockets, ask, as, port, origin } = await stageSockets(t, start)
      const alice = await stage.browser()
      await alice.signIn(`${origin}/`, 'alice')
      const arrived = sockets.requests.length
      const host = `Host: ${HOST}:${port}`
      const cookie = `Cookie: ${cookieOf(alice, { origin })}`
      const bearer = as('alice')[1] ?? ''
      const token = bearer.slice('Authorization: Bearer '.length)
      const inProtocol = `Sec-WebSocket-Protocol: base64url.bearer.authorization.k8s.io.${Buffer.from(token).toString('base64url')}, chat`
      for (const [what, text, status, code] of [
        ['nobody', handshake('/x', [host]), 401, 'not_signed_in'],
        ['a cookie from another origin', handshake('/x', [host, cookie, 'Origin: https://evil.example']), 403, 'origin_refused'],
        ['a cookie from another of our hosts', handshake('/x', [host, cookie, `Origin: ${stage.origin}`]), 403, 'origin_refused'],
        ['a cookie from a sandbox', handshake('/x', [host, cookie, 'Origin: null']), 403, 'origin_refused'],
        ['a cookie from nowhere', handshake('/x', [host, cookie]), 403, 'origin_refused'],
        ['two credentials', handshake('/x', [host, bearer, inProtocol]), 400, 'two_credentials'],
        ['a cookie and a bearer', handshake('/x', [host, cookie, inProtocol, `Origin: ${origin}`]), 400, 'two_credentials'],
        ['a forged bearer', handshake('/x', [host, 'Authorization: Bearer a.b.c']), 401, undefined],
        ['a body', handshake('/x', [host, bearer, 'Content-Length: 4']), 400, 'header_ambiguous'],
        ['no key', handshake('/x', [host, bearer], ''), 400, 'header_ambiguous'],
        ['a key that is none', handshake('/x', [host, bearer], 'x'.repeat(24)), 400, 'header_ambiguous'],
        ['two keys', handshake('/x', [host, bearer, 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==']), 400, 'header_ambiguous'],
        ['a route without', handshake('/closed/x', [host, bearer]), 501, 'upgrade_unsupported'],
        ['a host without', handshake('/x', [`Host: other.localhost:${port}`, bearer]), 501, 'upgrade_unsupported'],
        ['the sign-in host', handshake('/whoami', [`Host: localhost:${port}`, bearer]), 501, 'upgrade_unsupported'],
        ['what is ours on that host', handshake('/.mandate/session?code=x', [host, bearer]), 501, 'upgrade_unsupported'],
        ['a path in two ways', handshake('//x', [host, bearer]), 400, 'path_ambiguous'],
        ['another host', handshake('/x', ['Host: evil.example', bearer]), 421, 'host_unknown'],
        [
          'another protocol',
          handshake('/x', [host, bearer]).replace('Upgrade: websocket', 'Upgrade: SPDY/3.1'),
          501,
          'upgrade_unsupported',
        ],
        [
          'another protocol as if to a cluster',
          handshake('/clusters/x', [host, bearer]).replace('Upgrade: websocket', 'Upgrade: SPDY/3.1'),
          501,
          'upgrade_unsupported',
        ],
        ['another method as if to a cluster', handshake('/clusters/x', [host, bearer]).replace('GET', 'POST'), 501, 'upgrade_unsupported'],
        ['another method', handshake('/x', [host, bearer]).replace('GET', 'POST'), 501, 'upgrade_unsupported'],
        ['HTTP/1.0', handshake('/x', [host, bearer]).replace('HTTP/1.1', 'HTTP/1.0'), 501, 'upgrade_unsupported'],
      ] as const) {
        const answer = await ask(text)
        assert.equal(answer.status, status, `${what}: ${answer.all}`)
        if (code !== undefined) assert.equal(codeOf(answer), code, what)
      }
      assert.deepEqual([sockets.asked.length, sockets.requests.length], [0, arrived])
      assert.ok(!stage.logged().includes(token))
    })

    test('what is sent behind a handshake that is refused is no request', async (t) => {
      const { sockets, as, port } = await stageSockets(t, start)
      const connection = await openRaw(port)
      const smuggled = ['GET /smuggled HTTP/1.1', ...as('alice'), '', ''].join('\r\n')
      connection.send(`${handshake('/closed/x', as('alice'))}${smuggled}`)
      const all = await connection.closed()
      assert.equal(all.match(/HTTP\/1\.1 /g)?.length, 1, all)
      assert.deepEqual(sockets.requests, [])
    })

    for (const [who, lines] of [
      ['a machine by its bearer', ({ as }: Routed) => as('robot')],
      [
        'a machine by a bearer in a subprotocol',
        ({ as, port }: Routed) => {
          const encoded = Buffer.from((as('robot')[1] ?? '').slice('Authorization: Bearer '.length)).toString('base64url')
          return [`Host: ${HOST}:${port}`, `Sec-WebSocket-Protocol: base64url.bearer.authorization.k8s.io.${encoded}, chat`]
        },
      ],
      [
        'a person by the cookie of that host, from a page of it',
        async ({ stage, origin, port }: Routed) => {
          const alice = await stage.browser()
          await alice.signIn(`${origin}/`, 'alice')
          return [`Host: ${HOST}:${port}`, `Cookie: ${cookieOf(alice, { origin })}`, `Origin: ${origin}`]
        },
      ],
    ] as const) {
      test(`open for ${who}, give back what was said, and stand in the records from start to end`, async (t) => {
        const staged = await stageSockets(t, start)
        const { stage, sockets, port } = staged
        const socket = await openWebSocket(port, '/socket?x=1', await lines(staged))
        t.after(() => socket.connection.socket.destroy())
        socket.say('hello')
        await socket.hears('hello')
        // Longer than an ordinary answer may pause.
        await new Promise((resolve) => setTimeout(resolve, 300))
        socket.say('still there')
        await socket.hears('still there')
        const [request] = sockets.asked
        assert.equal(request?.url, '/socket?x=1')
        const raw = JSON.stringify(request?.rawHeaders)
        assert.doesNotMatch(raw, /base64url|authorization|mandate-\d/i)
        assert.equal(request?.headers['x-mandate-subject'], who.startsWith('a person') ? 'alice' : 'robot')
        assert.deepEqual([stage.audit('effect').at(-1)?.effect, stage.audit('stream-opened').length], ['GET /socket', 1])
        assert.match(await stage.metrics(), /mandate_live_streams\{route="route\/app"\} 1/)
        socket.connection.socket.end()
        await eventually(
          () => stage.audit('stream-closed').length,
          (count) => count === 1,
        )
        assert.match(await stage.metrics(), /mandate_live_streams\{route="route\/app"\} 0/)
        assert.match(await stage.metrics(), /mandate_requests_total\{route="route\/app",method="GET",status="1xx"\} 1/)
        await eventually(sockets.open, (count) => count === 0)
      })
    }

    test('are cut on both sides when the login behind them ends', async (t) => {
      const { stage, sockets, origin, port } = await stageSockets(t, start)
      const alice = await stage.browser()
      await alice.signIn(`${origin}/`, 'alice')
      const lines = [`Host: ${HOST}:${port}`, `Cookie: ${cookieOf(alice, { origin })}`, `Origin: ${origin}`]
      const socket = await openWebSocket(port, '/socket', lines)
      socket.say('hello')
      await socket.hears('hello')
      await signOut(stage, alice)
      await socket.connection.closed(BOUND_MS)
      await eventually(sockets.open, (count) => count === 0, BOUND_MS)
      await eventually(
        () => stage.audit('stream-closed').at(-1)?.cause,
        (cause) => cause === 'caller-ended',
      )
    })

    test('of a service that answers 200 instead are 502', async (t) => {
      const raw = await service(t)
      const { port, as } = await stageRoute(t, start, { upstream: raw.origin, websockets: true })
      const connection = await openRaw(port)
      connection.send(handshake('/x', as('robot')))
      const answer = readAnswer(await connection.closed())
      assert.deepEqual([answer.status, codeOf(answer)], [502, 'upstream_broke'])
    })
  })
}

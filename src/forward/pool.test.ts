import assert from 'node:assert/strict'
import { suite, type TestContext, test } from 'node:test'
import { eventually, exchangeRaw, startRawUpstream } from '../../test/fakes/raw-http.ts'
import { createFakeClock } from '../clock.fake.ts'
import { Refusal } from '../errors.ts'
import { CONNECT_LATE } from './failure.ts'
import { stageAct } from './plain.fake.ts'
import { createPool, createServer, type Server } from './pool.ts'
import { nextAfter } from './retry.ts'
import type { Upstream, UpstreamRequest } from './upstream.ts'

const NEVER: Upstream = { forward: () => assert.fail(), upgrade: () => assert.fail(), close: async () => undefined }

/** Servers that are asked through `upstream`, and what says of each whether it was reached. */
function stagePool(count: number, upstream: Upstream = NEVER) {
  const clock = createFakeClock()
  const reached: Array<(reached: boolean) => void> = []
  const servers = Array.from({ length: count }, (_, at) =>
    createServer(`http://s${at}:80`, clock, (onReached) => {
      reached.push(onReached)
      return upstream
    }),
  )
  const pool = createPool(servers, clock)
  const turns = (times: number) => Array.from({ length: times }, () => nameOf(servers, pool.next()))
  return { clock, servers, pool, reached: (at: number, was: boolean) => reached[at]?.(was), turns }
}

const nameOf = (servers: readonly Server[], upstream: Upstream) => servers.findIndex((server) => server.upstream === upstream)
const requestOf = (over: boolean): UpstreamRequest => ({
  method: 'GET',
  path: '/',
  headers: [],
  body: undefined,
  cut: { over, listen: () => undefined },
  answerWithinMs: 1,
})
const nobodyIsWell = (error: unknown) => error instanceof Refusal && error.code === 'upstream_unavailable'

suite('a pool', () => {
  test('refuses at once when no server is well, whether of one or of several', () => {
    for (const count of [1, 3]) {
      const { pool, servers } = stagePool(count)
      for (const server of servers) server.well = false
      assert.throws(() => pool.next(), nobodyIsWell)
      assert.throws(() => pool.next(servers[0]?.upstream), nobodyIsWell)
    }
  })

  test('never gives a server that is not well, not even after all others failed', () => {
    const { pool, servers, reached, turns } = stagePool(3)
    if (servers[1]) servers[1].well = false
    assert.deepEqual(turns(4), [0, 2, 0, 2])
    reached(0, false)
    reached(2, false)
    assert.ok(turns(6).every((at) => at === 0 || at === 2))
    assert.notEqual(nameOf(servers, pool.next(servers[0]?.upstream)), 1)
  })

  test('takes turns, and after a failure gives another server', () => {
    const { pool, servers, turns } = stagePool(3)
    assert.deepEqual(turns(6), [0, 1, 2, 0, 1, 2])
    assert.equal(nameOf(servers, pool.next(servers[0]?.upstream)), 1)
    assert.deepEqual(turns(2), [2, 0])
  })

  test('of one server gives it again', () => {
    const { pool, servers, reached } = stagePool(1)
    reached(0, false)
    assert.equal(pool.next(servers[0]?.upstream), servers[0]?.upstream)
  })

  test('after a connect that took all its time asks another server, even one that is passed over, and not the same again', async () => {
    const { clock, pool, reached, servers } = stagePool(2)
    reached(0, false)
    reached(1, false)
    await clock.advance(5_000)
    const first = pool.next()
    const [tried, other] = first === servers[0]?.upstream ? [0, 1] : [1, 0]
    reached(tried, false)
    const late = new Refusal('upstream_unavailable', { detail: CONNECT_LATE })
    const waits = servers[other]
    assert.ok(waits)
    waits.passedOverUntil = clock.now() + 6_000
    assert.equal(nextAfter(late, pool, first), waits.upstream)
    waits.well = false
    assert.equal(nextAfter(late, pool, first), undefined)
    waits.well = true
    reached(tried, true)
    assert.equal(nextAfter(new Refusal('upstream_unavailable'), pool, first), first, 'it was reached, and the other one was not')
  })

  for (const way of ['forward', 'upgrade'] as const) {
    test(`tries a server again when the caller of the one that tried it left (${way})`, async () => {
      const broke = () => Promise.reject(new Refusal('upstream_broke'))
      const { clock, pool, reached, turns } = stagePool(2, {
        ...NEVER,
        forward: async () => ({ bytes: 0, end: 'aborted' }),
        upgrade: broke,
      })
      reached(0, false)
      await clock.advance(5_000)
      const [first, second] = [pool.next(), pool.next()]
      for (const cut of [true, false]) {
        const request = requestOf(cut)
        await Promise.allSettled(
          [first, second].map((upstream) => (way === 'forward' ? upstream.forward(request, () => undefined) : upstream.upgrade(request))),
        )
        assert.deepEqual(turns(4).sort(), cut ? [0, 1, 1, 1] : [1, 1, 1, 1])
      }
    })
  }

  test('does not try a server again when it was found out of reach although its caller left', async () => {
    const { clock, pool, reached, turns } = stagePool(2, {
      ...NEVER,
      async forward() {
        await clock.advance(1_000)
        reached(0, false)
        return { bytes: 0, end: 'aborted' }
      },
    })
    reached(0, false)
    await clock.advance(5_000)
    const tried = [pool.next(), pool.next()]
    assert.equal(tried.length, 2)
    await tried[0]?.forward(requestOf(true), () => undefined)
    assert.deepEqual(turns(3), [1, 1, 1])
  })

  test('passes over a server that could not be reached, tries it with one request, and takes it back when it is reached', async () => {
    const { clock, pool, reached, turns } = stagePool(2)
    reached(0, false)
    assert.deepEqual(turns(3), [1, 1, 1])
    await clock.advance(5_000)
    assert.deepEqual(turns(3).sort(), [0, 1, 1], 'one request alone tries it')
    reached(0, false)
    assert.deepEqual(turns(3), [1, 1, 1])
    await clock.advance(5_000)
    pool.next()
    pool.next()
    reached(0, true)
    assert.deepEqual(turns(4).sort(), [0, 0, 1, 1])
  })

  test('takes a server back that answers on a connection it still had', async () => {
    const { clock, servers, reached, turns, pool } = stagePool(2, {
      ...NEVER,
      async forward(_request, onHead) {
        await onHead({ status: 200, headers: [] })
        return { bytes: 0, end: 'complete' }
      },
    })
    reached(0, false)
    await clock.advance(5_000)
    const tried = [pool.next(), pool.next()].find((upstream) => upstream === servers[0]?.upstream)
    assert.ok(tried)
    await tried.forward(requestOf(false), () => undefined)
    assert.deepEqual(turns(4).sort(), [0, 0, 1, 1])
  })

  test('where all are passed over, gives the one that was so the longest', async () => {
    const { clock, pool, servers, reached, turns } = stagePool(3)
    reached(1, false)
    await clock.advance(100)
    reached(0, false)
    reached(2, false)
    assert.deepEqual(turns(3), [1, 1, 1])
    assert.notEqual(nameOf(servers, pool.next(servers[1]?.upstream)), 1)
  })
})

const GET = 'GET / HTTP/1.1\r\nHost: x\r\n\r\n'

async function service(t: TestContext, ...answering: Parameters<typeof startRawUpstream>) {
  const raw = await startRawUpstream(...answering)
  t.after(() => raw.close())
  return raw
}

suite('a pool of real servers', () => {
  test('with one that is dead serves everybody, whatever they ask', async (t) => {
    const [dead, alive] = [await startRawUpstream(), await service(t)]
    await dead.close()
    const { port, recorded } = await stageAct(t, [dead.origin, alive.origin], { retries: 1 })
    for (let i = 0; i < 6; i += 1) assert.equal((await exchangeRaw(port, GET)).status, 200)
    const post = 'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n'
    for (let i = 0; i < 6; i += 1) assert.equal((await exchangeRaw(port, post)).status, 200)
    assert.deepEqual(recorded, ['retried'], 'it was tried once')
  })

  test('with one that is dead serves many at once', async (t) => {
    const [dead, alive] = [await startRawUpstream(), await service(t)]
    await dead.close()
    const { port } = await stageAct(t, [dead.origin, alive.origin], { retries: 1 })
    const all = await Promise.all(Array.from({ length: 50 }, () => exchangeRaw(port, GET)))
    assert.deepEqual([...new Set(all.map(({ status }) => status))], [200])
  })

  test('of which none is there is 502, each tried as often as asked for', async (t) => {
    const dead = [await startRawUpstream(), await startRawUpstream()]
    await Promise.all(dead.map((one) => one.close()))
    const { port, recorded } = await stageAct(
      t,
      dead.map(({ origin }) => origin),
      { retries: 3 },
    )
    assert.equal((await exchangeRaw(port, GET)).body, 'upstream_unavailable')
    assert.deepEqual(recorded, ['retried', 'retried', 'retried'])
  })

  test('a server that dies under load and comes back is used again', async (t) => {
    const clock = createFakeClock()
    const [one, other] = [await service(t), await service(t)]
    const { port, servers } = await stageAct(t, [one.origin, other.origin], { retries: 1, clock })
    const server = servers[0]
    assert.ok(server)
    server.passedOverUntil = clock.now() + 5_000
    for (let i = 0; i < 4; i += 1) assert.equal((await exchangeRaw(port, GET)).status, 200)
    assert.deepEqual([one.heads().length, other.heads().length], [0, 4])
    await clock.advance(5_000)
    for (let i = 0; i < 4; i += 1) assert.equal((await exchangeRaw(port, GET)).status, 200)
    await eventually(
      () => one.heads().length,
      (count) => count === 2,
    )
  })

  test('names itself in Location by any of its origins', async (t) => {
    const seen: string[] = []
    const two = [await service(t), await service(t)]
    const origins = two.map(({ origin }) => origin)
    const redirecting = await service(
      t,
      (socket, _head, nth) =>
        void socket.write(
          `HTTP/1.1 302 Found\r\nLocation: ${[...origins, 'http://elsewhere.example'][nth]}/p?q\r\nContent-Length: 0\r\n\r\n`,
        ),
    )
    const { port } = await stageAct(t, [redirecting.origin, ...origins])
    for (let i = 0; i < 9; i += 1) {
      const { status, head } = await exchangeRaw(port, GET)
      if (status === 302) seen.push(/location: (\S+)/i.exec(head)?.[1] ?? '')
    }
    assert.deepEqual(seen, ['https://app.example/p?q', 'https://app.example/p?q', 'http://elsewhere.example/p?q'])
  })
})

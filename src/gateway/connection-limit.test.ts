import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'
import { suite, type TestContext, test } from 'node:test'
import { eventually, openRaw, type RawConnection } from '../../test/fakes/raw-http.ts'
import { createLog } from '../log.ts'
import { createMetrics } from '../metrics.ts'
import { type ConnectionLimit, type DroppedFor, limitConnections } from './connection-limit.ts'
import type { Gateway } from './gateway.ts'
import { listenOperations } from './operations.ts'
import { listen } from './server.ts'

const ASK = 'GET /x HTTP/1.1\r\nHost: localhost\r\n\r\n'
const gateway: Gateway = {
  async answer(_request, response) {
    response.end('ok')
  },
  refuseUnread: async () => undefined,
}

/** A listener with a bound; resolves to its port and what it dropped. */
async function stage(t: TestContext, limit: Partial<ConnectionLimit>) {
  const dropped: DroppedFor[] = []
  const connections = { total: 100, perAddress: 100, spared: () => false, dropped: (why: DroppedFor) => void dropped.push(why), ...limit }
  const listener = await listen(
    gateway,
    { host: '127.0.0.1', port: 0, connections },
    createLog(() => undefined),
  )
  t.after(() => listener.close(0))
  return { port: listener.port, dropped }
}

async function served(port: number): Promise<RawConnection> {
  const connection = await openRaw(port)
  connection.send(ASK)
  await connection.until(/ok$/)
  return connection
}

suite('a listener with a bound on connections', () => {
  for (const [what, limit, why] of [
    ['in all', { total: 3 }, 'total'],
    ['of one address', { perAddress: 3 }, 'address'],
  ] as const) {
    test(`refuses one more ${what} by closing it, and takes one again when another has gone`, async (t) => {
      const { port, dropped } = await stage(t, limit)
      const open = [await served(port), await served(port), await served(port)]
      const more = await openRaw(port)
      more.send(ASK)
      assert.equal(await more.closed(), '')
      assert.deepEqual(dropped, [why])
      open[0]?.socket.destroy()
      const again = await eventually(
        () => served(port).catch(() => undefined),
        (connection) => connection !== undefined,
      )
      for (const each of [...open, again]) each?.socket.destroy()
    })
  }

  test('one that says nothing takes a place like any other', async (t) => {
    const { port, dropped } = await stage(t, { perAddress: 2 })
    const silent = [await openRaw(port), await openRaw(port)]
    assert.equal(await (await openRaw(port)).closed(), '')
    assert.deepEqual(dropped, ['address'])
    for (const { socket } of silent) socket.destroy()
  })

  test('whoever is spared counts for the total alone', async (t) => {
    const { port, dropped } = await stage(t, { total: 4, perAddress: 1, spared: (peer) => peer === '127.0.0.1' })
    const open = [await served(port), await served(port), await served(port), await served(port)]
    assert.equal(await (await openRaw(port)).closed(), '')
    assert.deepEqual(dropped, ['total'])
    for (const { socket } of open) socket.destroy()
  })

  test('addresses of one IPv6 network have their places in common, and IPv4 in IPv6 is IPv4', () => {
    const server = createServer()
    const taken: unknown[] = []
    const dropped: DroppedFor[] = []
    server.on('connection', (socket) => taken.push(socket.remoteAddress))
    limitConnections(server, { total: 100, perAddress: 1, spared: () => false, dropped: (why) => void dropped.push(why) })
    const from = (remoteAddress: string) =>
      server.emit('connection', { remoteAddress, once: () => undefined, destroy: () => undefined } as unknown as Socket)
    for (const address of ['2001:db8::1', '2001:db8:0:0:ff::2', '2001:db8:0:1::1', '192.0.2.1', '::ffff:192.0.2.1']) from(address)
    assert.deepEqual(taken, ['2001:db8::1', '2001:db8:0:1::1', '192.0.2.1'])
    assert.deepEqual(dropped, ['address', 'address'])
  })
})

test('the operations port drops what no probe needs, counts it, and goes on answering', async (t) => {
  const metrics = createMetrics()
  const log = createLog(() => undefined)
  const { port, close } = await listenOperations({ host: '127.0.0.1', port: 0, metrics, readiness: () => [], log })
  t.after(() => close(0))
  const open: Socket[] = []
  for (let i = 0; i < 32; i += 1) {
    const socket = connect(port, '127.0.0.1')
    await once(socket, 'connect')
    open.push(socket)
  }
  assert.equal(await (await openRaw(port)).closed(), '')
  for (const socket of open) socket.destroy()
  const answer = await eventually(
    () => fetch(`http://127.0.0.1:${port}/metrics`).then((each) => each.text(), String),
    (text) => text.includes('mandate_'),
  )
  assert.match(answer, /mandate_connections_dropped_total\{listener="operations",bound="address"\} [1-9]/)
})

test('a fault of the operations port costs its connection alone', async (t) => {
  const metrics = createMetrics()
  const logged: string[] = []
  let faulty = true
  const readiness = () => {
    if (faulty) throw new Error('cannot tell')
    return []
  }
  const log = createLog((line) => void logged.push(line))
  const { port, close } = await listenOperations({ host: '127.0.0.1', port: 0, metrics, readiness, log })
  t.after(() => close(0))
  const connection = await openRaw(port)
  connection.send('GET /ready HTTP/1.1\r\nHost: localhost\r\n\r\n')
  assert.equal(await connection.closed(), '')
  assert.match(logged.join(''), /a fault ended a connection/)
  assert.match((await metrics.expose()).body, /mandate_refusals_total\{reason="fault",route="none"\} 1/)
  faulty = false
  assert.equal((await fetch(`http://127.0.0.1:${port}/ready`)).status, 200)
})

/** What can be said about the Redis store without Redis; the rest is in test/real/store.test.ts. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { describe, test } from 'node:test'
import { systemClock } from '../clock.ts'
import { Complaint } from '../complaint.ts'
import { createLog } from '../log.ts'
import { Secret } from '../secret.ts'
import { CALLS, everyCallRejects } from './calls.conformance.ts'
import { listen } from './listen.fake.ts'
import { connectRedis } from './redis.ts'
import { redisAddress } from './redis-address.ts'
import { silent } from './revocations.conformance.ts'
import { StoreUnavailable } from './store.ts'

const connect = (url: string) => connectRedis({ url, log: silent, clock: systemClock })

describe('an unusable Redis URL is refused without being quoted', () => {
  const password = 'hunter2hunter2'
  for (const url of [
    `http://u:${password}@h`,
    `redis://u:${password}@h:99999`,
    `redis://u:${password}@`,
    `redis://:${password}%zz@h`,
    `redis://:${password}@h/x`,
    `redis://:${password}@h?db=1`,
    `${password}`,
  ]) {
    test(url.replace(password, '...'), async () => {
      await assert.rejects(connect(url), (error) => {
        assert.ok(error instanceof Error && error.message.includes('Redis URL'))
        assert.ok(!JSON.stringify([error.message, error.stack, Object.entries(error)]).includes(password))
        return true
      })
    })
  }
})

test('a Redis URL gives host, port, user, password and database', () => {
  const { password, ...rest } = redisAddress(new Secret('rediss://mandate:a%2Fb@[::1]:7000/3'))
  assert.equal(password?.expose(), 'a/b')
  assert.deepEqual(rest, { host: '::1', port: 7000, tls: true, username: 'mandate', database: 3 })
  const plain = { host: 'redis.example', port: 6379, tls: false, username: undefined, password: undefined, database: 0 }
  assert.deepEqual(redisAddress('redis://redis.example', { plaintextOpen: true }), plain)
  assert.deepEqual(redisAddress('redis://redis.example/', { plaintextOpen: true }), plain)
})

test('plain redis:// to another machine is refused, with its mend, unless the operator takes it', async () => {
  for (const url of ['redis://:hunter2@redis.example', 'redis://10.0.0.5:6379', 'redis://127.0.0.1.evil.example', 'redis://[2001:db8::1]'])
    await assert.rejects(connect(url), (error) => {
      assert.ok(error instanceof Complaint)
      assert.match(error.message, /rediss:\/\/.*store\.redis\.plaintextOpen/)
      return !error.message.includes('hunter2') && !error.message.includes('example')
    })
  for (const url of ['redis://127.0.0.1', 'redis://localhost', 'redis://[::1]:7000', 'rediss://redis.example'])
    assert.ok(redisAddress(url).host.length > 0, url)
})

test('without anything there, connecting does not fail and every method rejects at once', async () => {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  assert.ok(address !== null && typeof address === 'object')
  server.close()
  await once(server, 'close')
  const lines: string[] = []
  const store = await connectRedis({
    url: `redis://:hunter2@127.0.0.1:${address.port}`,
    clock: systemClock,
    log: createLog((line) => lines.push(line)),
  })
  const began = performance.now()
  await everyCallRejects(store)
  assert.ok(performance.now() - began < 200)
  assert.equal(store.up, false)
  await store.close()
  await everyCallRejects(store)
  for (const line of lines) {
    const { code, host, port } = JSON.parse(line) as Record<string, unknown>
    assert.deepEqual([code, host, port], ['ECONNREFUSED', '127.0.0.1', address.port])
  }
  assert.equal(lines.length, 2, 'one line a connection, not one an attempt')
  assert.ok(!lines.join('').includes('hunter2'))
})

describe('what is no Redis is unavailable:', () => {
  const answers = {
    'a server that says nothing': '',
    'one that speaks HTTP': 'HTTP/1.1 400 Bad Request\r\n\r\n',
    'one that refuses all': '-ERR no\r\n',
    'one that has nothing': '$-1\r\n',
    'one that answers numbers': ':1\r\n',
    'one that agrees to all': '+OK\r\n',
  }
  for (const [what, answer] of Object.entries(answers)) {
    test(what, async (t) => {
      const port = await listen(t, (socket) => {
        if (answer !== '') socket.on('data', () => socket.write(answer))
      })
      const store = await connect(`redis://127.0.0.1:${port}`)
      t.after(() => store.close())
      for (const name of ['get', 'take', 'put', 'count', 'append', 'read'] as const) {
        await assert.rejects(CALLS[name](store), StoreUnavailable, name)
      }
    })
  }
})

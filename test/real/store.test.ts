/** The store and revocation suites on a real Redis, and its bad days. */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import type { Socket } from 'node:net'
import { after, before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { TLSSocket } from 'node:tls'
import { systemClock } from '../../src/clock.ts'
import { createCertificateAuthority } from '../../src/dev/certificate-authority.ts'
import { createLog } from '../../src/log.ts'
import { Secret } from '../../src/secret.ts'
import { CALLS, eventually, everyCallRejects } from '../../src/store/calls.conformance.ts'
import { listen, relay } from '../../src/store/listen.fake.ts'
import { endAll, operate } from '../../src/store/operator.fake.ts'
import { connectRedis, type RedisStore } from '../../src/store/redis.ts'
import { revocationsConformance, silent, somebody, testRing } from '../../src/store/revocations.conformance.ts'
import { createRevocations } from '../../src/store/revocations.ts'
import { createKeyRing, sealedStore } from '../../src/store/sealed.ts'
import { storeConformance } from '../../src/store/store.conformance.ts'
import { type Store, StoreUnavailable } from '../../src/store/store.ts'
import { type Redis, startRedis } from './parts/redis.ts'

const LONG = 60_000
const text = (value: string) => Buffer.from(value)
const connect = (url: string | Secret, prefix?: string) =>
  connectRedis({ url, log: silent, clock: systemClock, ...(prefix === undefined ? {} : { prefix }) })

let shared: Redis
before(async () => {
  shared = await startRedis()
})
after(() => shared.stop())

const pair = async (prefix: string) => {
  const [store, second] = await Promise.all([connect(shared.url, prefix), connect(shared.url, prefix)])
  return { store, second, close: async () => void (await Promise.all([store.close(), second.close()])) }
}
storeConformance('Redis', () => pair('suite:'))
revocationsConformance('Redis', () => pair(`revocations-${randomBytes(4).toString('hex')}:`))

describe('a Redis that goes away', () => {
  let redis: Redis
  let store: RedisStore
  before(async () => {
    redis = await startRedis()
    store = await connect(redis.url)
  })
  after(async () => {
    await store.close()
    await redis.stop()
  })

  test('stopped: every method rejects in time, and all works again by itself', async () => {
    await store.put('k', text('v'), { ifVersion: 0, ttlMs: LONG })
    const { epoch } = await store.read('l', 0)
    let heard = 0
    store.listen('c', () => heard++)
    await redis.stop()
    await everyCallRejects(store)
    assert.equal(store.up, false)
    await everyCallRejects(store)
    await sleep(500)
    await redis.start()
    await eventually('it answers again', () => store.up, 3000)
    assert.equal(await store.get('k'), undefined, 'this Redis keeps nothing')
    assert.notEqual((await store.read('l', 0)).epoch, epoch)
    await eventually('wakes arrive again', async () => {
      await store.wake('c')
      return heard > 0
    })
  })

  test('paused: every method rejects in time, later ones at once, and all works again by itself', async () => {
    redis.pause()
    await everyCallRejects(store)
    const began = performance.now()
    await everyCallRejects(store)
    assert.ok(performance.now() - began < 200, 'the condemned connection is not asked again')
    // Long enough for several attempts to connect: the kernel accepts them, the server does not greet.
    await sleep(2500)
    redis.resume()
    await eventually('it answers again', () => store.up, 4000)
    await Promise.all(Object.values(CALLS).map((call) => call(store)))
  })

  test('killed in the middle of commands: each is answered or unavailable', async () => {
    const outcomes = Promise.allSettled(
      Array.from({ length: 500 }, (_, at) => store.put(`burst${at}`, randomBytes(2000), { ifVersion: 0, ttlMs: LONG })),
    )
    await redis.kill()
    for (const outcome of await outcomes) assert.ok(outcome.status === 'fulfilled' || outcome.reason instanceof StoreUnavailable)
    await redis.start()
    await eventually('it answers again', () => store.up, 3000)
  })

  test('flushed: another epoch', async () => {
    await store.append('kept', text('a'), LONG)
    const { epoch } = await store.read('kept', 0)
    await operate(redis.url, ['FLUSHALL'])
    await store.append('kept', text('a'), LONG)
    assert.notEqual((await store.read('kept', 0)).epoch, epoch)
  })

  test('absent at the start: connecting does not fail, and it is found when it comes', async () => {
    await redis.stop()
    const early = await connect(redis.url)
    await everyCallRejects(early)
    await redis.start()
    await eventually('it answers', () => early.up, 3000)
    assert.equal(await early.put('early', text('v'), { ifVersion: 0, ttlMs: LONG }), 1)
    await early.close()
    await eventually('the other too', () => store.up, 3000)
  })

  test('forgets the scripts: they are sent again', async () => {
    await operate(redis.url, ['SCRIPT', 'FLUSH'])
    assert.equal(await store.count('nobody'), 0)
    assert.equal(await store.put(randomBytes(8).toString('hex'), text('v'), { ifVersion: 0, ttlMs: LONG }), 1)
  })
})

describe('a copy of Redis that takes no writes', () => {
  test('is no heartbeat, and is not asked at all', async (t) => {
    const [primary, replica] = await Promise.all([startRedis(), startRedis()])
    const store = await connect(replica.url)
    const revocations = createRevocations({ store, ring: testRing(), clock: systemClock, log: silent })
    t.after(() => endAll(revocations, store, primary, replica))
    await revocations.start()
    assert.equal(revocations.blind, false)
    await operate(replica.url, ['REPLICAOF', '127.0.0.1', String(primary.port)])
    await eventually('the replica of Mandate is blind', () => revocations.blind, 3500)
    await assert.rejects(store.read('revocations', 0), StoreUnavailable)
    await assert.rejects(store.get('k'), StoreUnavailable, 'a stale copy could say "absent"')
    await operate(replica.url, ['REPLICAOF', 'NO', 'ONE'])
    await eventually('it sees again', () => !revocations.blind, 4000)
  })
})

describe('revocations on a Redis with bad days', () => {
  test('a restart that loses everything loses no revocation', async (t) => {
    const redis = await startRedis()
    const ring = testRing()
    const [one, two] = await Promise.all([connect(redis.url), connect(redis.url)])
    const replica = (store: Store) => createRevocations({ store, ring, clock: systemClock, log: silent })
    const [here, there] = [replica(one), replica(two)]
    t.after(() => endAll(here, there, one, two, redis))
    await Promise.all([here.start(), there.start()])
    const alice = somebody()
    await here.revoke({ kind: 'login', loginId: alice.loginId ?? '' })
    await eventually('it is known there', () => there.check(alice))
    await here.stop()
    await redis.kill()
    await eventually('blind', () => there.blind, 3500)
    await redis.start()
    await eventually('sees again', () => !there.blind, 4000)
    const third = await connect(redis.url)
    const late = replica(third)
    t.after(() => endAll(late, third))
    await late.start()
    assert.ok(late.check(alice), 'written again by a replica that only heard of it')
  })

  test('a fail-over to a copy that lacks the last revocation loses it nowhere', async (t) => {
    const [primary, copy] = await Promise.all([startRedis(), startRedis()])
    let port = primary.port
    const links = new Set<Socket>()
    const address = await listen(t, (socket) => links.add(relay(socket, port)))
    const ring = testRing()
    const store = await connect(`redis://127.0.0.1:${address}`)
    const revocations = createRevocations({ store, ring, clock: systemClock, log: silent })
    t.after(() => endAll(revocations, store, primary, copy))
    await revocations.start()
    const [early, late, later] = [somebody(), somebody(), somebody()]
    await revocations.revoke({ kind: 'login', loginId: early.loginId ?? '' })
    await operate(copy.url, ['REPLICAOF', '127.0.0.1', String(primary.port)])
    const copied = async () => (await operate(copy.url, ['ZCARD', 'mandate:l:revocations']))[0] === 4
    await eventually('the copy has followed', copied, 8000)
    await operate(copy.url, ['REPLICAOF', 'NO', 'ONE'])
    await revocations.revoke({ kind: 'login', loginId: late.loginId ?? '' })
    // Another replica of Mandate, already on the promoted copy, is given the same sequence for something else.
    const direct = await connect(copy.url)
    const other = createRevocations({ store: direct, ring, clock: systemClock, log: silent })
    t.after(() => endAll(other, direct))
    await other.start()
    await other.revoke({ kind: 'login', loginId: later.loginId ?? '' })
    port = copy.port
    for (const link of links) link.destroy()
    await eventually('what was revoked there is known here', () => revocations.check(later), 4000)
    await eventually('what the copy lacked is known there', () => other.check(late), 2000)
    assert.ok(revocations.check(early) && revocations.check(late) && other.check(early))
  })

  test('a pause ends streams after blindForMs', async (t) => {
    const redis = await startRedis()
    const store = await connect(redis.url)
    const revocations = createRevocations({ store, ring: testRing(), clock: systemClock, log: silent, blindForMs: 3000 })
    t.after(() => endAll(revocations, store, redis))
    await revocations.start()
    const ended: string[] = []
    revocations.watch(somebody(), (why) => ended.push(why))
    redis.pause()
    await sleep(2200)
    assert.deepEqual([revocations.blind, ended], [true, []])
    await eventually('the stream is told', () => ended.join() === 'blind', 2000)
    redis.resume()
    await eventually('sees again', () => !revocations.blind, 4000)
  })
})

describe('a Redis with a password', () => {
  test('is used with it, refuses without it, and it is never shown', async (t) => {
    const redis = await startRedis()
    const password = 'correct horse/battery:staple'
    await operate(
      redis.url,
      ['CONFIG', 'SET', 'requirepass', password],
      ['ACL', 'SETUSER', 'mandate', 'on', '>second secret', '~*', '&*', '+@all', '-info'],
    )
    const lines: string[] = []
    const log = createLog((line) => lines.push(line))
    const withPassword = (user: string, secret: string) =>
      connectRedis({ url: new Secret(`redis://${user}:${encodeURIComponent(secret)}@127.0.0.1:${redis.port}/2`), log, clock: systemClock })
    const stores = await Promise.all([
      withPassword('', password),
      withPassword('mandate', 'second secret'),
      withPassword('', 'wrong secret'),
      connectRedis({ url: redis.url, log, clock: systemClock }),
    ])
    t.after(() => endAll(...stores, redis))
    const [good, named, wrong, none] = stores
    assert.equal(await good?.put('k', text('v'), { ifVersion: 0, ttlMs: LONG }), 1)
    assert.equal((await named?.get('k'))?.version, 1)
    assert.equal((await named?.read('l', 0))?.head, 0, 'without INFO too')
    if (wrong) await everyCallRejects(wrong)
    if (none) await everyCallRejects(none)
    assert.match(lines.join(''), /WRONGPASS/)
    assert.match(lines.join(''), /NOAUTH/)
    for (const secret of [password, encodeURIComponent(password), 'second', 'wrong']) assert.ok(!lines.join('').includes(secret))
  })
})

describe('a Redis behind TLS', () => {
  test('is used when its authority is trusted, and only then', async (t) => {
    const authority = await createCertificateAuthority('test')
    const leaf = await authority.issue({ commonName: 'redis', dnsNames: ['localhost'] })
    const port = await listen(t, (socket) => {
      relay(new TLSSocket(socket, { isServer: true, cert: leaf.certificatePem, key: leaf.privateKeyPem }), shared.port)
    })
    const lines: string[] = []
    const log = createLog((line) => lines.push(line))
    const secure = (host: string, ca?: string) => connectRedis({ url: `rediss://${host}:${port}`, ca, log, clock: systemClock })
    const [trusted, untrusted, misnamed] = await Promise.all([
      secure('localhost', authority.certificatePem),
      secure('localhost'),
      secure('127.0.0.1', authority.certificatePem),
    ])
    t.after(() => endAll(trusted, untrusted, misnamed))
    assert.equal(await trusted.put(randomBytes(8).toString('hex'), text('v'), { ifVersion: 0, ttlMs: LONG }), 1)
    await everyCallRejects(untrusted)
    await everyCallRejects(misnamed)
    assert.match(lines.join(''), /UNABLE_TO_VERIFY_LEAF_SIGNATURE|SELF_SIGNED/)
    assert.match(lines.join(''), /ERR_TLS_CERT_ALTNAME_INVALID/)
  })
})

describe('a login record in Redis', () => {
  test('costs at most 1 kB beside its tokens', async (t) => {
    const store = await connect(shared.url)
    t.after(() => store.close())
    const sealed = sealedStore(store, createKeyRing([{ id: '2026-01', key: new Secret(randomBytes(32).toString('base64')) }]))
    const usage = async (length: number): Promise<number> => {
      const id = randomBytes(32).toString('base64url')
      await sealed.put('login', id, randomBytes(length), { ifVersion: 0, ttlMs: LONG })
      const [bytes] = await operate(shared.url, ['MEMORY', 'USAGE', `mandate:e:login:${id}`])
      assert.ok(typeof bytes === 'number')
      return bytes
    }
    const used = { 0: await usage(0), 500: await usage(500), 3000: await usage(3000), 6000: await usage(6000) }
    console.log('bytes in Redis by length of the record', used)
    assert.ok(used[500] <= 1024)
    assert.ok(used[6000] <= 6000 * 1.15)
  })
})

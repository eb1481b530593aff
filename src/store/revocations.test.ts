import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { createFakeClock } from '../clock.fake.ts'
import { systemClock } from '../clock.ts'
import { createMemoryStore } from './memory.ts'
import { withOutage } from './outage.fake.ts'
import { decodeRevocation, encodeRevocation, type Revocation } from './revocation.ts'
import { revocationsConformance, silent, somebody, testRing } from './revocations.conformance.ts'
import { createRevocations } from './revocations.ts'
import { type Store, StoreUnavailable } from './store.ts'
import { twoReplicas } from './two-replicas.fake.ts'

revocationsConformance('memory', async () => {
  const store = createMemoryStore(systemClock)
  const second = store.another()
  return { store, second, close: async () => void (await Promise.all([store.close(), second.close()])) }
})

const HOUR = 3_600_000

describe('revoke refuses', () => {
  test('when the store is down, and nothing is in force then', async (t) => {
    const { lineA, a, alice, logout } = await twoReplicas(t)
    lineA.down()
    await assert.rejects(a.revoke(logout), StoreUnavailable)
    assert.equal(a.check(alice), false)
  })
  test('when the store hangs, in bounded time', async (t) => {
    const { clock, lineA, a, logout } = await twoReplicas(t)
    lineA.hang()
    const refused = assert.rejects(a.revoke(logout), StoreUnavailable)
    await clock.advance(2100)
    await refused
  })
})

describe('a revocation', () => {
  test('reaches the other replica without any wake within one reading', async (t) => {
    const { clock, memory, make, logout, alice } = await twoReplicas(t)
    const deaf = make({ ...memory.another(), listen: () => () => {} })
    await deaf.start()
    const writer = make(memory.another())
    await writer.start()
    const ended: string[] = []
    deaf.watch(alice, (why) => ended.push(why))
    await writer.revoke(logout)
    await clock.advance(0)
    assert.deepEqual(ended, [])
    await clock.advance(520)
    assert.deepEqual([ended, deaf.check(alice)], [['revoked'], true])
  })
  test('reaches it at once by a wake', async (t) => {
    const { clock, a, b, logout, alice } = await twoReplicas(t)
    await clock.advance(100)
    await a.revoke(logout)
    await clock.advance(25)
    assert.ok(b.check(alice))
  })
  test('of a principal ends what was issued up to the not-before, and the latest not-before holds', async (t) => {
    const { clock, a, alice } = await twoReplicas(t)
    const { issuer, subject } = alice
    const notBefore = clock.now()
    await a.revoke({ kind: 'principal', issuer, subject, notBefore })
    await a.revoke({ kind: 'principal', issuer, subject, notBefore: notBefore - 5000 })
    assert.deepEqual(
      [-1, 0, 1].map((ms) => a.check({ ...alice, issuedAt: notBefore + ms })),
      [true, true, false],
    )
    assert.equal(a.check({ ...alice, issuer: 'https://other.example' }), false)
    assert.equal(a.check({ ...alice, subject: `${subject}x` }), false)
  })
  test('of a session ends it at its issuer only', async (t) => {
    const { a, alice } = await twoReplicas(t)
    await a.revoke({ kind: 'session', issuer: alice.issuer, sid: alice.sid ?? '' })
    assert.equal(a.check({ ...alice, loginId: undefined, subject: 'another' }), true)
    assert.equal(a.check({ ...alice, issuer: 'https://other.example' }), false)
    assert.equal(a.check({ ...alice, sid: undefined }), false)
  })
  test('of a session ends the logins of its subject that know no session, up to then, and no bearer for that', async (t) => {
    const { clock, memory, make, a, b, alice } = await twoReplicas(t)
    const { issuer, subject } = alice
    const notBefore = clock.now()
    const login = { ...alice, sid: undefined }
    const ended: string[] = []
    b.watch(login, (why) => ended.push(why))
    b.watch({ ...alice, sid: 'another' }, () => assert.fail('it is of another session'))
    await a.revoke({ kind: 'session', issuer, sid: 'of-a-login-elsewhere', also: { subject, notBefore } })
    await clock.advance(600)
    const late = make(memory.another())
    await late.start()
    for (const replica of [a, b, late]) {
      assert.equal(replica.check(login), true)
      assert.equal(replica.check({ ...login, loginId: undefined }), false)
      assert.equal(replica.check({ ...login, issuedAt: notBefore + 1 }), false)
      assert.equal(replica.check({ ...login, subject: 'another' }), false)
      assert.equal(replica.check(alice), false)
    }
    assert.deepEqual(ended, ['revoked'])
  })
  test('is forgotten once no login can be so old', async (t) => {
    const { clock, a, b, logout, alice } = await twoReplicas(t, { keepMs: HOUR })
    await a.revoke(logout)
    await clock.advance(HOUR - 1000)
    assert.ok(a.check(alice) && b.check(alice))
    await clock.advance(2 * 60_000)
    assert.equal(a.check(alice) || b.check(alice), false)
  })
  test('survives the store: known ones are written again into the new log, once', async (t) => {
    const { clock, logout, alice, make } = await twoReplicas(t)
    // A store that can lose everything: the state behind it is replaced.
    let state = createMemoryStore(clock)
    const forgetful: Store = {
      ...state,
      append: (...args) => state.append(...args),
      read: (...args) => state.read(...args),
      wake: (...args) => state.wake(...args),
      listen: (...args) => state.listen(...args),
    }
    const [one, two] = [make(forgetful), make(forgetful)]
    await Promise.all([one.start(), two.start()])
    const { issuer, subject, sid = '' } = alice
    const all: Revocation[] = [logout, { kind: 'session', issuer, sid }, { kind: 'principal', issuer, subject, notBefore: clock.now() }]
    for (const revocation of all) await one.revoke(revocation)
    await clock.advance(1000)
    await one.stop()
    state = createMemoryStore(clock)
    await clock.advance(1000)
    const late = make(forgetful)
    await late.start()
    assert.ok(late.check({ ...alice, sid: undefined, subject: 'x' }), 'the login')
    assert.ok(late.check({ ...alice, loginId: undefined, subject: 'x' }), 'the session')
    assert.ok(late.check({ ...alice, loginId: undefined, sid: undefined }), 'the principal')
    await clock.advance(5000)
    assert.equal((await state.read('revocations', 0)).head, 3, 'nothing is written a second time')
  })
  test('shows nothing of itself in the store', async (t) => {
    const { a, memory, alice, logout } = await twoReplicas(t)
    await a.revoke(logout)
    await a.revoke({ kind: 'principal', issuer: alice.issuer, subject: alice.subject, notBefore: 0 })
    for (const { value } of (await memory.read('revocations', 0)).entries) {
      const text = Buffer.from(value).toString('latin1')
      for (const part of [alice.loginId, alice.issuer, alice.subject, 'login', 'principal']) assert.ok(!text.includes(part ?? ''))
      assert.ok(value.length < 200)
    }
  })
})

describe('a watcher', () => {
  test('is ended once and never after it stopped watching', async (t) => {
    const { a, alice, logout } = await twoReplicas(t)
    let ended = 0
    a.watch(alice, () => ended++)
    const unwatch = a.watch(alice, () => assert.fail('it stopped watching'))
    unwatch()
    unwatch()
    await a.revoke(logout)
    await a.revoke(logout)
    await a.revoke({ kind: 'session', issuer: alice.issuer, sid: alice.sid ?? '' })
    assert.equal(ended, 1)
  })
  test('that begins after the revocation is ended, but not from within watch', async (t) => {
    const { a, alice, logout } = await twoReplicas(t)
    await a.revoke(logout)
    const ended: string[] = []
    a.watch(alice, (why) => ended.push(why))
    assert.equal(ended.length, 0)
    await null
    assert.deepEqual(ended, ['revoked'])
  })
  test('whose end throws keeps no other from ending', async (t) => {
    const { a, alice, logout } = await twoReplicas(t)
    let ended = 0
    a.watch(alice, () => {
      throw new Error('a fault of the watcher')
    })
    a.watch(alice, () => ended++)
    await a.revoke(logout)
    assert.equal(ended, 1)
  })
  test('is ended when its replica has been blind for blindForMs, and no sooner', async (t) => {
    const { clock, lineB, a, b, alice } = await twoReplicas(t)
    const ended: string[] = []
    a.watch(alice, () => assert.fail('this replica sees'))
    b.watch(alice, (why) => ended.push(why))
    lineB.down()
    await clock.advance(29_000)
    assert.equal(ended.length, 0)
    await clock.advance(1500)
    assert.equal(ended.join(), 'blind')
    b.watch(alice, (why) => ended.push(`late ${why}`))
    await null
    assert.deepEqual(ended, ['blind', 'late blind'])
    lineB.up()
    await clock.advance(1000)
    b.watch(alice, () => assert.fail('it sees again'))
    await clock.advance(60_000)
  })
  test('lives through a short outage, and is ended by what was revoked meanwhile', async (t) => {
    const { clock, lineB, a, b, alice, logout } = await twoReplicas(t)
    const ended: string[] = []
    b.watch(alice, (why) => ended.push(why))
    lineB.down()
    await clock.advance(10_000)
    await a.revoke(logout)
    await clock.advance(5000)
    lineB.up()
    await clock.advance(600)
    assert.deepEqual(ended, ['revoked'])
  })
  test("costs a revocation nothing when it is another's: 50,000 of them", async (t) => {
    const { a, clock } = await twoReplicas(t)
    let ended = 0
    const subjects = Array.from({ length: 50_000 }, (_, at) =>
      somebody({ loginId: `l${at}`, subject: `s${at % 10_000}`, sid: `sid${at}`, issuedAt: clock.now() - 1 }),
    )
    const unwatch = subjects.map((subject) => a.watch(subject, () => ended++))
    const began = performance.now()
    for (let at = 0; at < 200; at++) await a.revoke({ kind: 'login', loginId: `l${at}` })
    await a.revoke({ kind: 'principal', issuer: 'https://issuer.example', subject: 's9999', notBefore: clock.now() })
    assert.equal(ended, 205)
    assert.ok(performance.now() - began < 1000, `${performance.now() - began} ms for 201 revocations`)
    for (const end of unwatch) end()
  })
})

describe('an entry of the log', () => {
  test('that nobody of ours wrote is not understood', () => {
    for (const text of [
      '',
      ' ',
      '1',
      '1 ',
      '1 {}',
      '1 null',
      '1 []',
      '1 ["login"]',
      '1 ["login",5]',
      'x ["login","a"]',
      '1 ["other","a","b"]',
      '1 ["principal","a","b"]',
      '1 ["session","a"]',
      '1 ["session","a","b","c"]',
      '1 ["session","a","b",5,5]',
      '1 ["login","a"',
    ]) {
      assert.equal(decodeRevocation(Buffer.from(text)), undefined, text)
    }
  })
  test('is read as it was written', () => {
    const all: Revocation[] = [
      { kind: 'login', loginId: 'a "b"\n' },
      { kind: 'session', issuer: 'i', sid: '\0' },
      { kind: 'session', issuer: 'i', sid: 's', also: { subject: 'a', notBefore: 7 } },
      { kind: 'principal', issuer: 'i', subject: '💥', notBefore: 1.5 },
    ]
    for (const revocation of all) assert.deepEqual(decodeRevocation(encodeRevocation({ revocation, at: 42 })), { revocation, at: 42 })
  })
})

test('a stopped replica leaves no timer and no listener behind', async () => {
  const clock = createFakeClock()
  const { store, hang } = withOutage(createMemoryStore(clock))
  const replica = createRevocations({ store, ring: testRing(), clock, log: silent })
  await replica.start()
  hang()
  await clock.advance(510)
  await replica.stop()
  assert.equal(clock.pending, 0)
})

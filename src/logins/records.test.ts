import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createFakeClock } from '../clock.fake.ts'
import { principalOf } from '../principal.fake.ts'
import { Secret } from '../secret.ts'
import { createMemoryStore } from '../store/memory.ts'
import { silent, testRing } from '../store/revocations.conformance.ts'
import { sealedStore } from '../store/sealed.ts'
import { newRecord } from './login.ts'
import { createLoginRecords } from './records.ts'
import { ABSOLUTE_MS, IDLE_MS } from './refresh.fake.ts'

function setStage() {
  const clock = createFakeClock()
  const store = createMemoryStore(clock)
  const open = (ring = testRing()) =>
    createLoginRecords({ store, sealed: sealedStore(store, ring), idleMs: IDLE_MS, now: () => clock.now(), log: silent })
  const tokens = {
    accessToken: new Secret('the-access-token'),
    accessExpiresAt: clock.now() + 1,
    idToken: undefined,
    idExpiresAt: undefined,
    refreshToken: new Secret('the-refresh-token'),
    obtainedAt: clock.now(),
  }
  const record = newRecord({ principal: principalOf({ subject: 'alice' }), shown: {}, sid: undefined, tokens }, clock.now(), ABSOLUTE_MS)
  return { clock, store, open, tokens, record }
}

test('nothing of a login lies in the store in clear', async () => {
  const { store, open, record, tokens } = setStage()
  await open().create('l1', record, tokens)
  for (const key of ['login:l1', 'tokens:l1']) {
    const text = Buffer.from((await store.get(key))?.value ?? assert.fail(key)).toString('latin1')
    assert.doesNotMatch(text, /alice|issuer|token/)
  }
})

test('a login whose blobs were swapped for those of another is not believed', async () => {
  const { store, open, record, tokens } = setStage()
  const records = open()
  await records.create('l1', record, tokens)
  await records.create('l2', { ...record, principal: principalOf({ subject: 'admin' }) }, tokens)
  for (const kind of ['login', 'tokens']) {
    const theirs = (await store.take(`${kind}:l2`)) ?? assert.fail(kind)
    await store.delete(`${kind}:l1`)
    await store.put(`${kind}:l1`, theirs.value, { ifVersion: 0, ttlMs: 60_000 })
  }
  assert.equal(await records.record('l1'), undefined)
  assert.equal(await records.tokens('l1'), undefined)
})

test('a login sealed under a key that is gone is not believed', async () => {
  const { open, record, tokens } = setStage()
  await open().create('l1', record, tokens)
  assert.equal(await open().record('l1'), undefined)
})

test('of two who replace the same version one succeeds', async () => {
  const { open, record, tokens } = setStage()
  const records = open()
  await records.create('l1', record, tokens)
  const both = await Promise.all([records.replace('l1', record, 1), records.replace('l1', record, 1)])
  assert.deepEqual(both, [true, false])
})

test('a login never outlives its absolute end, however late it is written', async () => {
  const { clock, open, record, tokens } = setStage()
  const records = open()
  await records.create('l1', record, tokens)
  while (clock.now() < record.endsAt - IDLE_MS / 2) {
    await clock.advance(IDLE_MS / 2)
    assert.equal(await records.touch('l1', record.endsAt), true)
  }
  const version = (await records.record('l1'))?.version ?? 0
  await records.replace('l1', record, version)
  await records.replaceTokens('l1', tokens, 1, record.endsAt)
  assert.equal(await records.active(), 1)
  await clock.advance(record.endsAt - clock.now() + 1)
  assert.equal(await records.record('l1'), undefined)
  assert.equal(await records.touch('l1', record.endsAt), false)
  assert.equal(await records.active(), 0)
})

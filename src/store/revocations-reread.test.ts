/** The log may be robbed by whoever can write to the store: an entry goes, and head and epoch stay. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createLog } from '../log.ts'
import type { LogEntry, Store } from './store.ts'
import { twoReplicas } from './two-replicas.fake.ts'

test('a revocation that somebody takes out of the log is written again within a minute, and nothing else is', async (t) => {
  const lines: string[] = []
  const { clock, memory, make, a, logout, alice } = await twoReplicas(t, { log: createLog((line) => lines.push(line)) })
  const { issuer, subject } = alice
  await a.revoke(logout)
  await a.revoke({ kind: 'principal', issuer, subject, notBefore: clock.now() })
  await clock.advance(61_000)
  assert.deepEqual(lines, [])
  // The first entry is gone; head and epoch stay.
  let taken = true
  const hide = ({ sequence }: LogEntry) => !(taken && sequence === 1)
  const robbed: Store = {
    ...memory,
    read: async (...args) => {
      const page = await memory.read(...args)
      return { ...page, entries: page.entries.filter(hide) }
    },
  }
  const witness = make(robbed)
  taken = false
  await witness.start()
  taken = true
  await clock.advance(61_000)
  assert.equal(lines.length, 1)
  assert.match(lines.join(''), /lost revocations.*"revocations":1/)
  await clock.advance(120_000)
  assert.equal(lines.length, 1)
  const late = make(robbed)
  await late.start()
  assert.ok(late.check({ ...alice, subject: 'x', sid: undefined }))
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createFakeClock } from '../clock.fake.ts'
import { Refusal } from '../errors.ts'
import { StoreUnavailable } from '../store/store.ts'
import { createLoginSignals } from './login-signals.ts'

test('only a revocation or its own end is the end of a login; blindness and a full table say that it cannot be told here', async () => {
  const clock = createFakeClock()
  const ends = new Map<string, (why: 'revoked' | 'blind') => void>()
  const signals = createLoginSignals({
    revocations: {
      watch({ loginId = '' }, end) {
        ends.set(loginId, end)
        return () => void ends.delete(loginId)
      },
    },
    clock,
    streamsMs: 1_000,
    most: 3,
    ended: () => undefined,
  })
  const of = (loginId: string, lifeMs = 60_000) =>
    signals.of({ loginId, issuer: 'https://issuer.example', subject: 'alice', issuedAt: clock.now() }, clock.now() + lifeMs)
  const [revoked, blind] = [of('revoked'), of('blind')]
  ends.get('revoked')?.('revoked')
  ends.get('blind')?.('blind')
  const [over, evicted, released] = [of('over', 5_000), of('evicted'), of('released')]
  signals.of({ loginId: 'over', issuer: 'https://issuer.example', subject: 'alice', issuedAt: 0 }, 0)
  of('more')
  signals.release('released')
  await clock.advance(5_000)
  for (const signal of [revoked, over]) {
    assert.ok(signal.aborted)
    assert.ok(!(signal.reason instanceof Refusal) && !(signal.reason instanceof StoreUnavailable))
  }
  assert.ok(blind.reason instanceof StoreUnavailable)
  for (const signal of [evicted, released]) assert.equal((signal.reason as Refusal).code, 'shutting_down')
})

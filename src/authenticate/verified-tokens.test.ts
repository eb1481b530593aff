import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createFakeClock } from '../clock.fake.ts'
import { Refusal } from '../errors.ts'
import type { RefusalCode } from '../refusal-codes.ts'
import { Secret } from '../secret.ts'
import { StoreUnavailable } from '../store/store.ts'
import { type BearerSubject, createVerifiedTokens, type VerifiedCaller, type VerifiedTokensOptions } from './verified-tokens.ts'

const HOUR = 3_600_000

function stage(limits: Partial<VerifiedTokensOptions> = {}) {
  const clock = createFakeClock()
  const watching = new Map<(why: 'revoked' | 'blind') => void, BearerSubject>()
  const tokens = createVerifiedTokens({
    clock,
    streamsMaxAgeMs: HOUR,
    revocations: {
      blind: false,
      check: () => false,
      watch(subject, end) {
        watching.set(end, subject)
        return () => void watching.delete(end)
      },
    },
    ...limits,
  })
  const revoke = (subject: string, why: 'revoked' | 'blind' = 'revoked') => {
    for (const [end, watched] of [...watching]) if (watched.subject === subject) end(why)
  }
  const make =
    (digest: string, lifeMs = 300_000, subject = digest) =>
    (ended: AbortSignal): VerifiedCaller => {
      const expiresAt = clock.now() + lifeMs
      const principal = { kind: 'person', provider: 'test', issuer: 'https://issuer.example', subject, groups: [] } as const
      const proof = { kind: 'bearer', token: new Secret(digest), digest, audiences: [], scopes: [], expiresAt } as const
      return { caller: { principal, proof, ended }, subject: { issuer: principal.issuer, subject, issuedAt: clock.now() }, expiresAt }
    }
  return { clock, tokens, watching, revoke, make }
}

test('a token that expired is not found, to the millisecond and without leeway, and its streams go on', async () => {
  const { tokens, make, clock } = stage()
  const { caller } = tokens.keep('a', make('a'))
  await clock.advance(299_999)
  assert.equal((tokens.find('a') as VerifiedCaller).caller, caller)
  await clock.advance(1)
  assert.equal(tokens.find('a'), undefined)
  assert.equal(caller.ended.aborted, false)
})

test('a revoked caller is ended and forgotten at once, also after its token expired', async () => {
  const { tokens, make, clock, revoke } = stage()
  const [early, late] = [tokens.keep('early', make('early')), tokens.keep('late', make('late'))]
  revoke('early')
  assert.equal(early.caller.ended.aborted, true)
  assert.equal(tokens.find('early'), undefined)
  await clock.advance(HOUR)
  revoke('late')
  assert.equal(late.caller.ended.aborted, true)
})

test('a caller that was pushed out of the cache is still ended by a revocation', () => {
  const { tokens, make, revoke } = stage({ most: 2 })
  const first = tokens.keep('first', make('first'))
  for (const digest of ['b', 'c', 'd']) tokens.keep(digest, make(digest))
  assert.equal(tokens.find('first'), undefined)
  assert.equal(first.caller.ended.aborted, false)
  const again = tokens.keep('first', make('first'))
  assert.equal(again.caller.ended, first.caller.ended)
  revoke('first')
  assert.equal(first.caller.ended.aborted, true)
  assert.equal(tokens.find('first'), undefined)
})

test('too many watches end the one that was needed longest ago, never in silence', () => {
  const { tokens, make, watching } = stage({ most: 10, mostWatches: 2 })
  const callers = ['a', 'b'].map((digest) => tokens.keep(digest, make(digest)))
  tokens.find('a')
  tokens.keep('c', make('c'))
  assert.deepEqual(
    callers.map(({ caller }) => caller.ended.aborted),
    [false, true],
  )
  assert.equal(tokens.find('b'), undefined)
  assert.equal(watching.size, 2)
})

test('a watch is given up when no stream can be left, and nothing piles up', async () => {
  const { tokens, make, clock, watching } = stage()
  for (let index = 0; index < 100; index++) tokens.keep(`old-${index}`, make(`old-${index}`))
  await clock.advance(300_000 + 30_000 + HOUR - 1)
  tokens.keep('one', make('one'))
  assert.equal(watching.size, 101)
  await clock.advance(60_000)
  tokens.keep('two', make('two'))
  assert.equal(watching.size, 2)
})

test('of two verifications of one token at once the first caller is kept', () => {
  const { tokens, make, watching } = stage()
  const first = tokens.keep('a', make('a'))
  assert.equal(tokens.keep('a', make('a')), first)
  assert.equal(watching.size, 1)
})

test('refusals of the token itself are remembered for 5 s, those that time or an outage may lift never', async () => {
  const { tokens, clock } = stage()
  const lasting: RefusalCode[] = ['token_signature_invalid', 'token_malformed', 'token_audience_wrong']
  const passing: RefusalCode[] = [
    'token_key_unknown',
    'issuer_unavailable',
    'store_unavailable',
    'token_not_yet_valid',
    'token_revoked',
    'fault',
  ]
  for (const code of [...lasting, ...passing]) tokens.refuse(code, new Refusal(code))
  for (const code of lasting) assert.equal((tokens.find(code) as Refusal).code, code)
  for (const code of passing) assert.equal(tokens.find(code), undefined)
  await clock.advance(5_000)
  for (const code of lasting) assert.equal(tokens.find(code), undefined)
})

test('refusals are bounded', () => {
  const { tokens } = stage({ mostRefusals: 10 })
  for (let index = 0; index < 1_000; index++) tokens.refuse(`bad-${index}`, new Refusal('token_malformed'))
  assert.equal(tokens.find('bad-0'), undefined)
  assert.ok(tokens.find('bad-999') instanceof Refusal)
})

test('only a revocation is an end of the token; blindness, eviction and closing say that it cannot be told here', () => {
  const { tokens, make, revoke } = stage({ mostWatches: 3 })
  const [revoked, blind, evicted, kept, closed] = ['revoked', 'blind', 'evicted', 'kept', 'closed'].map((digest) => {
    const { ended } = tokens.keep(digest, make(digest)).caller
    if (digest === 'revoked') revoke(digest)
    if (digest === 'blind') revoke(digest, 'blind')
    return ended
  })
  tokens.keep('more', make('more'))
  tokens.close()
  assert.ok(revoked?.aborted && !(revoked.reason instanceof Refusal) && !(revoked.reason instanceof StoreUnavailable))
  assert.ok(blind?.reason instanceof StoreUnavailable)
  for (const signal of [evicted, kept, closed]) assert.ok(signal?.reason instanceof Refusal && signal.reason.code === 'shutting_down')
})

test('closing ends every caller', () => {
  const { tokens, make, watching } = stage()
  const { caller } = tokens.keep('a', make('a'))
  tokens.close()
  assert.deepEqual([caller.ended.aborted, watching.size], [true, 0])
})

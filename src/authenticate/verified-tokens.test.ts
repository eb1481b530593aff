import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { test } from 'node:test'
import { createFakeClock } from '../clock.fake.ts'
import { Refusal } from '../errors.ts'
import { loginCaller } from '../principal.fake.ts'
import type { RefusalCode } from '../refusal-codes.ts'
import { Secret } from '../secret.ts'
import { StoreUnavailable } from '../store/store.ts'
import {
  type BearerSubject,
  createVerifiedTokens,
  type Verified,
  type VerifiedCaller,
  type VerifiedTokensOptions,
} from './verified-tokens.ts'

const HOUR = 3_600_000

const ISSUER = 'https://issuer.example'
const [KEY, OTHER_KEY] = [generateKeyPairSync('ed25519').publicKey, generateKeyPairSync('ed25519').publicKey]

function stage(limits: Partial<VerifiedTokensOptions> = {}) {
  const clock = createFakeClock()
  const watching = new Map<(why: 'revoked' | 'blind') => void, BearerSubject>()
  const tokens = createVerifiedTokens({
    clock,
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
  const verified = (digest: string, { lifeMs = 300_000, subject = digest, issuer = ISSUER, key = KEY } = {}): Verified => {
    const until = clock.now() + lifeMs
    return {
      principal: { kind: 'person', provider: 'test', issuer, subject, groups: [] },
      proof: { kind: 'bearer', token: new Secret(digest), digest, audiences: [], scopes: [], expiresAt: until },
      subject: { issuer, subject, issuedAt: clock.now() },
      key,
      until,
    }
  }
  const keep = (digest: string, changes?: Parameters<typeof verified>[1]) => tokens.keep(digest, verified(digest, changes)).caller
  return { clock, tokens, watching, revoke, keep }
}

test('refuses nobody else their streams, however many tokens one machine shows that may do nothing', () => {
  const { tokens, keep, watching, revoke } = stage({ most: 100 })
  const [stream, idle] = [keep('stream'), keep('idle')]
  tokens.hold(stream)
  for (let index = 0; index < 10_000; index++) {
    const robot = keep(`robot-${index}`, { subject: 'robot' })
    tokens.hold(robot)
    tokens.release(robot)
  }
  assert.equal(stream.ended.aborted, false)
  assert.equal(watching.size, 101)
  // Nothing rested on it. Whoever had it in hand is told, and is not told that the token is bad.
  assert.ok(idle.ended.reason instanceof Refusal && idle.ended.reason.code === 'shutting_down')
  revoke('stream')
  assert.equal(stream.ended.aborted, true)
})

test('holds a caller that was pushed out until the last that rests on it is over, and not a moment longer', () => {
  const { tokens, keep, watching } = stage({ most: 1 })
  const caller = keep('a')
  tokens.hold(caller)
  tokens.hold(caller)
  keep('b')
  tokens.release(caller)
  assert.deepEqual([caller.ended.aborted, watching.size], [false, 2])
  tokens.release(caller)
  assert.deepEqual([caller.ended.aborted, watching.size], [true, 1])
  assert.notEqual(keep('a'), caller)
})

test('one that is kept stays, though nothing rests on it any more', () => {
  const { tokens, keep } = stage()
  const caller = keep('a')
  tokens.hold(caller)
  tokens.release(caller)
  assert.equal((tokens.find('a') as VerifiedCaller).caller, caller)
  assert.equal(caller.ended.aborted, false)
})

test('one that was pushed out and shown again stays as well, and is counted once', () => {
  const { tokens, keep, watching } = stage({ most: 1 })
  const caller = keep('a')
  tokens.hold(caller)
  keep('b')
  assert.equal(keep('a'), caller)
  tokens.release(caller)
  assert.deepEqual([caller.ended.aborted, watching.size], [false, 1])
  assert.equal((tokens.find('a') as VerifiedCaller).caller, caller)
  tokens.hold(caller)
  assert.equal(
    tokens.withdraw(ISSUER, () => false, new Refusal('token_key_unknown')),
    1,
  )
})

test('ends whom a key vouched for that was withdrawn, kept or held, and nobody of another key or another issuer', () => {
  const { tokens, keep } = stage({ most: 4 })
  const stream = keep('stream')
  tokens.hold(stream)
  const [known, newer, foreign] = [keep('known'), keep('newer', { key: OTHER_KEY }), keep('foreign', { issuer: 'https://other.example' })]
  keep('last', { key: OTHER_KEY })
  assert.equal(tokens.find('stream'), undefined)
  const asked: unknown[] = []
  const why = new Refusal('token_key_unknown')
  const stands = (key: typeof KEY) => {
    asked.push(key)
    return key !== KEY
  }
  assert.equal(tokens.withdraw(ISSUER, stands, why), 2)
  assert.deepEqual(new Set(asked).size, asked.length)
  assert.deepEqual([stream.ended.reason, known.ended.reason], [why, why])
  assert.deepEqual([newer.ended.aborted, foreign.ended.aborted], [false, false])
  assert.equal(tokens.find('known'), undefined)
  assert.equal(tokens.withdraw(ISSUER, stands, why), 0)
  tokens.release(stream)
})

test('a token that another key verified anew stands and falls with that one', async () => {
  const { tokens, keep, clock } = stage()
  const caller = keep('a')
  await clock.advance(300_000)
  assert.equal(keep('a', { key: OTHER_KEY }), caller)
  assert.equal(
    tokens.withdraw(ISSUER, (key) => key !== KEY, new Refusal('token_key_unknown')),
    0,
  )
  assert.equal(
    tokens.withdraw(ISSUER, (key) => key === KEY, new Refusal('token_key_unknown')),
    1,
  )
})

test('a token that expired is not found, to the millisecond and without leeway, and its streams go on', async () => {
  const { tokens, keep, clock } = stage()
  const caller = keep('a')
  await clock.advance(299_999)
  assert.equal((tokens.find('a') as VerifiedCaller).caller, caller)
  await clock.advance(1)
  assert.equal(tokens.find('a'), undefined)
  assert.equal(caller.ended.aborted, false)
})

test('a revoked caller is ended and forgotten at once, also after its token expired, for as long as something rests on it', async () => {
  const { tokens, keep, clock, revoke } = stage()
  const [early, late] = [keep('early'), keep('late')]
  revoke('early')
  assert.equal(early.ended.aborted, true)
  assert.equal(tokens.find('early'), undefined)
  tokens.hold(late)
  await clock.advance(24 * HOUR)
  keep('one')
  assert.equal(late.ended.aborted, false)
  revoke('late')
  assert.equal(late.ended.aborted, true)
})

test('a caller that was pushed out of the cache is still ended by a revocation, with those of before and after', () => {
  const { tokens, keep, revoke } = stage({ most: 2 })
  const first = keep('first')
  tokens.hold(first)
  for (const digest of ['b', 'c', 'd']) keep(digest)
  assert.equal(tokens.find('first'), undefined)
  assert.equal(first.ended.aborted, false)
  assert.equal(keep('first'), first)
  revoke('first')
  assert.equal(first.ended.aborted, true)
  assert.equal(tokens.find('first'), undefined)
})

test('too many callers push out the one that was needed longest ago, never in silence', () => {
  const { tokens, keep, watching } = stage({ most: 2 })
  const callers = ['a', 'b'].map((digest) => keep(digest))
  tokens.find('a')
  keep('c')
  assert.deepEqual(
    callers.map(({ ended }) => ended.aborted),
    [false, true],
  )
  assert.equal(tokens.find('b'), undefined)
  assert.equal(watching.size, 2)
})

test('a watch is given up when the token is over and nothing rests on it, within the leeway not, and nothing piles up', async () => {
  const { tokens, keep, clock, watching } = stage()
  const stream = keep('stream')
  tokens.hold(stream)
  for (let index = 0; index < 100; index++) keep(`old-${index}`)
  await clock.advance(300_000 + 29_999)
  keep('one')
  assert.equal(watching.size, 102)
  await clock.advance(1)
  // A few with each that is kept.
  for (const digest of ['two', 'three', 'four', 'five']) keep(digest)
  assert.equal(watching.size, 6)
  tokens.release(stream)
  assert.equal(watching.size, 5)
})

test('refuses to let one request sweep what many left: a few at a time, until all is gone', async () => {
  const { keep, clock, watching } = stage()
  for (let index = 0; index < 20_000; index++) keep(`old-${index}`)
  await clock.advance(HOUR)
  for (let index = 0; watching.size > index; index++) {
    const before = watching.size
    keep(`new-${index}`)
    assert.ok(watching.size >= before - 50)
    assert.ok(index < 1_000)
  }
})

test('a look for withdrawn keys asks about keys, not about tokens, and about one that fell not again', () => {
  const { tokens, keep } = stage()
  for (let index = 0; index < 1_000; index++) keep(`a-${index}`)
  keep('b', { key: OTHER_KEY })
  const asked: unknown[] = []
  const look = (fallen?: unknown) => {
    asked.length = 0
    const stands = (key: typeof KEY) => {
      asked.push(key)
      return key !== fallen
    }
    return tokens.withdraw(ISSUER, stands, new Refusal('token_key_unknown'))
  }
  assert.deepEqual([look(), asked], [0, [KEY, OTHER_KEY]])
  assert.deepEqual([look(KEY), look(), asked], [1_000, 0, [OTHER_KEY]])
  // Verified when it fell, and kept after it.
  keep('late')
  assert.deepEqual([look(KEY), asked], [1, [OTHER_KEY, KEY]])
})

test('of two verifications of one token at once the first caller is kept', () => {
  const { keep, watching } = stage()
  const first = keep('a')
  assert.equal(keep('a'), first)
  assert.equal(watching.size, 1)
})

test('refusals of the token itself are remembered for 5 s, those that time or an outage may lift never', async () => {
  const { tokens, clock } = stage()
  const lasting: RefusalCode[] = [
    'token_signature_invalid',
    'token_malformed',
    'token_algorithm_refused',
    'token_type_wrong',
    'token_issuer_unknown',
    'token_audience_wrong',
    'token_claims_invalid',
    'token_expired',
    'denied',
  ]
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
  const { tokens, keep, revoke } = stage({ most: 3 })
  const [revoked, blind, evicted, kept, held] = ['revoked', 'blind', 'evicted', 'kept', 'held'].map((digest) => {
    const caller = keep(digest)
    if (digest === 'revoked') revoke(digest)
    if (digest === 'blind') revoke(digest, 'blind')
    if (digest === 'held') tokens.hold(caller)
    return caller.ended
  })
  for (const digest of ['more', 'and', 'again']) keep(digest)
  assert.equal(held?.aborted, false)
  tokens.close()
  assert.ok(revoked?.aborted && !(revoked.reason instanceof Refusal) && !(revoked.reason instanceof StoreUnavailable))
  assert.ok(blind?.reason instanceof StoreUnavailable)
  for (const signal of [evicted, kept, held]) assert.ok(signal?.reason instanceof Refusal && signal.reason.code === 'shutting_down')
})

test('closing ends every caller', () => {
  const { tokens, keep, watching } = stage()
  const caller = keep('a')
  tokens.close()
  assert.deepEqual([caller.ended.aborted, watching.size], [true, 0])
})

test('others than its own callers are let be, and a caller is frozen to everybody else', () => {
  const { tokens, keep } = stage()
  const caller = keep('a')
  const copy = { ...caller }
  for (const other of [copy, loginCaller()]) {
    tokens.hold(other)
    tokens.release(other)
    assert.equal(other.ended.aborted, false)
  }
  assert.throws(() => Object.assign(caller, { principal: copy.principal }))
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createFakeClock } from '../clock.fake.ts'
import { bearerCredential } from '../credential.ts'
import { Refusal } from '../errors.ts'
import { bearerCaller, loginCaller } from '../principal.fake.ts'
import { Secret } from '../secret.ts'
import type { Assumption, Target } from './credential-source.ts'
import { patient } from './patient.ts'

const TARGET: Target = { id: 'route/reports', audience: 'reports', scopes: [] }
const CLIENT_REFUSED: Assumption = { result: 'unavailable', refusal: new Refusal('credential_unavailable') }
const REFUSED: Assumption = { result: 'refused', refusal: new Refusal('credential_not_offered') }

function stage(first: Assumption) {
  const clock = createFakeClock()
  const script = { answer: first, asked: 0 }
  const source = {
    async assume() {
      script.asked += 1
      return script.answer
    },
  }
  return { clock, script, source: patient(source, clock) }
}

test('what was refused is not asked again within a second, and is after it', async () => {
  const { clock, script, source } = stage(REFUSED)
  for (let i = 0; i < 5; i++) assert.equal(await source.assume(loginCaller(), TARGET), REFUSED)
  assert.equal(script.asked, 1)
  await clock.advance(1_000)
  await source.assume(loginCaller(), TARGET)
  assert.equal(script.asked, 2)
})

test('an issuer that said how long to wait is left alone for as long, and each caller is told what is left', async () => {
  const { clock, script, source } = stage({ result: 'too-many', retryAfterSeconds: 7 })
  await source.assume(loginCaller(), TARGET)
  await clock.advance(2_500)
  assert.deepEqual(await source.assume(loginCaller(), TARGET), { result: 'too-many', retryAfterSeconds: 5 })
  assert.equal(script.asked, 1)
  await clock.advance(4_500)
  await source.assume(loginCaller(), TARGET)
  assert.equal(script.asked, 2)
})

test('refuses nobody what a service was told that shows a token of theirs', async () => {
  const { script, source } = stage({ result: 'too-many', retryAfterSeconds: 3_600 })
  const actor = { kind: 'machine', provider: 'corp', issuer: 'https://issuer.example', subject: 'agent', groups: [] } as const
  await source.assume(bearerCaller('by-an-agent', { principal: { actor } }), TARGET)
  const others = [
    loginCaller(),
    bearerCaller('own'),
    bearerCaller('of-a-client', { proof: { client: 'service' } }),
    bearerCaller('by-another', { principal: { actor: { ...actor, subject: 'another' } } }),
    bearerCaller('of-another', { principal: { actor: { ...actor, issuer: 'https://other.example' } } }),
  ]
  script.answer = REFUSED
  for (const caller of others) assert.equal(await source.assume(caller, TARGET), REFUSED)
  assert.equal(script.asked, 1 + others.length)
})

test('one who has a new token for each request waits by whatever they show, half a minute at most, and nobody else does', async () => {
  const { clock, script, source } = stage({ result: 'too-many', retryAfterSeconds: 60 })
  const tooMany = (retryAfterSeconds: number) => ({ result: 'too-many', retryAfterSeconds })
  assert.deepEqual(await source.assume(bearerCaller('token-0'), TARGET), tooMany(60))
  for (let at = 1; at < 1_000; at++) assert.deepEqual(await source.assume(bearerCaller(`token-${at}`), TARGET), tooMany(30))
  assert.deepEqual(await source.assume(loginCaller(), TARGET), tooMany(30))
  assert.equal(script.asked, 1)
  const others = [{ subject: 'bob' }, { issuer: 'https://other.example' }, { provider: 'other' }]
  for (const principal of others) await source.assume(bearerCaller('of-another', { principal }), TARGET)
  await source.assume(bearerCaller('token-0'), { ...TARGET, id: 'route/other' })
  assert.equal(script.asked, 2 + others.length)
  await clock.advance(30_000)
  // The very token waits as long as was said of it.
  assert.deepEqual(await source.assume(bearerCaller('token-0'), TARGET), tooMany(30))
  assert.equal(script.asked, 2 + others.length)
  await source.assume(bearerCaller('one more'), TARGET)
  assert.equal(script.asked, 3 + others.length)
})

test('what somebody is told many times pushes no refusal of others out', async () => {
  const { script, source } = stage(REFUSED)
  const bob = loginCaller({ principal: { subject: 'bob' } })
  await source.assume(bob, TARGET)
  script.answer = { result: 'too-many', retryAfterSeconds: 60 }
  for (let at = 0; at < 10_001; at++) await source.assume(bearerCaller(`token-${at}`), TARGET)
  assert.equal(await source.assume(bob, TARGET), REFUSED)
  assert.equal(script.asked, 2)
})

test('nobody is refused for somebody else, for another proof of the same person, or for another target', async () => {
  const { script, source } = stage(REFUSED)
  await source.assume(loginCaller(), TARGET)
  const others = [
    [loginCaller({ principal: { subject: 'bob' } }), TARGET],
    [loginCaller({ proof: { loginId: 'login-2' } }), TARGET],
    [bearerCaller('a.b.c'), TARGET],
    [loginCaller(), { ...TARGET, resource: 'https://reports.example' }],
  ] as const
  for (const [caller, target] of others) await source.assume(caller, target)
  assert.equal(script.asked, 1 + others.length)
})

test('what cannot be told, and what was granted, is asked each time', async () => {
  const granted: Assumption = { result: 'granted', credential: bearerCredential(new Secret('token'), Date.UTC(2026, 0, 2)) }
  for (const answer of [{ result: 'unavailable', refusal: new Refusal('issuer_unavailable') } as const, granted]) {
    const { script, source } = stage(answer)
    for (let i = 0; i < 3; i++) assert.equal(await source.assume(loginCaller(), TARGET), answer)
    assert.equal(script.asked, 3)
  }
})

test('a target that refuses a credential (401) does not shorten the wait, whatever is kept', async () => {
  const credential = bearerCredential(new Secret('token'), Date.UTC(2026, 0, 2))
  for (const answer of [REFUSED, { result: 'too-many', retryAfterSeconds: 7 } as const, CLIENT_REFUSED]) {
    const { script, source } = stage(answer)
    await source.assume(loginCaller(), TARGET)
    for (let i = 0; i < 5; i++) {
      source.evict?.(loginCaller(), TARGET, credential)
      assert.equal((await source.assume(loginCaller(), TARGET)).result, answer.result)
    }
    assert.equal(script.asked, 1, answer.result)
  }
})

test('a person whom the issuer wants to see is not asked about again within a second; nobody else waits for them', async () => {
  const { clock, script, source } = stage({ result: 'needs-interaction', refusal: new Refusal('consent_needed') })
  for (let i = 0; i < 1_000; i++) assert.equal((await source.assume(loginCaller(), TARGET)).result, 'needs-interaction')
  assert.equal(script.asked, 1)
  await source.assume(loginCaller({ principal: { subject: 'bob' } }), TARGET)
  assert.equal(script.asked, 2)
  await clock.advance(1_000)
  await source.assume(loginCaller(), TARGET)
  assert.equal(script.asked, 3)
})

test("an issuer that does not take Mandate's client is left alone for a second by all callers, for that target", async () => {
  const { clock, script, source } = stage(CLIENT_REFUSED)
  const callers = Array.from({ length: 1_000 }, (_, at) => bearerCaller(`token-${at}`))
  for (const caller of callers) assert.equal(await source.assume(caller, TARGET), CLIENT_REFUSED)
  assert.equal(script.asked, 1)
  // Another target may be one for which it takes it, and another provider has another client.
  await source.assume(loginCaller(), { ...TARGET, id: 'route/other' })
  await source.assume(loginCaller({ principal: { provider: 'other' } }), TARGET)
  assert.equal(script.asked, 3)
  await clock.advance(1_000)
  await source.assume(bearerCaller('one more'), TARGET)
  assert.equal(script.asked, 4)
})

test('keeps no more than it may: the oldest refusal is forgotten first', async () => {
  const { script, source } = stage(REFUSED)
  const caller = (at: number) => loginCaller({ proof: { loginId: `login-${at}` } })
  for (let at = 0; at <= 10_000; at++) await source.assume(caller(at), TARGET)
  await source.assume(caller(1), TARGET)
  assert.equal(script.asked, 10_001)
  await source.assume(caller(0), TARGET)
  assert.equal(script.asked, 10_002)
})

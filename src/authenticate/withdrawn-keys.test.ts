import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createFakeClock } from '../clock.fake.ts'
import { Refusal } from '../errors.ts'
import { createDiscovery } from '../providers/discovery.ts'
import { createIssuerKeys } from '../providers/keys.ts'
import { accessClaims, assertRefused, mint, providerConfig, readableLog, type SignKey, signKey } from '../providers/stage.fake.ts'
import { Secret } from '../secret.ts'
import { createBearerAuthenticator } from './bearer-jwt.ts'
import { lookForWithdrawnKeys } from './withdrawn-keys.ts'

const MINUTE = 60_000
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR
const [ONE, TWO] = [signKey('ES256', 'one'), signKey('ES256', 'two')]

/** Issuers without a network: each publishes `keys`, answers as `answer` says, and counts how often it was asked. */
function issuer(name: string) {
  const url = `https://${name}.example`
  const published = { keys: [ONE, TWO] as readonly SignKey[], asked: 0, answer: undefined as (() => Promise<Response>) | undefined }
  const fetch = async (address: string): Promise<Response> => {
    if (address.endsWith('/jwks')) {
      published.asked += 1
      return published.answer?.() ?? Response.json({ keys: published.keys.map(({ jwk }) => jwk) })
    }
    return Response.json({ issuer: url, authorization_endpoint: url, token_endpoint: url, jwks_uri: `${url}/jwks` })
  }
  return { name, url, published, http: { fetch, close: async () => undefined } }
}

function stage(...names: readonly string[]) {
  const clock = createFakeClock()
  const log = readableLog()
  const issuers = (names.length === 0 ? ['issuer'] : names).map(issuer)
  const providers = issuers.map(({ name, url, http }) => {
    const config = { ...providerConfig(url), name }
    return { config, keys: createIssuerKeys(config, { discovery: createDiscovery(config, { http, clock, log }), http, clock, log }) }
  })
  const bearers = createBearerAuthenticator({
    providers,
    revocations: { blind: false, check: () => false, watch: () => () => undefined },
    clock,
    oldestMs: 32 * HOUR,
    observe: () => undefined,
  })
  const stop = lookForWithdrawnKeys({ providers, bearers, clock, log })
  const [first] = issuers
  assert.ok(first)
  const token = (key: SignKey = ONE, url = first.url) => {
    const exp = Math.floor(clock.now() / 1000) + 30 * 24 * 3600
    return mint(key, accessClaims(url, clock, { exp }), { typ: 'at+jwt' })
  }
  const show = (text: string) =>
    bearers.authenticate({
      method: 'GET',
      writes: false,
      cookie: undefined,
      authorization: new Secret(`Bearer ${text}`),
      self: 'https://mandate.example',
      origin: undefined,
      fetchSite: undefined,
    })
  const caller = async (text: string) => {
    const answer = await show(text)
    assert.ok(answer.result === 'authenticated', answer.result === 'rejected' ? answer.refusal.code : answer.result)
    return answer.caller
  }
  const rejects = async (text: string) => {
    const answer = await show(text)
    assert.ok(answer.result === 'rejected')
    assert.equal(answer.refusal.code, 'token_key_unknown')
  }
  return { ...first, issuers, clock, log, bearers, stop, token, caller, rejects, show }
}

const codeOf = ({ ended }: { ended: AbortSignal }) => ended.reason instanceof Refusal && ended.reason.code

test('refuses a token whose key was withdrawn, within 7 minutes, although nobody shows a token that is new', async () => {
  const { published, clock, token, caller, rejects, log } = stage()
  const [forged, good] = [token(ONE), token(TWO)]
  const [thief, honest] = [await caller(forged), await caller(good)]
  published.keys = [TWO]
  for (let minutes = 0; minutes < 5; minutes++) {
    await clock.advance(MINUTE)
    assert.equal(await caller(good), honest)
    assert.equal(thief.ended.aborted, false)
  }
  await clock.advance(MINUTE)
  // A stream by it ends as well, and hears why.
  assert.equal(codeOf(thief), 'token_key_unknown')
  await rejects(forged)
  assert.equal(await caller(good), honest)
  assert.equal(log.lines.length, 1)
  assert.match(log.lines[0] ?? '', /"provider":"issuer","reason":"token_key_unknown","tokens":1/)
})

test('ends no stream for one set of before a rotation, whichever of its nodes an issuer answers by', async () => {
  const { published, clock, token, caller } = stage()
  const stream = await caller(token(TWO))
  const [stale, current] = [{ keys: [ONE.jwk] }, { keys: [ONE.jwk, TWO.jwk] }]
  published.answer = async () => Response.json(published.asked % 2 === 0 ? stale : current)
  await clock.advance(DAY)
  assert.equal(stream.ended.aborted, false)
})

test('ends no stream for sets that others have fetched by tokens of unknown keys, however often', async () => {
  const { published, clock, token, caller, rejects } = stage()
  const stream = await caller(token(TWO))
  await clock.advance(MINUTE + 1)
  for (let half = 0; half < 60; half++) {
    published.keys = [ONE]
    await rejects(token(signKey('ES256', `unknown-${half}`)))
    published.keys = [ONE, TWO]
    await clock.advance(MINUTE / 2)
  }
  assert.ok(published.asked > 60)
  assert.equal(stream.ended.aborted, false)
})

test('refuses what was withdrawn no later for sets that a thief has fetched by tokens of unknown keys, nor for a fetch that failed', async () => {
  for (const failing of [false, true]) {
    const { published, clock, token, caller, rejects } = stage()
    const thief = await caller(token(ONE))
    published.keys = [TWO]
    await clock.advance(6 * MINUTE - 31_000)
    if (failing) published.answer = async () => new Response('', { status: 500 })
    else await rejects(token(signKey('ES256', 'unknown')))
    await clock.advance(31_000 + MINUTE / 2)
    published.answer = undefined
    await clock.advance((failing ? 3 : 2) * MINUTE)
    assert.equal(codeOf(thief), 'token_key_unknown')
  }
})

test('refuses what was kept in the moment in which its key went, one look later', async () => {
  const { published, clock, token, caller } = stage()
  await caller(token(TWO))
  const { promise, resolve } = Promise.withResolvers<Response>()
  published.answer = () => promise
  await clock.advance(5 * MINUTE)
  const thief = await caller(token(ONE))
  published.answer = undefined
  published.keys = [TWO]
  resolve(Response.json({ keys: [TWO.jwk] }))
  await clock.advance(2 * MINUTE)
  assert.equal(codeOf(thief), 'token_key_unknown')
})

test('looks at issuers one after the other, each once a minute', async () => {
  const { issuers, clock, token, caller } = stage('first', 'second', 'third')
  for (const { url } of issuers) await caller(token(ONE, url))
  for (const { published } of issuers) published.keys = [TWO]
  await clock.advance(4 * MINUTE)
  const asked: number[] = []
  for (let third = 0; third < 6; third++) {
    await clock.advance(MINUTE / 3)
    asked.push(issuers.reduce((sum, { published }) => sum + published.asked, 0))
  }
  assert.deepEqual(asked, [3, 3, 4, 5, 6, 7])
})

test('refuses a stream the rest of its age whose token is over and whose key was withdrawn', async () => {
  const { published, clock, token, caller, bearers } = stage()
  const thief = await caller(token(ONE))
  bearers.hold(thief)
  await clock.advance(33 * HOUR)
  await caller(token(TWO))
  published.keys = [TWO]
  await clock.advance(7 * MINUTE)
  assert.equal(codeOf(thief), 'token_key_unknown')
})

test('refuses the first token after a quiet time when its key was withdrawn meanwhile', async () => {
  const { published, clock, token, caller, rejects } = stage()
  await caller(token(TWO))
  published.keys = [TWO]
  await clock.advance(6 * MINUTE)
  await rejects(token(ONE))
})

test('a key that comes back under another kid, or is listed with others, was not withdrawn', async () => {
  const { published, clock, token, caller } = stage()
  const text = token()
  const known = await caller(text)
  published.keys = [TWO, { ...ONE, jwk: { ...ONE.jwk, kid: 'renamed' } }, signKey('ES256', 'three')]
  await clock.advance(HOUR)
  assert.equal(await caller(text), known)
})

test('a key that was gone and came back between two looks was not withdrawn', async () => {
  const { published, clock, token, caller, rejects } = stage()
  const text = token()
  const known = await caller(text)
  await clock.advance(MINUTE + 1)
  for (const keys of [[TWO], [ONE, TWO]]) {
    published.keys = keys
    // A key that is not known has the set fetched.
    await rejects(token(signKey('ES256', `unknown-${keys.length}`)))
    assert.equal(published.asked, keys.length + 1)
    // So soon that no look comes in between.
    if (keys.length === 1) await clock.advance(31_000)
  }
  await clock.advance(HOUR)
  assert.equal(await caller(text), known)
})

for (const [what, answer] of Object.entries({
  fails: async () => new Response('', { status: 500 }),
  'publishes an empty set': async () => Response.json({ keys: [] }),
  'publishes no key that verifies': async () => Response.json({ keys: [{ kty: 'oct', k: 'AAAA' }] }),
})) {
  test(`an issuer that ${what} withdraws nothing for a day; after it nobody can tell, and nobody is called unknown`, async () => {
    const { published, clock, token, caller, show } = stage()
    const text = token()
    const known = await caller(text)
    published.answer = answer
    await clock.advance(DAY - 2 * MINUTE)
    assert.equal(await caller(text), known)
    await clock.advance(3 * MINUTE)
    assert.equal(codeOf(known), 'issuer_unavailable')
    await assertRefused(show(text), 'issuer_unavailable')
    published.answer = undefined
    await clock.advance(2 * MINUTE)
    assert.notEqual(await caller(text), known)
  })
}

test('two issuers of the very same key are not mixed: what one withdraws stands at the other', async () => {
  const { issuers, clock, token, caller, rejects } = stage('first', 'second')
  const [first, second] = issuers
  assert.ok(first && second)
  const texts = [token(ONE, first.url), token(ONE, second.url)] as const
  const callers = [await caller(texts[0]), await caller(texts[1])] as const
  assert.deepEqual(
    callers.map(({ principal }) => principal.provider),
    ['first', 'second'],
  )
  first.published.keys = [TWO]
  await clock.advance(7 * MINUTE)
  await rejects(texts[0])
  assert.equal(await caller(texts[1]), callers[1])
})

test('an issuer that never answers does not keep the keys of another in force (promise 9)', async () => {
  const { issuers, clock, token, caller, rejects } = stage('hanging', 'other')
  const [hanging, other] = issuers
  assert.ok(hanging && other)
  const text = token(ONE, other.url)
  await caller(token(ONE, hanging.url))
  await caller(text)
  hanging.published.answer = () => new Promise(() => undefined)
  other.published.keys = [TWO]
  await clock.advance(7 * MINUTE)
  await rejects(text)
})

test('nobody is asked before the first need, then once in 5 minutes and not at all once it was stopped', async () => {
  const { published, clock, token, caller, stop } = stage()
  await clock.advance(HOUR)
  assert.equal(published.asked, 0)
  const text = token()
  await caller(text)
  await clock.advance(HOUR)
  assert.equal(published.asked, 13)
  stop()
  assert.equal(clock.pending, 0)
  await clock.advance(HOUR)
  assert.equal(published.asked, 13)
  assert.equal(clock.pending, 0)
  await caller(text)
})

test('a look that is under way at the stop ends nobody, and is the last', async () => {
  const { published, clock, token, caller, stop } = stage()
  const known = await caller(token())
  const { promise, resolve } = Promise.withResolvers<Response>()
  published.answer = () => promise
  await clock.advance(5 * MINUTE)
  assert.equal(published.asked, 2)
  stop()
  resolve(Response.json({ keys: [TWO.jwk] }))
  await clock.advance(HOUR)
  assert.equal(known.ended.aborted, false)
  assert.deepEqual([published.asked, clock.pending], [2, 0])
})

import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { type TestContext, test } from 'node:test'
import { createFakeClock } from '../clock.fake.ts'
import { createDiscovery } from './discovery.ts'
import { createIssuerHttp } from './issuer-http.ts'
import { createIssuerKeys, type IssuerKeys } from './keys.ts'
import { assertRefused, BAD_DAYS, providerConfig, readableLog, type SignKey, signKey, smallIssuer } from './stage.fake.ts'

async function stage(t: TestContext, keys: readonly SignKey[], changes: Readonly<Record<string, unknown>> = {}) {
  const issuer = await smallIssuer(t, keys)
  const clock = createFakeClock()
  const log = readableLog()
  const http = createIssuerHttp({ limits: { callMs: 1_500 } })
  t.after(() => http.close())
  const config = providerConfig(issuer.url, changes)
  const discovery = createDiscovery(config, { http, clock, log })
  return { issuer, clock, log, keys: createIssuerKeys(config, { discovery, http, clock, log }) }
}

async function publishedOnly(t: TestContext, jwk: object, alg = 'RS256'): Promise<Promise<unknown>> {
  const good = signKey('ES256', 'good')
  const { issuer, keys } = await stage(t, [])
  issuer.answer('/jwks', { keys: [good.jwk, jwk] })
  return assertRefused(keys.find({ kid: 'bad', alg }), 'token_key_unknown', JSON.stringify(jwk))
}

/** Settles what the network owes to work in the background. */
async function until(done: () => boolean): Promise<void> {
  for (let turn = 0; turn < 10_000 && !done(); turn++) await new Promise((resolve) => setTimeout(resolve, 2))
  assert.ok(done())
}

test('keys that must not verify are left out: private, short, weak, symmetric, for encryption, of another curve or algorithm', async (t) => {
  const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const short = generateKeyPairSync('rsa', { modulusLength: 1024 }).publicKey.export({ format: 'jwk' })
  const long = rsa.publicKey.export({ format: 'jwk' })
  const p384 = generateKeyPairSync('ec', { namedCurve: 'P-384' }).publicKey.export({ format: 'jwk' })
  await publishedOnly(t, { ...rsa.privateKey.export({ format: 'jwk' }), kid: 'bad' })
  await publishedOnly(t, { ...short, kid: 'bad' })
  await publishedOnly(t, { ...long, e: 'AQ', kid: 'bad' })
  await publishedOnly(t, { ...long, kid: 'bad', use: 'enc' })
  await publishedOnly(t, { ...long, kid: 'bad', key_ops: ['encrypt'] })
  await publishedOnly(t, { ...long, kid: 'bad', alg: 'PS256' })
  await publishedOnly(t, { ...long, kid: 'bad', alg: 'RSA-OAEP' })
  await publishedOnly(t, { ...long, kid: 7 })
  await publishedOnly(t, { ...long, n: 'not base64!', kid: 'bad' })
  await publishedOnly(t, { ...p384, kid: 'bad' }, 'ES256')
  await publishedOnly(t, { kty: 'oct', k: 'AAAA', kid: 'bad' })
  await publishedOnly(t, { ...signKey('EdDSA').jwk, kty: 'EC', kid: 'bad' }, 'EdDSA')
})

test('an algorithm that the provider does not allow is refused without a fetch', async (t) => {
  const key = signKey('ES256', 'one')
  const { keys, issuer } = await stage(t, [key], { algorithms: ['RS256', 'ES256'] })
  for (const alg of ['none', 'HS256', 'ES384', 'EdDSA', 'es256', ''])
    await assertRefused(keys.find({ kid: 'one', alg }), 'token_algorithm_refused')
  assert.equal(issuer.asked.length, 0)
})

test('a key is not used for an algorithm of another kind under its kid', async (t) => {
  const { keys } = await stage(t, [signKey('ES256', 'one'), signKey('RS256', 'two')])
  await assertRefused(keys.find({ kid: 'one', alg: 'RS256' }), 'token_key_unknown')
  await assertRefused(keys.find({ kid: 'two', alg: 'PS256' }), 'token_key_unknown')
})

test('without a kid a key is found only when it is the only one that fits', async (t) => {
  const [ec, rsa] = [signKey('ES256', 'one'), signKey('RS256', 'two')]
  const { keys } = await stage(t, [ec, rsa])
  assert.ok((await keys.find({ alg: 'ES256' })).equals(ec.publicKey))
  const two = await stage(t, [ec, signKey('ES256', 'three')])
  await assertRefused(two.keys.find({ alg: 'ES256' }), 'token_key_unknown')
})

test('two different keys of one kid are both left out; the same key twice counts once', async (t) => {
  const twice = signKey('ES256', 'twice')
  const { keys } = await stage(t, [signKey('ES256', 'same'), signKey('ES256', 'same'), twice, twice])
  await assertRefused(keys.find({ kid: 'same', alg: 'ES256' }), 'token_key_unknown')
  assert.ok((await keys.find({ kid: 'twice', alg: 'ES256' })).equals(twice.publicKey))
})

test('a kid on two keys is said to be ambiguous, once; what is listed twice, or for encryption besides, is not', async (t) => {
  const [one, twice] = [signKey('ES256', 'same'), signKey('ES256', 'same')]
  const { issuer, keys, log } = await stage(t, [signKey('ES256', 'good'), one, one, { ...twice, jwk: { ...twice.jwk, use: 'enc' } }])
  await keys.find({ kid: 'same', alg: 'ES256' })
  assert.deepEqual(log.lines, [])
  issuer.answer('/jwks', { keys: [signKey('ES256', 'good').jwk, one.jwk, twice.jwk, twice.jwk, null] })
  for (let again = 0; again < 2; again++) await keys.published(true)
  assert.equal(log.lines.length, 1)
  assert.match(log.lines[0] ?? '', /"reason":"ambiguous","kids":1/)
})

for (const [name, answer] of Object.entries(BAD_DAYS)) {
  test(`keys that are ${name}: issuer_unavailable at first, and good keys outlive it later`, async (t) => {
    const key = signKey('ES256', 'one')
    const { issuer, keys, clock, log } = await stage(t, [key])
    issuer.answer('/jwks', answer)
    await assertRefused(keys.find({ kid: 'one', alg: 'ES256' }), 'issuer_unavailable')
    assert.equal(keys.fetchedAt(), undefined)
    issuer.answer('/jwks', { keys: [key.jwk] })
    await clock.advance(2_000)
    await keys.find({ kid: 'one', alg: 'ES256' })
    issuer.answer('/jwks', answer)
    await clock.advance(400_000)
    const before = log.lines.length
    assert.ok((await keys.find({ kid: 'one', alg: 'ES256' })).equals(key.publicKey))
    await until(() => log.lines.length > before)
    assert.ok((await keys.find({ kid: 'one', alg: 'ES256' })).equals(key.publicKey))
    // Whether an unknown key is new cannot be told now.
    await assertRefused(keys.find({ kid: 'two', alg: 'ES256' }), 'issuer_unavailable')
    assert.doesNotMatch(log.lines.join(), /secret-content/)
  })
}

for (const [name, set] of Object.entries({
  'an empty set': { keys: [] },
  'no set': { keys: 'x' },
  'useless keys': { keys: [{ kty: 'oct', k: 'AAAA' }, null, 1] },
  'too many': { keys: Array.from({ length: 1_000 }, () => ({})) },
})) {
  test(`a refresh that brings ${name} keeps the good keys`, async (t) => {
    const key = signKey('ES256', 'one')
    const { issuer, keys, clock, log } = await stage(t, [key])
    await keys.find({ kid: 'one', alg: 'ES256' })
    issuer.answer('/jwks', set)
    await clock.advance(400_000)
    await keys.find({ kid: 'one', alg: 'ES256' })
    await until(() => log.lines.length > 0)
    assert.ok((await keys.find({ kid: 'one', alg: 'ES256' })).equals(key.publicKey))
  })
}

test('good keys are given up after a day without a good fetch', async (t) => {
  const { issuer, keys, clock } = await stage(t, [signKey('ES256', 'one')])
  const known = await keys.find({ kid: 'one', alg: 'ES256' })
  issuer.answer('/jwks', (response) => response.destroy())
  await clock.advance(86_399_999)
  assert.deepEqual(await keys.published(), [known])
  await clock.advance(1)
  await assertRefused(keys.published(), 'issuer_unavailable')
  await assertRefused(keys.find({ kid: 'one', alg: 'ES256' }), 'issuer_unavailable')
})

async function flood(keys: IssuerKeys, times: number, kid: (index: number) => string): Promise<void> {
  await Promise.all(
    Array.from({ length: times }, (_, index) => assertRefused(keys.find({ kid: kid(index), alg: 'ES256' }), 'token_key_unknown')),
  )
}

test('a flood of 1,000 unknown kids causes one fetch', async (t) => {
  const { issuer, keys, clock } = await stage(t, [signKey('ES256', 'one')])
  await flood(keys, 1_000, (index) => `cold-${index}`)
  assert.equal(issuer.count('/jwks'), 1)
  await flood(keys, 1_000, (index) => `warm-${index}`)
  assert.equal(issuer.count('/jwks'), 2)
  await clock.advance(29_999)
  await flood(keys, 100, (index) => `later-${index}`)
  assert.equal(issuer.count('/jwks'), 2)
  await clock.advance(1)
  await flood(keys, 100, (index) => `again-${index}`)
  assert.equal(issuer.count('/jwks'), 3)
})

test('a kid found unknown causes no other fetch for a minute', async (t) => {
  const { issuer, keys, clock } = await stage(t, [signKey('ES256', 'one')])
  await keys.find({ kid: 'one', alg: 'ES256' })
  await flood(keys, 1, () => 'bad')
  await clock.advance(31_000)
  await flood(keys, 1, () => 'bad')
  assert.equal(issuer.count('/jwks'), 2)
})

test('a new key is found at once, and one met during the cooldown at its end', async (t) => {
  const [first, second, third] = [signKey('ES256', 'one'), signKey('ES256', 'two'), signKey('ES256', 'three')]
  const { issuer, keys, clock } = await stage(t, [first])
  await keys.find({ kid: 'one', alg: 'ES256' })
  issuer.answer('/jwks', { keys: [first.jwk, second.jwk] })
  assert.ok((await keys.find({ kid: 'two', alg: 'ES256' })).equals(second.publicKey))
  issuer.answer('/jwks', { keys: [third.jwk] })
  await assertRefused(keys.find({ kid: 'three', alg: 'ES256' }), 'token_key_unknown')
  await clock.advance(30_000)
  assert.ok((await keys.find({ kid: 'three', alg: 'ES256' })).equals(third.publicKey))
  await assertRefused(keys.find({ kid: 'one', alg: 'ES256' }), 'token_key_unknown')
})

test('keys older than 5 minutes are fetched in the background and the caller does not wait', async (t) => {
  const { issuer, keys, clock } = await stage(t, [signKey('ES256', 'one')])
  await Promise.all(Array.from({ length: 20 }, () => keys.find({ kid: 'one', alg: 'ES256' })))
  assert.equal(issuer.count('/jwks'), 1)
  assert.equal(keys.fetchedAt(), clock.now())
  let release = () => {}
  issuer.answer('/jwks', (response) => {
    release = () => response.end('{"keys":[]}')
  })
  await clock.advance(300_000)
  await Promise.all(Array.from({ length: 20 }, () => keys.find({ kid: 'one', alg: 'ES256' })))
  await until(() => issuer.count('/jwks') === 2)
  release()
})

test('what is published now is fetched anew when it is older than 5 minutes, and the same key is the same object', async (t) => {
  const [first, second] = [signKey('ES256', 'one'), signKey('ES256', 'two')]
  const { issuer, keys, clock } = await stage(t, [first])
  const known = await keys.find({ kid: 'one', alg: 'ES256' })
  issuer.answer('/jwks', { keys: [second.jwk, { ...first.jwk, kid: 'renamed' }] })
  await clock.advance(299_999)
  assert.deepEqual([await keys.published(), issuer.count('/jwks')], [[known], 1])
  await clock.advance(1)
  const [newer, same] = await keys.published()
  assert.ok(newer?.equals(second.publicKey))
  assert.equal(same, known)
  issuer.answer('/jwks', { keys: [second.jwk] })
  clock.jump(-86_400_000)
  assert.deepEqual(await keys.published(), [newer])
})

test('issuer A failing harms not B', async (t) => {
  const [a, b] = [await stage(t, [signKey('ES256', 'one')]), await stage(t, [signKey('ES256', 'one')])]
  a.issuer.answer('/jwks', () => {})
  const failing = assertRefused(a.keys.find({ kid: 'one', alg: 'ES256' }), 'issuer_unavailable')
  await b.keys.find({ kid: 'one', alg: 'ES256' })
  await failing
})

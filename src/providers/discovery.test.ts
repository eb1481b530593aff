import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { createFakeClock } from '../clock.fake.ts'
import { createDiscovery } from './discovery.ts'
import { createIssuerHttp, type IssuerHttp } from './issuer-http.ts'
import { assertRefused, BAD_DAYS, providerConfig, readableLog, smallIssuer } from './stage.fake.ts'

const METADATA = '/.well-known/openid-configuration'

async function stage(t: TestContext) {
  const issuer = await smallIssuer(t)
  const clock = createFakeClock()
  const log = readableLog()
  const http = createIssuerHttp({ limits: { callMs: 1_500 } })
  t.after(() => http.close())
  const discovery = createDiscovery(providerConfig(issuer.url), { http, clock, log })
  return {
    issuer,
    clock,
    log,
    discovery,
    good: {
      issuer: issuer.url,
      authorization_endpoint: `${issuer.url}/auth`,
      token_endpoint: `${issuer.url}/token`,
      jwks_uri: `${issuer.url}/jwks`,
    },
  }
}

for (const [name, answer] of Object.entries(BAD_DAYS)) {
  test(`metadata that is ${name} is refused, and logged by reason alone`, async (t) => {
    const { issuer, discovery, log } = await stage(t)
    issuer.answer(METADATA, answer)
    await assertRefused(discovery.metadata(), 'issuer_unavailable')
    assert.equal(await discovery.live(), false)
    assert.equal(log.lines.length, 1)
    assert.match(log.lines[0] ?? '', /"provider":"test","reason":"[a-z_0-9]+"/)
    assert.doesNotMatch(log.lines.join(), /secret-content/)
    assert.equal(issuer.asked.length, 1)
  })
}

test('metadata of another issuer is refused, to the letter', async (t) => {
  const { issuer, discovery, clock, good } = await stage(t)
  for (const other of [`${issuer.url}/`, issuer.url.toUpperCase(), 'https://evil.example', undefined, [issuer.url]]) {
    issuer.answer(METADATA, { ...good, issuer: other })
    await assertRefused(discovery.metadata(), 'issuer_unavailable', String(other))
    await clock.advance(30_000)
  }
})

test('an endpoint that is missing, not text, or plain http to another machine refuses the metadata', async (t) => {
  const { issuer, discovery, clock, good } = await stage(t)
  for (const change of [
    { jwks_uri: undefined },
    { token_endpoint: undefined },
    { token_endpoint: 'http://issuer.example/token' },
    { jwks_uri: ['https://a.example'] },
    { end_session_endpoint: 'javascript:alert(1)' },
    { revocation_endpoint: 'https://user:pass@a.example' },
  ]) {
    issuer.answer(METADATA, { ...good, ...change })
    await assertRefused(discovery.metadata(), 'issuer_unavailable', JSON.stringify(change))
    await clock.advance(30_000)
  }
})

test('an issuer of the network may not name endpoints on this machine', async () => {
  const issuer = 'https://issuer.example'
  const at = (host: string) => ({
    issuer,
    authorization_endpoint: `${issuer}/auth`,
    token_endpoint: `${host}/token`,
    jwks_uri: `${issuer}/jwks`,
  })
  const found = (answer: object) => {
    const body = Buffer.from(JSON.stringify(answer))
    const http: IssuerHttp = {
      fetch: async () => new Response(body, { headers: { 'content-type': 'application/json' } }),
      close: async () => undefined,
    }
    return createDiscovery(providerConfig(issuer), { http, clock: createFakeClock(), log: readableLog() }).metadata()
  }
  assert.equal((await found(at(issuer))).token_endpoint, `${issuer}/token`)
  for (const host of ['http://127.0.0.1:8080', 'http://localhost', 'http://[::1]:9090'])
    await assertRefused(found(at(host)), 'issuer_unavailable', host)
})

test('a failure is remembered for 2 s growing to 30 s, so an issuer that is down is not hammered', async (t) => {
  const { issuer, discovery, clock } = await stage(t)
  issuer.answer(METADATA, (response) => response.writeHead(503).end())
  const waits = [2, 4, 8, 16, 30, 30]
  await assertRefused(discovery.metadata(), 'issuer_unavailable')
  for (const [index, seconds] of waits.entries()) {
    await clock.advance(seconds * 1000 - 1)
    await assertRefused(discovery.metadata(), 'issuer_unavailable')
    assert.equal(issuer.count(METADATA), index + 1)
    await clock.advance(1)
    await assertRefused(discovery.metadata(), 'issuer_unavailable')
    assert.equal(issuer.count(METADATA), index + 2)
  }
})

test('good metadata outlives failed refreshes, and nobody waits for them', async (t) => {
  const { issuer, discovery, clock } = await stage(t)
  const good = await discovery.metadata()
  issuer.answer(METADATA, () => {})
  await clock.advance(700_000)
  assert.equal(await discovery.metadata(), good)
  assert.equal(await discovery.metadata(), good)
  assert.equal(await discovery.live(), true)
})

test('nothing is fetched before the first need, and many first readers share one fetch', async (t) => {
  const { issuer, discovery } = await stage(t)
  assert.equal(issuer.asked.length, 0)
  await Promise.all(Array.from({ length: 50 }, () => discovery.metadata()))
  assert.equal(issuer.count(METADATA), 1)
})

test('only members that are used are taken over', async (t) => {
  const { issuer, discovery, good } = await stage(t)
  issuer.answer(METADATA, {
    ...good,
    mtls_endpoint_aliases: { token_endpoint: 'https://evil.example' },
    __proto__: {},
    userinfo_endpoint: 'http://evil.example',
  })
  assert.deepEqual({ ...(await discovery.metadata()) }, good)
})

import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { type Issuer, startIssuer } from '../../src/dev/issuer/issuer.ts'
import { createBrowser } from './browser.ts'
import { type FaultyIssuer, startFaultyIssuer } from './faulty-issuer.ts'

const BATCH = { id: 'batch', secret: 'the-secret-of-the-batch-job' }

async function stage(t: TestContext): Promise<{ proxy: FaultyIssuer; issuer: Issuer }> {
  const proxy = await startFaultyIssuer()
  const issuer = await startIssuer({
    issuerUrl: proxy.url,
    users: [],
    clients: [{ ...BATCH, machine: true }],
    audience: 'https://mandate.test/api',
    signingAlg: 'ES256',
  })
  proxy.setTarget(issuer.listening)
  t.after(() => Promise.all([proxy.close(), issuer.close()]))
  return { proxy, issuer }
}

const browser = createBrowser()
const discovery = (proxy: FaultyIssuer) => browser.get(`${proxy.url}/.well-known/openid-configuration`)

function token(proxy: FaultyIssuer) {
  const authorization = `Basic ${Buffer.from(`${BATCH.id}:${BATCH.secret}`).toString('base64')}`
  return browser.post(`${proxy.url}/token`, { grant_type: 'client_credentials' }, { authorization, accept: 'application/json' })
}

test("without faults the issuer behind announces the proxy's URL and answers through it", async (t) => {
  const { proxy, issuer } = await stage(t)
  assert.equal(issuer.issuer, proxy.url)
  const answer = JSON.parse((await discovery(proxy)).body)
  assert.deepEqual([answer.issuer, answer.jwks_uri], [proxy.url, `${proxy.url}/jwks`])
  assert.equal((await token(proxy)).status, 200)
  assert.deepEqual([proxy.requests().discovery, proxy.requests().token], [1, 1])
})

test('each fault shows at its own endpoint only, and heals', async (t) => {
  const { proxy } = await stage(t)
  proxy.inject('token', { kind: 'status', status: 429, retryAfter: '7' })
  const limited = await token(proxy)
  assert.deepEqual([limited.status, limited.headers['retry-after']], [429, '7'])
  assert.equal((await discovery(proxy)).status, 200)

  proxy.inject('discovery', { kind: 'html' })
  assert.match((await discovery(proxy)).body, /^<h1>/)
  proxy.inject('discovery', { kind: 'redirect', location: `${proxy.url}/elsewhere` })
  assert.equal((await discovery(proxy)).status, 302)
  proxy.inject('discovery', { kind: 'content-type', contentType: 'text/plain' })
  assert.equal((await discovery(proxy)).headers['content-type'], 'text/plain')
  proxy.inject('discovery', { kind: 'huge-body', bytes: 3_000_000 })
  assert.equal((await discovery(proxy)).body.length, 3_000_000)
  proxy.inject('discovery', { kind: 'rewrite', rewrite: (answer) => ({ ...answer, issuer: 'https://evil.test' }) })
  assert.equal(JSON.parse((await discovery(proxy)).body).issuer, 'https://evil.test')
  proxy.inject('discovery', { kind: 'slow', ms: 30 })
  assert.equal((await discovery(proxy)).status, 200)

  proxy.heal()
  assert.equal((await token(proxy)).status, 200)
  assert.equal(proxy.requests().other, 0)
})

test('resets, half answers and refused connections are seen as such; a lost answer has reached the issuer', async (t) => {
  const { proxy, issuer } = await stage(t)
  proxy.inject('all', { kind: 'reset', times: 1 })
  await assert.rejects(token(proxy), { code: 'ECONNRESET' })
  assert.equal(issuer.requests().token, 0)
  proxy.inject('token', { kind: 'lost-answer', times: 1 })
  await assert.rejects(token(proxy), { code: 'ECONNRESET' })
  assert.equal(issuer.requests().token, 1)
  proxy.inject('token', { kind: 'half-body', times: 1 })
  await assert.rejects(token(proxy), { code: 'ECONNRESET' })
  assert.equal((await token(proxy)).status, 200)

  await proxy.refuse()
  await assert.rejects(token(proxy), { code: 'ECONNREFUSED' })
  await proxy.accept()
  assert.equal((await token(proxy)).status, 200)
})

test('a hanging endpoint answers never, and does not keep the proxy from closing', async (t) => {
  const { proxy } = await stage(t)
  proxy.inject('jwks', { kind: 'hang' })
  await assert.rejects(createBrowser({ timeout: 50 }).get(`${proxy.url}/jwks`), { name: 'AbortError' })
})

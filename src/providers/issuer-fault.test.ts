import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer as createHttpsServer } from 'node:https'
import { createServer, type Server } from 'node:net'
import { type TestContext, test } from 'node:test'
import { createFakeClock } from '../clock.fake.ts'
import { createCertificateAuthority } from '../dev/certificate-authority.ts'
import { createDiscovery } from './discovery.ts'
import { faultOf } from './issuer-fault.ts'
import { createIssuerHttp, IssuerCallFailed } from './issuer-http.ts'
import { publicAddress } from './public-address.ts'
import { assertRefused, providerConfig, readableLog, smallIssuer } from './stage.fake.ts'

const METADATA = '/.well-known/openid-configuration'

async function listening(t: TestContext, server: Server): Promise<number> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => server.close())
  const address = server.address()
  assert.ok(typeof address === 'object' && address !== null)
  return address.port
}

/** What is logged of an issuer whose metadata cannot be had. */
async function logged(t: TestContext, issuer: string): Promise<Record<string, unknown>> {
  const http = createIssuerHttp()
  t.after(() => http.close())
  const log = readableLog()
  await assertRefused(createDiscovery(providerConfig(issuer), { http, clock: createFakeClock(), log }).metadata(), 'issuer_unavailable')
  assert.equal(log.lines.length, 1)
  const { time, level, message, ...fields } = JSON.parse(log.lines[0] ?? '') as Record<string, unknown>
  assert.deepEqual([typeof time, level, message], ['string', 'warn', 'metadata of an issuer cannot be had'])
  return fields
}

test('a refused connection, an unknown host, an untrusted certificate and TLS to a plain port are told apart, and where', async (t) => {
  const gone = createServer()
  const port = await listening(t, gone)
  gone.close()
  await once(gone, 'close')
  const leaf = await (await createCertificateAuthority('Stranger')).issue({ commonName: 'issuer', dnsNames: ['localhost'] })
  const strange = await listening(t, createHttpsServer({ cert: leaf.certificatePem, key: leaf.privateKeyPem }))
  const plain = await listening(
    t,
    createServer((socket) => socket.on('error', () => undefined).end('HTTP/1.1 400 Bad Request\r\n\r\n')),
  )
  for (const [issuer, code] of [
    [`http://127.0.0.1:${port}`, /^ECONNREFUSED$/],
    ['https://issuer.invalid', /^(ENOTFOUND|EAI_AGAIN)$/],
    [`https://localhost:${strange}`, /^(UNABLE_TO_VERIFY_LEAF_SIGNATURE|SELF_SIGNED_CERT_IN_CHAIN|UNABLE_TO_GET_ISSUER_CERT_LOCALLY)$/],
    [`https://127.0.0.1:${plain}`, /^ERR_SSL_/],
  ] as const) {
    const { code: found, ...rest } = await logged(t, issuer)
    assert.deepEqual(rest, { provider: 'test', reason: 'not_connected', url: `${issuer}${METADATA}` })
    assert.match(String(found), code)
  }
})

test('an answer that is none is logged with its address', async (t) => {
  const issuer = await smallIssuer(t)
  issuer.answer(METADATA, (response) => response.writeHead(404).end())
  assert.deepEqual(await logged(t, issuer.url), { provider: 'test', reason: 'status_404', url: `${issuer.url}${METADATA}` })
})

test('an endpoint that is missing or insecure is named, and what it was is not repeated', async (t) => {
  const issuer = await smallIssuer(t)
  const good = { issuer: issuer.url, authorization_endpoint: `${issuer.url}/auth`, jwks_uri: `${issuer.url}/jwks` }
  const at = { provider: 'test', url: `${issuer.url}${METADATA}`, endpoint: 'token_endpoint' }
  issuer.answer(METADATA, good)
  assert.deepEqual(await logged(t, issuer.url), { ...at, reason: 'endpoint_missing' })
  issuer.answer(METADATA, { ...good, token_endpoint: 'http://issuer.example/token' })
  assert.deepEqual(await logged(t, issuer.url), { ...at, reason: 'endpoint_insecure' })
})

test('another issuer is logged with the configured and the found one, to the letter, bounded, and without a password', async (t) => {
  const issuer = await smallIssuer(t)
  for (const [given, found] of [
    [`${issuer.url}/`, `${issuer.url}/`],
    ['https://login.example/{tenantid}/v2.0', 'https://login.example/{tenantid}/v2.0'],
    ['https://user:secret@login.example/?a=secret', 'https://login.example/'],
    [`https://long.example/${'x'.repeat(5_000)}`, `https://long.example/${'x'.repeat(235)}...`],
    ['\u001b[31msecret', 'not an address'],
    ['', 'not an address'],
    [undefined, 'none'],
    [[issuer.url], 'not an address'],
  ] as const) {
    issuer.answer(METADATA, { issuer: given })
    const url = `${issuer.url}${METADATA}`
    assert.deepEqual(await logged(t, issuer.url), { provider: 'test', reason: 'wrong_issuer', url, configured: issuer.url, found })
  }
})

test('an address loses what may be secret in it, and a text that is none is not shown', () => {
  for (const [text, shown] of [
    ['https://a.example/path/', 'https://a.example/path/'],
    ['https://a.example/path?token=secret', 'https://a.example/path'],
    ['https://a.example#secret', 'https://a.example'],
    ['https://user:secret@a.example/b', 'https://a.example/b'],
    ['https:user:secret@a.example', 'https://a.example'],
    ['https:\\\\user:secret@a.example', 'https://a.example'],
    ['https://user:se@cret@a.example', 'https://a.example'],
    ['https://a.example/@b', 'not an address'],
    ['https://user:pa?secret@a.example/', 'not an address'],
    ['https://user:pa#secret@a.example/', 'not an address'],
    ['https://user:pa/secret@a.example/', 'not an address'],
    ['https:\n//user:secret@a.example', 'not an address'],
    ['secret \u202e', 'not an address'],
  ] as const)
    assert.equal(publicAddress(text), shown)
})

test('a code is shown only in the form that codes have', () => {
  for (const [code, shown] of [
    ['ECONNREFUSED', { code: 'ECONNREFUSED' }],
    ['ERR_SSL_WRONG_VERSION_NUMBER', { code: 'ERR_SSL_WRONG_VERSION_NUMBER' }],
    ['a secret', {}],
    ['A'.repeat(65), {}],
    ['', {}],
  ] as const)
    assert.deepEqual(faultOf(new IssuerCallFailed('not_connected', false, { code })), { reason: 'not_connected', ...shown })
  assert.deepEqual(faultOf(new Error('secret')), { reason: 'fault' })
})

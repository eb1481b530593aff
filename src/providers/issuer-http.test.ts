import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer as createHttpsServer } from 'node:https'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { createCertificateAuthority } from '../dev/certificate-authority.ts'
import { createIssuerHttp, IssuerCallFailed, type IssuerCallReason, type IssuerHttp, type IssuerHttpLimits } from './issuer-http.ts'
import { smallIssuer } from './stage.fake.ts'

function http(t: TestContext, limits: Partial<IssuerHttpLimits> = {}, ca?: string): IssuerHttp {
  const made = createIssuerHttp({ limits, ca: ca === undefined ? undefined : { file: ca } })
  t.after(() => made.close())
  return made
}

const POST = { method: 'POST', headers: { authorization: 'Basic c2VjcmV0' }, body: 'refresh_token=secret' }

async function fails(call: Promise<Response>, reason: IssuerCallReason, maybeSent: boolean): Promise<void> {
  await assert.rejects(call, (error) => {
    assert.ok(error instanceof IssuerCallFailed)
    assert.deepEqual([error.reason, error.maybeSent], [reason, maybeSent])
    assert.doesNotMatch(`${error.message} ${error.stack} ${JSON.stringify(error)}`, /secret|c2VjcmV0/)
    return true
  })
}

async function tlsServer(
  t: TestContext,
  authority: Awaited<ReturnType<typeof createCertificateAuthority>>,
): Promise<{ url: string; requests: () => number }> {
  const { certificatePem, privateKeyPem } = await authority.issue({ commonName: 'issuer', dnsNames: ['localhost'] })
  let requests = 0
  const server = createHttpsServer({ cert: certificatePem, key: privateKeyPem }, (_request, response) => {
    requests++
    response.end('{}')
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  const address = server.address()
  return { url: `https://localhost:${typeof address === 'object' ? address?.port : ''}/`, requests: () => requests }
}

test('an issuer whose certificate is not trusted gets nothing, even where the environment says not to verify', async (t) => {
  const server = await tlsServer(t, await createCertificateAuthority('Other'))
  const before = process.env['NODE_TLS_REJECT_UNAUTHORIZED']
  t.after(() => {
    if (before === undefined) delete process.env['NODE_TLS_REJECT_UNAUTHORIZED']
    else process.env['NODE_TLS_REJECT_UNAUTHORIZED'] = before
  })
  process.env['NODE_TLS_REJECT_UNAUTHORIZED'] = '0'
  for (const request of [POST, { method: 'GET', headers: {} }]) await fails(http(t).fetch(server.url, request), 'not_connected', false)
  assert.equal(server.requests(), 0)
})

test('plain http to another machine is refused before anything is sent', async (t) => {
  await fails(http(t).fetch('http://issuer.example/token', POST), 'address_refused', false)
  await fails(http(t).fetch('https://user:secret@issuer.example/token', POST), 'address_refused', false)
  await fails(http(t).fetch('file:///etc/passwd', POST), 'address_refused', false)
})

test('a refused connection is certainly not sent', async (t) => {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  await once(server, 'close')
  await fails(http(t).fetch(`http://127.0.0.1:${typeof address === 'object' ? address?.port : 0}/token`, POST), 'not_connected', false)
})

test('an untrusted certificate is refused before the request is sent', async (t) => {
  const { url, requests } = await tlsServer(t, await createCertificateAuthority('stranger'))
  await fails(http(t).fetch(url, POST), 'not_connected', false)
  assert.equal(requests(), 0)
})

test('a TLS handshake that never ends is certainly not sent', async (t) => {
  const server = createServer(() => {}).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => server.close())
  const address = server.address()
  await fails(
    http(t, { callMs: 100 }).fetch(`https://127.0.0.1:${typeof address === 'object' ? address?.port : 0}/token`, POST),
    'timeout',
    false,
  )
})

test('a call that waits for a free connection and times out is certainly not sent', async (t) => {
  const issuer = await smallIssuer(t)
  issuer.answer('/token', () => {})
  const one = http(t, { connections: 1, callMs: 1_500 })
  const first = fails(one.fetch(`${issuer.url}/token`, POST), 'timeout', true)
  await fails(one.fetch(`${issuer.url}/token`, POST), 'timeout', false)
  await first
  assert.equal(issuer.count('/token'), 1)
})

test('an answer that never comes, a reset and half a body may have been sent, and are not sent again', async (t) => {
  const issuer = await smallIssuer(t)
  issuer.answer('/token', () => {})
  await fails(http(t, { callMs: 1_500 }).fetch(`${issuer.url}/token`, POST), 'timeout', true)
  const made = http(t)
  issuer.answer('/token', (response) => response.destroy())
  await fails(made.fetch(`${issuer.url}/token`, POST), 'broken_off', true)
  issuer.answer('/token', (response) => {
    response.writeHead(200, { 'content-length': 100 })
    response.write('half', () => response.destroy())
  })
  await fails(made.fetch(`${issuer.url}/token`, POST), 'broken_off', true)
  assert.equal(issuer.count('/token'), 3)
})

test('a kept connection that the issuer closes does not make a POST go out twice', async (t) => {
  const issuer = await smallIssuer(t)
  let answered = 0
  issuer.answer('/token', (response) => (answered++ === 0 ? response.end('{}') : response.socket?.destroy()))
  const made = http(t, { connections: 1 })
  assert.equal((await made.fetch(`${issuer.url}/token`, POST)).status, 200)
  await fails(made.fetch(`${issuer.url}/token`, POST), 'broken_off', true)
  assert.equal(issuer.count('/token'), 2)
})

test('an answer of more than the limit is broken off', async (t) => {
  const issuer = await smallIssuer(t)
  issuer.answer('/jwks', (response) => response.end('x'.repeat(70_000)))
  await fails(http(t, { answerBytes: 65_536 }).fetch(`${issuer.url}/jwks`, { method: 'GET', headers: {} }), 'too_large', true)
})

test('a slow drip is ended by the bound of the whole call', async (t) => {
  const issuer = await smallIssuer(t)
  issuer.answer('/jwks', (response) => {
    const drip = setInterval(() => response.write(' '), 10)
    response.on('close', () => clearInterval(drip))
  })
  await fails(http(t, { callMs: 1_500 }).fetch(`${issuer.url}/jwks`, { method: 'GET', headers: {} }), 'timeout', true)
})

test('a redirect is not followed', async (t) => {
  const issuer = await smallIssuer(t)
  issuer.answer('/token', (response) => response.writeHead(307, { location: `${issuer.url}/elsewhere` }).end())
  assert.equal((await http(t).fetch(`${issuer.url}/token`, POST)).status, 307)
  assert.equal(issuer.count('/elsewhere'), 0)
})

test('a CA that cannot be read, is empty or holds no certificate is an error, not an empty CA', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'mandate-ca-'))
  t.after(() => rm(folder, { recursive: true }))
  const { url, requests } = await tlsServer(t, await createCertificateAuthority('test'))
  await writeFile(join(folder, 'empty.pem'), '')
  await writeFile(join(folder, 'text.pem'), 'not a certificate')
  for (const name of ['missing.pem', 'empty.pem', 'text.pem'])
    await fails(http(t, {}, join(folder, name)).fetch(url, POST), 'ca_unreadable', false)
  assert.equal(requests(), 0)
})

test('a rotated CA is used without a restart, and an old one is no longer believed', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'mandate-ca-'))
  t.after(() => rm(folder, { recursive: true }))
  const file = join(folder, 'ca.pem')
  const [before, after] = await Promise.all([createCertificateAuthority('one'), createCertificateAuthority('two')])
  const [first, second] = await Promise.all([tlsServer(t, before), tlsServer(t, after)])
  await writeFile(file, before.certificatePem)
  const made = http(t, {}, file)
  assert.equal((await made.fetch(first.url, POST)).status, 200)
  await fails(made.fetch(second.url, POST), 'not_connected', false)
  await writeFile(file, `${after.certificatePem}\n\n`)
  assert.equal((await made.fetch(second.url, POST)).status, 200)
  await fails(made.fetch(first.url, POST), 'not_connected', false)
})

test('a closed client sends nothing', async (t) => {
  const issuer = await smallIssuer(t)
  const made = http(t)
  await made.close()
  await fails(made.fetch(`${issuer.url}/token`, POST), 'closed', false)
  assert.equal(issuer.asked.length, 0)
})

import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { createServer, get, type ServerOptions } from 'node:https'
import type { AddressInfo } from 'node:net'
import { type TestContext, test } from 'node:test'
import { type CertificateAndKey, createCertificateAuthority, loadCertificateAuthority } from './certificate-authority.ts'

async function serve(t: TestContext, leaf: CertificateAndKey, more: ServerOptions = {}): Promise<number> {
  const server = createServer({ cert: leaf.certificatePem, key: leaf.privateKeyPem, ...more }, (_request, response) => {
    response.end('hello')
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  return (server.address() as AddressInfo).port
}

function call(port: number, ca: string, servername: string, client?: CertificateAndKey): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>()
  const identity = client && { cert: client.certificatePem, key: client.privateKeyPem }
  // An IP literal may not stand in SNI (RFC 6066 section 3): there the host itself is what gets checked.
  const sni = /^[0-9.]+$/.test(servername) ? {} : { servername }
  get({ host: '127.0.0.1', port, ca, agent: false, ...sni, ...identity }, (response) => {
    response.setEncoding('utf8').on('data', resolve).on('error', reject)
  }).on('error', reject)
  return promise
}

test('a server whose name is not in the certificate is refused', async (t) => {
  const authority = await createCertificateAuthority('Mandate dev')
  const port = await serve(t, await authority.issue({ commonName: 'other.test', dnsNames: ['localhost'] }))
  // The common name alone must not count.
  await assert.rejects(call(port, authority.certificatePem, 'other.test'), { code: 'ERR_TLS_CERT_ALTNAME_INVALID' })
  await assert.rejects(call(port, authority.certificatePem, '127.0.0.1'), { code: 'ERR_TLS_CERT_ALTNAME_INVALID' })
})

test('a certificate of another authority of the same name is refused', async (t) => {
  const [ours, theirs] = await Promise.all([createCertificateAuthority('Mandate dev'), createCertificateAuthority('Mandate dev')])
  const port = await serve(t, await theirs.issue({ commonName: 'x', dnsNames: ['localhost'] }))
  await assert.rejects(call(port, ours.certificatePem, 'localhost'), /unable to verify|signature failure|bad signature/i)
})

test('a leaf may not act as an authority', async () => {
  const authority = await createCertificateAuthority('Mandate dev')
  await assert.rejects(
    loadCertificateAuthority(await authority.issue({ commonName: 'x', dnsNames: ['localhost'] })),
    /not one of a certificate authority/,
  )
})

test('a key that belongs to another certificate is refused', async () => {
  const [one, two] = await Promise.all([createCertificateAuthority('one'), createCertificateAuthority('two')])
  const mixed = { certificatePem: one.certificatePem, privateKeyPem: two.serialise().privateKeyPem }
  await assert.rejects(loadCertificateAuthority(mixed), /does not belong/)
})

test('a certificate without a single name is refused', async () => {
  const authority = await createCertificateAuthority('Mandate dev')
  await assert.rejects(authority.issue({ commonName: 'localhost' }), TypeError)
})

test('a server is verified by DNS name and by address, also after a restart of the authority', async (t) => {
  const first = await createCertificateAuthority('Mandate dev, O="odd" +name')
  const again = await loadCertificateAuthority(JSON.parse(JSON.stringify(first.serialise())))
  assert.equal(again.certificatePem, first.certificatePem)
  const port = await serve(t, await again.issue({ commonName: 'gateway', dnsNames: ['localhost'], ipAddresses: ['127.0.0.1', '::1'] }))
  assert.equal(await call(port, first.certificatePem, 'localhost'), 'hello')
  assert.equal(await call(port, first.certificatePem, '127.0.0.1'), 'hello')
})

test('a leaf serves as a client certificate', async (t) => {
  const authority = await createCertificateAuthority('Mandate dev')
  const server = await authority.issue({ commonName: 'server', dnsNames: ['localhost'] })
  const port = await serve(t, server, { ca: authority.certificatePem, requestCert: true, rejectUnauthorized: true })
  const client = await authority.issue({ commonName: 'front-proxy', dnsNames: ['front-proxy'] })
  assert.equal(await call(port, authority.certificatePem, 'localhost', client), 'hello')
  await assert.rejects(call(port, authority.certificatePem, 'localhost'))
})

test('the leaf carries what Go and OpenSSL look for, and does not outlive its authority', async () => {
  const authority = await createCertificateAuthority('Mandate dev')
  const root = new X509Certificate(authority.certificatePem)
  const leaf = new X509Certificate(
    (await authority.issue({ commonName: 'x', dnsNames: ['localhost'], ipAddresses: ['127.0.0.1'], days: 100_000 })).certificatePem,
  )
  assert.ok(root.ca && !leaf.ca)
  assert.ok(leaf.checkIssued(root) && leaf.verify(root.publicKey))
  assert.deepEqual(leaf.keyUsage, ['1.3.6.1.5.5.7.3.1', '1.3.6.1.5.5.7.3.2'])
  assert.equal(leaf.subjectAltName, 'DNS:localhost, IP Address:127.0.0.1')
  assert.equal(leaf.validTo, root.validTo)
  assert.notEqual(leaf.serialNumber, root.serialNumber)
})

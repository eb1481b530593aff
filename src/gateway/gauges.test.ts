import assert from 'node:assert/strict'
import { once } from 'node:events'
import { test } from 'node:test'
import { connect } from 'node:tls'
import { createFakeClock } from '../clock.fake.ts'
import { createCertificateAuthority } from '../dev/certificate-authority.ts'
import { createLog } from '../log.ts'
import { createMetrics } from '../metrics.ts'
import { Secret } from '../secret.ts'
import { eventually } from '../store/calls.conformance.ts'
import { version } from '../version.ts'
import type { Gateway } from './gateway.ts'
import { type Measured, readGauges } from './gauges.ts'
import { listen } from './server.ts'

function stage(changes: Partial<Measured> = {}) {
  const metrics = createMetrics()
  const measured: Measured = {
    revocations: { blind: false },
    providers: {},
    active: async () => 3,
    listeners: [],
    clock: createFakeClock(),
    ...changes,
  }
  readGauges(metrics, measured)
  const samples = async (name: string) => (await metrics.expose()).body.split('\n').filter((line) => line.startsWith(name))
  return { samples }
}

test('what cannot be known is absent: the count of logins without a store, the end of a certificate without TLS', async () => {
  const { samples } = stage({ active: () => Promise.reject(new Error('down')), revocations: { blind: true } })
  assert.deepEqual(await samples('mandate_active_logins'), [])
  assert.deepEqual(await samples('mandate_tls_expiry_timestamp_seconds'), [])
  assert.deepEqual(await samples('mandate_store_up'), ['mandate_store_up 0'])
})

test('of several certificates the one that ends first is told, in seconds', async () => {
  const { samples } = stage({
    listeners: [{ certificateEndsAt: 2_000_000_000_500 }, { certificateEndsAt: undefined }, { certificateEndsAt: 1_900_000_000_000 }],
  })
  assert.deepEqual(await samples('mandate_tls_expiry_timestamp_seconds'), ['mandate_tls_expiry_timestamp_seconds 1900000000'])
})

test('the version that runs is told', async () => {
  assert.match(version, /^\d+\.\d+\.\d+/)
  assert.deepEqual(await stage().samples('mandate_build_info'), [`mandate_build_info{version="${version}"} 1`])
})

test('the end of the certificate is that of the one served, the present one and the one that it is rotated to', async (t) => {
  const authority = await createCertificateAuthority('Gateway authority')
  const leafFor = (days: number) => authority.issue({ commonName: 'gateway', dnsNames: ['localhost'], days })
  let leaf = await leafFor(10)
  const source = (text: () => string) => ({ read: () => new Secret(text()), version: () => text() })
  // The authority follows its leaf, as in the files that cert-manager writes.
  const cert = source(() => `${leaf.certificatePem}\n${authority.certificatePem}`)
  const silent: Gateway = { answer: async () => undefined, refuseUnread: async () => undefined }
  const lines: string[] = []
  const listener = await listen(
    silent,
    {
      host: '127.0.0.1',
      port: 0,
      tls: { cert, key: source(() => leaf.privateKeyPem), places: { cert: '/etc/tls/tls.crt', key: '/etc/tls/tls.key' } },
      bounds: { rotationInterval: 10 },
    },
    createLog((line) => void lines.push(line)),
  )
  t.after(() => listener.close(0))
  const servedUntil = async () => {
    const caller = connect({ port: listener.port, host: '127.0.0.1', ca: authority.certificatePem, servername: 'localhost' })
    await once(caller, 'secureConnect')
    const { valid_to: end } = caller.getPeerCertificate()
    caller.destroy()
    return Date.parse(end) / 1000
  }
  const { samples } = stage({ listeners: [listener] })
  const first = await servedUntil()
  assert.deepEqual(await samples('mandate_tls_expiry_timestamp_seconds'), [`mandate_tls_expiry_timestamp_seconds ${first}`])
  const good = leaf
  leaf = { ...good, privateKeyPem: (await leafFor(10)).privateKeyPem }
  await eventually('the files that do not fit are named', () =>
    /cannot be used yet","cert":"\/etc\/tls\/tls.crt","key":"\/etc\/tls\/tls.key","error":"Error","code":"ERR_OSSL_X509_KEY_VALUES_MISMATCH"/.test(
      lines.join(''),
    ),
  )
  assert.equal(await servedUntil(), first)
  leaf = await leafFor(20)
  await eventually('it is rotated', () => listener.certificateEndsAt !== first * 1000)
  const second = await servedUntil()
  assert.ok(second > first)
  assert.deepEqual(await samples('mandate_tls_expiry_timestamp_seconds'), [`mandate_tls_expiry_timestamp_seconds ${second}`])
})

/** Certificates and keys as they come: swapped, of another pair, damaged, old, or for another host. */
import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { before, describe, test } from 'node:test'
import { type CertificateAndKey, createCertificateAuthority } from '../../dev/certificate-authority.ts'
import { authorityFault, certificateAdvice, pairFaults, privateKeyFault } from './certificates.ts'

const DAY = 86_400_000
let one: CertificateAndKey
let other: CertificateAndKey
before(async () => {
  const ca = await createCertificateAuthority('test')
  one = await ca.issue({ commonName: 'never looked at', dnsNames: ['mandate.example', '*.apps.example'], ipAddresses: ['10.0.0.1'] })
  other = await ca.issue({ commonName: 'x', dnsNames: ['mandate.example'] })
})
const said = (cert: string, key: string) => pairFaults('l', { cert, key }).map(({ path, problem }) => `${path}: ${problem}`)

describe('a pair is refused', () => {
  test('when the key is of another certificate', () => {
    assert.deepEqual(said(one.certificatePem, other.privateKeyPem), ['l.key: is not the key of l.cert'])
  })
  test('when the two were swapped, and each is told', () => {
    assert.deepEqual(said(one.privateKeyPem, one.certificatePem), [
      'l.cert: holds a private key and no certificate',
      'l.key: holds a certificate and no private key',
    ])
  })
  test('when one is no PEM, is damaged, or is under a passphrase; nothing of it is repeated', () => {
    assert.deepEqual(said('hunter2', 'hunter2'), ['l.cert: is not a PEM certificate', 'l.key: is not a PEM private key'])
    const damaged = (pem: string) => pem.replace(/\n[A-Za-z0-9+/=]+\n/, '\nhunter2=\n')
    assert.deepEqual(said(damaged(one.certificatePem), damaged(one.privateKeyPem)), [
      'l.cert: is a certificate that cannot be read',
      'l.key: is a private key that cannot be read',
    ])
    const { privateKey } = generateKeyPairSync('ec', {
      namedCurve: 'P-256',
      publicKeyEncoding: { type: 'spki', format: 'pem' },
      privateKeyEncoding: { type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'x' },
    })
    assert.equal(privateKeyFault(privateKey)?.problem, 'is under a passphrase')
  })
  test('when its chain is damaged, which only the start would tell', () => {
    const chain = `${one.certificatePem}\n-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n`
    assert.match(said(chain, one.privateKeyPem).join(), /^l\.cert: cannot be served/)
  })
})

test('authorities are refused without a certificate in PEM, or with one that cannot be read', () => {
  assert.match(authorityFault(one.privateKeyPem)?.problem ?? '', /no PEM certificate/)
  const damaged = '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n'
  assert.match(authorityFault(one.certificatePem + damaged)?.problem ?? '', /cannot be read/)
  assert.equal(authorityFault(`# ours\n${one.certificatePem}`), undefined)
})

describe('advises on a certificate', () => {
  const advised = (hosts: string[], now: number) => certificateAdvice('c', one.certificatePem, hosts, now).map(({ problem }) => problem)

  test('that lacks a host, by its name alone', () => {
    assert.deepEqual(advised(['mandate.example', 'a.apps.example', '10.0.0.1'], Date.now()), [])
    assert.deepEqual(advised(['other.example', 'a.b.apps.example', '10.0.0.2'], Date.now()), [
      'does not name other.example, a.b.apps.example, 10.0.0.2',
    ])
  })
  test('that has expired, soon will, or is of the future', () => {
    assert.match(advised([], Date.now() + 91 * DAY).join(), /^has expired \(\d{4}-\d\d-\d\d\)/)
    assert.match(advised([], Date.now() + 80 * DAY).join(), /^expires within 14 days/)
    assert.deepEqual(advised([], Date.now() + 70 * DAY), [])
    assert.deepEqual(advised([], Date.now() - DAY), ['is not valid yet'])
  })
})

test('a pair that fits is taken', () => {
  assert.deepEqual(said(one.certificatePem, one.privateKeyPem), [])
})

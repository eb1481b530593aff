import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { Complaint } from '../../complaint.ts'
import { createCertificateAuthority } from '../../dev/certificate-authority.ts'
import { certificatesIn } from './certificates.ts'
import { testFolder } from './kept-tokens.fake.ts'

const complains = (words: RegExp) => (error: unknown) => error instanceof Complaint && words.test(error.message)
const authority = await createCertificateAuthority('Gateway')
const leaf = await authority.issue({ commonName: 'gateway', dnsNames: ['gateway.example'] })

test('refuses a file that is not there, or holds no certificate, or a broken one', (t) => {
  const file = join(testFolder(t), 'ca.pem')
  assert.throws(() => certificatesIn(file), complains(/cannot be read/))
  for (const [content, words] of [
    ['', /holds no PEM certificate/],
    [leaf.privateKeyPem, /holds no PEM certificate/],
    ['-----BEGIN CERTIFICATE-----\nAAAA', /holds no PEM certificate/],
    [
      `${authority.certificatePem}-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n`,
      /holds a certificate that cannot be read/,
    ],
  ] as const) {
    writeFileSync(file, content)
    assert.throws(() => certificatesIn(file), complains(words), content)
  }
})

test('a private key beside the certificates does not come along, nor does anything else', (t) => {
  const file = join(testFolder(t), 'both.pem')
  writeFileSync(file, `a word\n${leaf.certificatePem}\n${leaf.privateKeyPem}\n${authority.certificatePem}`)
  assert.equal(certificatesIn(file), `${leaf.certificatePem.trim()}\n${authority.certificatePem.trim()}\n`)
})

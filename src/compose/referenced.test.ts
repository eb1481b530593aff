/** What references lead to: what a start would fail on, and what would fail later. */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, type TestContext, test } from 'node:test'
import { configOf, type Draft } from '../config/config.fake.ts'
import { createCertificateAuthority } from '../dev/certificate-authority.ts'
import { readReferenced } from './referenced.ts'

/** Reads what a changed draft refers to; `write` makes a file. */
async function found(t: TestContext, change: (draft: Draft, write: (text: string) => { file: string }) => unknown) {
  const folder = await mkdtemp(join(tmpdir(), 'mandate-referenced-'))
  t.after(() => rm(folder, { recursive: true }))
  const files: Array<[string, string]> = []
  const write = (text: string) => {
    const file = join(folder, String(files.length))
    files.push([file, text])
    return { file }
  }
  const config = configOf((d) => change(d, write))
  await Promise.all(files.map(([file, text]) => writeFile(file, text)))
  const { faults, failing, advice } = readReferenced(config, Date.now())
  const lines = (list: typeof faults) => list.map(({ path, problem }) => `${path}: ${problem}`)
  return { faults: lines(faults), failing: lines(failing), advice: lines(advice) }
}
const key = () => randomBytes(32).toString('base64')

describe('a start is refused', () => {
  test('with sealing keys that are too short, or twice the same', async (t) => {
    const twice = key()
    const { faults } = await found(t, (d, write) => {
      const keys = [twice, 'hunter2', twice].map((text, at) => ({ id: `k${at}`, key: write(`${text}\n`) }))
      d.store = { redis: { url: write('redis://127.0.0.1'), keys } }
    })
    assert.deepEqual(faults, [
      'store.redis.keys.1.key: is not 32 bytes in base64',
      'store.redis.keys.2.key: is the key of store.redis.keys.0 as well',
    ])
  })

  for (const [url, problem] of [
    ['redis.example:6379', /does not begin with redis:\/\//],
    ['rediss://:hun/ter2@redis.example', /has a \/, \? or # in its password/],
    ['rediss://u:12/34@redis.example', /has a \/, \? or # in its password/],
    ['redis://redis.example', /is redis:\/\/ to another machine/],
  ] as const) {
    test(`with a Redis URL that ${problem.source}`, async (t) => {
      const { faults } = await found(t, (d, write) => (d.store = { redis: { url: write(url), keys: [{ id: 'a', key: write(key()) }] } }))
      assert.match(faults.join('\n'), new RegExp(`^store\\.redis\\.url: ${problem.source}[^\n]*$`))
      assert.doesNotMatch(faults.join(), /hun|ter2|redis\.example/)
    })
  }

  test('with authorities of a cluster or route that hold no certificate', async (t) => {
    const { faults } = await found(t, (d, write) => {
      Object.assign(d.clusters['prod'] ?? {}, { ca: write('hunter2') })
      const route = { match: { host: 'a.mandate.example', path: '/**' }, allow: {}, upstream: 'https://a', ca: write('hunter2') }
      Object.assign(d, { routes: [route] })
    })
    assert.deepEqual(
      faults.map((fault) => fault.split(':')[0]),
      ['clusters.prod.ca', 'routes.0.ca'],
    )
    assert.doesNotMatch(faults.join(), /hunter2/)
  })

  test('with a certificate and key that do not fit, or one of them missing', async (t) => {
    const ca = await createCertificateAuthority('test')
    const [one, other] = [await ca.issue({ commonName: 'a', dnsNames: ['a'] }), await ca.issue({ commonName: 'a', dnsNames: ['a'] })]
    const { faults } = await found(t, (d, write) =>
      Object.assign(d.listen, {
        https: { port: 0, cert: write(one.certificatePem), key: write(other.privateKeyPem) },
        forwardAuth: { port: 0, cert: write(one.certificatePem), key: { env: 'MANDATE_TEST_NEVER_SET' }, trusted: ['10.0.0.1/32'] },
      }),
    )
    assert.deepEqual(faults, [
      'listen.https.key: is not the key of listen.https.cert',
      'listen.forwardAuth.key: the environment variable MANDATE_TEST_NEVER_SET is not set or empty',
    ])
  })
})

test('what is read only when somebody needs it is told apart', async (t) => {
  const { faults, failing } = await found(t, (d, write) => {
    Object.assign(d.providers['corp'] ?? {}, { clientAuth: { method: 'private-key-jwt', key: write('hunter2') }, ca: write('hunter2') })
    const clientAuth = { method: 'secret', secret: { env: 'MANDATE_TEST_NEVER_SET' } }
    d.providers['other'] = { ...d.providers['corp'], issuer: 'https://other.example', clientAuth, ca: undefined }
    Object.assign(d.clusters['prod'] ?? {}, { as: { kind: 'impersonate', token: { env: 'MANDATE_TEST_NEVER_SET' } } })
  })
  assert.deepEqual(faults, [])
  assert.deepEqual(
    failing.map((fault) => fault.split(':')[0]),
    ['providers.corp.ca', 'providers.corp.clientAuth.key', 'providers.other.clientAuth.secret', 'clusters.prod.as.token'],
  )
})

test('a certificate is to name the hosts that browsers ask for, unless a proxy stands before it', async (t) => {
  const { certificatePem, privateKeyPem } = await (await createCertificateAuthority('test')).issue({ commonName: 'a', dnsNames: ['a'] })
  const listening = (behind: string[]) => (d: Draft, write: (text: string) => { file: string }) =>
    Object.assign(d.listen, { behind, https: { port: 0, cert: write(certificatePem), key: write(privateKeyPem) } })
  assert.deepEqual(await found(t, listening([])), { faults: [], failing: [], advice: ['listen.https.cert: does not name mandate.example'] })
  assert.deepEqual((await found(t, listening(['10.0.0.0/8']))).advice, [])
})

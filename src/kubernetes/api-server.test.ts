/** How an API server is reached: which certificates are trusted, and what is not waited for. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { type TestContext, test } from 'node:test'
import { bearerCredential } from '../credential.ts'
import { type CertificateAuthority, createCertificateAuthority } from '../dev/certificate-authority.ts'
import { Secret } from '../secret.ts'
import { ask, createApiServer } from './api-server.ts'
import { startScriptedApi } from './scripted-api.fake.ts'

const AS = bearerCredential(new Secret('dG9rZW4'), Number.POSITIVE_INFINITY)
const QUESTION = { method: 'GET', path: '/api/v1/pods' }

/** An API server over TLS that counts the requests that got through. */
async function serve(t: TestContext, authority: CertificateAuthority) {
  const { certificatePem: cert, privateKeyPem: key } = await authority.issue({ commonName: 'api', ipAddresses: ['127.0.0.1'] })
  const counted = { requests: 0, origin: '' }
  const listening = createServer({ cert, key }, (_, response) => {
    counted.requests += 1
    response.end('{}')
  })
  listening.listen(0, '127.0.0.1')
  await once(listening, 'listening')
  t.after(() => {
    listening.closeAllConnections()
    listening.close()
  })
  counted.origin = `https://127.0.0.1:${(listening.address() as AddressInfo).port}`
  return counted
}

test('refuses what is no origin, or would show tokens to others', async () => {
  const faults: ReadonlyArray<readonly [origin: string, why: RegExp]> = [
    ...['ftp://a', 'a', '', '//a', 'https:a', 'https:\\\\a', ' https://a'].map((origin) => [origin, /not an http or https URL/] as const),
    ...['https://u@a', 'https://u:hunter2@a', 'https://:hunter2@a', 'https://@a'].map(
      (origin) => [origin, /user name or password/] as const,
    ),
    ...['https://a?b', 'https://a/?', 'https://a#b', 'https://a/#'].map((origin) => [origin, /query or fragment/] as const),
    ...['https://a/b', 'https://a/.', 'https://a//', 'https://a\\', 'https://a/b/..'].map((origin) => [origin, /has a path/] as const),
    ...['http://prod.k8s.example:6443', 'http://10.1.2.3', 'http://localhost.evil.example', 'http://0.0.0.0'].map(
      (origin) => [origin, /http to a host that is not loopback/] as const,
    ),
  ]
  for (const [origin, why] of faults) {
    assert.throws(
      () => createApiServer({ origin }),
      (error) => error instanceof TypeError && why.test(error.message) && !error.message.includes('hunter2'),
      origin,
    )
  }
  for (const origin of [undefined, null, 5, new URL('https://a')]) {
    assert.throws(() => createApiServer({ origin: origin as unknown as string }), TypeError)
  }
  const truthy = 'true' as unknown as boolean
  assert.throws(() => createApiServer({ origin: 'http://10.1.2.3', plaintextOpen: truthy }), TypeError)
})

test('takes https, http on loopback, and http elsewhere by the key that says so', async () => {
  for (const [origin, plaintextOpen] of [
    ['https://prod.k8s.example:6443', false],
    ['https://prod.k8s.example/', false],
    ['http://127.0.0.1:8001', false],
    ['http://[::1]:8001', false],
    ['http://localhost', false],
    ['http://10.1.2.3', true],
  ] as const) {
    const server = createApiServer({ origin, plaintextOpen })
    assert.equal(server.origin, origin.replace(/\/$/, ''))
    await server.close()
  }
})

test('reads the certificates anew: unreadable, empty and foreign ones are trusted by nobody', async (t) => {
  const [ours, foreign] = [await createCertificateAuthority('test'), await createCertificateAuthority('test')]
  const counted = await serve(t, ours)
  let ca = (): string => {
    throw new Error('secret path')
  }
  const server = createApiServer({ origin: counted.origin, ca: () => ca() })
  t.after(() => server.close())
  const refused = { code: 'upstream_unavailable' }
  const unreadable = await ask(server, AS, QUESTION).catch((error: unknown) => error)
  assert.match(String(unreadable), /the certificates to trust cannot be read/)
  assert.doesNotMatch(String(unreadable), /secret path/)
  ca = () => ' '
  await assert.rejects(() => ask(server, AS, QUESTION), refused)
  ca = () => foreign.certificatePem
  await assert.rejects(() => ask(server, AS, QUESTION), refused)
  assert.equal(counted.requests, 0)
  ca = () => ours.certificatePem
  assert.equal((await ask(server, AS, QUESTION)).status, 200)
  // A connection that was trusted before is not used for somebody who trusts others now.
  ca = () => foreign.certificatePem
  await assert.rejects(() => ask(server, AS, QUESTION), refused)
  assert.equal(counted.requests, 1)
})

test('waits for an answer as long as it is told to, for its last byte too', async (t) => {
  const heads = await startScriptedApi(() => undefined, { answerWithinMs: 200 })
  t.after(() => heads.close())
  await assert.rejects(() => ask(heads.server, AS, QUESTION), { code: 'upstream_timeout' })
  const bodies = await startScriptedApi((_, response) => void response.writeHead(200).write('{'), { answerWithinMs: 200 })
  t.after(() => bodies.close())
  await assert.rejects(() => ask(bodies.server, AS, QUESTION), { code: 'upstream_timeout' })
  assert.equal(heads.asked.length + bodies.asked.length, 2)
})

test('gives up with the signal of who asked', async (t) => {
  const api = await startScriptedApi(() => undefined)
  t.after(() => api.close())
  const asking = new AbortController()
  const asked = ask(api.server, AS, { ...QUESTION, signal: asking.signal })
  asking.abort()
  await assert.rejects(asked, { name: 'AbortError' })
})

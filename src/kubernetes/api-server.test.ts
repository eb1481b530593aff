/** How an API server is reached: which certificates are trusted, and what is not waited for. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { type TestContext, test } from 'node:test'
import { bearerCredential } from '../credential.ts'
import { type CertificateAuthority, createCertificateAuthority } from '../dev/certificate-authority.ts'
import { Secret } from '../secret.ts'
import { ApiServer, createApiServer } from './api-server.ts'
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

test('refuses what is no origin', () => {
  for (const origin of ['ftp://a', 'https://a/b', 'https://a?b', 'https://u@a', 'a', '']) {
    assert.throws(() => createApiServer({ origin }), TypeError, origin)
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
  const unreadable = await ApiServer.ask(server, AS, QUESTION).catch((error: unknown) => error)
  assert.match(String(unreadable), /the certificates to trust cannot be read/)
  assert.doesNotMatch(String(unreadable), /secret path/)
  ca = () => ' '
  await assert.rejects(() => ApiServer.ask(server, AS, QUESTION), refused)
  ca = () => foreign.certificatePem
  await assert.rejects(() => ApiServer.ask(server, AS, QUESTION), refused)
  assert.equal(counted.requests, 0)
  ca = () => ours.certificatePem
  assert.equal((await ApiServer.ask(server, AS, QUESTION)).status, 200)
  // A connection that was trusted before is not used for somebody who trusts others now.
  ca = () => foreign.certificatePem
  await assert.rejects(() => ApiServer.ask(server, AS, QUESTION), refused)
  assert.equal(counted.requests, 1)
})

test('waits for an answer as long as it is told to, for its last byte too', async (t) => {
  const heads = await startScriptedApi(() => undefined, { answerWithinMs: 200 })
  t.after(() => heads.close())
  await assert.rejects(() => ApiServer.ask(heads.server, AS, QUESTION), { code: 'upstream_timeout' })
  const bodies = await startScriptedApi((_, response) => void response.writeHead(200).write('{'), { answerWithinMs: 200 })
  t.after(() => bodies.close())
  await assert.rejects(() => ApiServer.ask(bodies.server, AS, QUESTION), { code: 'upstream_timeout' })
  assert.equal(heads.asked.length + bodies.asked.length, 2)
})

test('gives up with the signal of who asked', async (t) => {
  const api = await startScriptedApi(() => undefined)
  t.after(() => api.close())
  const asking = new AbortController()
  const asked = ApiServer.ask(api.server, AS, { ...QUESTION, signal: asking.signal })
  asking.abort()
  await assert.rejects(asked, { name: 'AbortError' })
})

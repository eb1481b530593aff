/** What the log says of services that cannot be reached. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer as createHttpsServer } from 'node:https'
import { createServer, type Server } from 'node:net'
import { type TestContext, test } from 'node:test'
import { createCertificateAuthority } from '../dev/certificate-authority.ts'
import { Refusal } from '../errors.ts'
import { Lifecycle } from '../lifecycle.ts'
import { createLog } from '../log.ts'
import { createConnections } from './connections.ts'

async function portOf(t: TestContext, server: Server): Promise<number> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => server.close())
  const address = server.address()
  assert.ok(typeof address === 'object' && address !== null)
  return address.port
}

async function said(t: TestContext, origin: string): Promise<readonly unknown[]> {
  const lines: string[] = []
  const lifecycle = new Lifecycle()
  t.after(() => lifecycle.stop())
  const log = createLog((line) => void lines.push(line))
  const connect = createConnections(lifecycle, log)
  const upstream = connect({ origin, connectWithinMs: 2_000, ca: undefined })
  const cut = { over: false, listen: () => undefined }
  const request = { method: 'GET', path: '/?a=secret', headers: [], body: undefined, cut, answerWithinMs: 2_000 }
  await assert.rejects(
    upstream.forward(request, () => undefined),
    Refusal,
  )
  await assert.rejects(upstream.upgrade({ ...request, headers: ['Upgrade', 'websocket', 'Connection', 'upgrade'] }), Refusal)
  return lines.map((line) => (({ message, server, reason, code }) => [message, server, reason, code])(JSON.parse(line)))
}

test('a service that cannot be reached is logged once, with why and the code of the system', async (t) => {
  const gone = createServer()
  const port = await portOf(t, gone)
  gone.close()
  await once(gone, 'close')
  const leaf = await (await createCertificateAuthority('Stranger')).issue({ commonName: 'service', dnsNames: ['localhost'] })
  const strange = await portOf(t, createHttpsServer({ cert: leaf.certificatePem, key: leaf.privateKeyPem }))
  for (const [origin, reason, code] of [
    [`http://127.0.0.1:${port}`, 'connection refused', 'ECONNREFUSED'],
    [`https://localhost:${strange}`, 'its certificate is not trusted', 'UNABLE_TO_VERIFY_LEAF_SIGNATURE'],
  ])
    assert.deepEqual(await said(t, origin ?? ''), [['a service cannot be reached', origin, reason, code]])
})

test('so is one of which only upgrades are asked', async (t) => {
  const lines: string[] = []
  const lifecycle = new Lifecycle()
  t.after(() => lifecycle.stop())
  const connect = createConnections(
    lifecycle,
    createLog((line) => void lines.push(line)),
  )
  const upstream = connect({ origin: 'http://service.invalid', connectWithinMs: 2_000, ca: undefined })
  const cut = { over: false, listen: () => undefined }
  await assert.rejects(upstream.upgrade({ method: 'GET', path: '/', headers: [], cut, answerWithinMs: 2_000 }), Refusal)
  assert.match(lines.join(''), /"reason":"its name does not resolve","code":"(ENOTFOUND|EAI_AGAIN)"/)
})

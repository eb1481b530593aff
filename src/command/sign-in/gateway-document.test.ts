import assert from 'node:assert/strict'
import type { RequestListener } from 'node:http'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { type TestContext, test } from 'node:test'
import { Complaint } from '../../complaint.ts'
import { createCertificateAuthority } from '../../dev/certificate-authority.ts'
import { commandLineProvider } from './gateway-document.ts'

const complains = (words: RegExp) => (error: unknown) => error instanceof Complaint && words.test(error.message)
const CORP = {
  name: 'corp',
  title: 'Corp',
  issuer: 'https://issuer.example',
  clientId: 'cli',
  scopes: ['openid'],
  token: 'access-token',
  audience: 'api://mandate',
}

const authority = await createCertificateAuthority('Gateway')
const leaf = await authority.issue({ commonName: 'gateway', ipAddresses: ['127.0.0.1'] })
const CA = authority.certificatePem

async function serve(t: TestContext, answer: RequestListener): Promise<string> {
  const server = createServer({ cert: leaf.certificatePem, key: leaf.privateKeyPem }, answer)
  server.listen(0, '127.0.0.1')
  await new Promise((listening) => server.once('listening', listening))
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  return `https://127.0.0.1:${(server.address() as AddressInfo).port}`
}

/** A gateway that answers with these providers. */
const gateway = (t: TestContext, ...providers: readonly unknown[]) =>
  serve(t, (_request, response) => void response.end(JSON.stringify({ providers })))

test('refuses a gateway whose certificate is not trusted', async (t) => {
  const at = await gateway(t, CORP)
  await assert.rejects(commandLineProvider(at, undefined, undefined), complains(/not trusted .*--ca FILE/))
  const other = await createCertificateAuthority('Other')
  await assert.rejects(commandLineProvider(at, other.certificatePem, undefined), complains(/not trusted/))
  await assert.rejects(commandLineProvider(at.replace('127.0.0.1', 'localhost'), CA, undefined), complains(/not trusted|cannot be reached/))
})

test('refuses such a gateway where the environment says that certificates are not to be verified', async (t) => {
  const at = await gateway(t, CORP)
  const before = process.env['NODE_TLS_REJECT_UNAUTHORIZED']
  t.after(() => {
    if (before === undefined) delete process.env['NODE_TLS_REJECT_UNAUTHORIZED']
    else process.env['NODE_TLS_REJECT_UNAUTHORIZED'] = before
  })
  process.env['NODE_TLS_REJECT_UNAUTHORIZED'] = '0'
  await assert.rejects(commandLineProvider(at, undefined, undefined), complains(/not trusted .*--ca FILE/))
})

test('refuses an issuer with a query or a fragment, which is none', async (t) => {
  for (const issuer of ['https://issuer.example/?a=b', 'https://issuer.example?', 'https://issuer.example/#a'])
    await assert.rejects(commandLineProvider(await gateway(t, { ...CORP, issuer }), CA, undefined), complains(/with a query or fragment/))
})

test('refuses an issuer that is not https, but for one on loopback of a gateway there', async (t) => {
  for (const issuer of [
    'http://issuer.example',
    'ftp://issuer.example',
    'https://me@issuer.example',
    'issuer',
    'http://127.0.0.1.evil.example',
  ])
    await assert.rejects(commandLineProvider(await gateway(t, { ...CORP, issuer }), CA, undefined), complains(/not https/))
  const local = { ...CORP, issuer: 'http://localhost:1' }
  assert.equal((await commandLineProvider(await gateway(t, local), CA, undefined)).issuer, local.issuer)
})

test('refuses members that are missing, of another form, or unknown', async (t) => {
  const changes = [
    { issuer: undefined },
    { issuer: { env: 'SECRET' } },
    { clientId: ['cli'] },
    { clientId: 'cli\u001b[2J' },
    { scopes: [] },
    { scopes: ['open id'] },
    { token: 'refresh-token' },
    { audience: '' },
    { name: '../etc' },
    { more: 1 },
  ]
  for (const change of changes)
    await assert.rejects(
      commandLineProvider(await gateway(t, { ...CORP, ...change }), CA, undefined),
      complains(/does not have the form/),
      JSON.stringify(change),
    )
})

test('refuses what is no answer of a gateway, follows no redirect and reads no more than it must', async (t) => {
  const cases: ReadonlyArray<readonly [RequestListener, RegExp]> = [
    [(_request, response) => void response.end('<html>'), /not JSON/],
    [(_request, response) => void response.writeHead(404).end(), /no Mandate gateway, or an old one/],
    [(_request, response) => void response.writeHead(500).end(), /answered 500/],
    [(_request, response) => void response.writeHead(302, { location: 'https://evil.example/' }).end(), /answered 302/],
    [(_request, response) => void response.end(`"${'x'.repeat(70_000)}"`), /cannot be reached|broke its answer off/],
    [(request) => void request.socket.destroy(), /cannot be reached/],
  ]
  for (const [answer, words] of cases)
    await assert.rejects(commandLineProvider(await serve(t, answer), CA, undefined), complains(words), String(words))
})

test('says which providers there are when there is a choice, or none of that name', async (t) => {
  const at = await gateway(t, CORP, { ...CORP, name: 'lab' })
  await assert.rejects(commandLineProvider(at, CA, undefined), complains(/several providers; choose one by --provider:\n {2}corp\n {2}lab/))
  await assert.rejects(commandLineProvider(at, CA, 'other'), complains(/no provider other .*\n {2}corp\n {2}lab/))
  assert.equal((await commandLineProvider(at, CA, 'lab')).name, 'lab')
  await assert.rejects(commandLineProvider(await gateway(t), CA, undefined), complains(/offers no sign-in from the command line/))
})

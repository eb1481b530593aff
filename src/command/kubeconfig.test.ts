/** `mandate kubeconfig` as somebody types it, before a gateway over https. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { parse } from 'yaml'
import { createCertificateAuthority } from '../dev/certificate-authority.ts'
import { testFolder } from './sign-in/kept-tokens.fake.ts'

const MAIN = join(import.meta.dirname, '../main.ts')
const CORP = {
  name: 'corp',
  title: 'Corp',
  issuer: 'https://issuer.example',
  clientId: 'cli',
  scopes: ['openid', 'profile'],
  token: 'access-token',
  audience: 'api://mandate',
}

/** `known` is how the gateway answers for the cluster, when nobody is signed in. */
async function setStage(t: TestContext, known = 401) {
  const folder = testFolder(t)
  const authority = await createCertificateAuthority('Gateway')
  const leaf = await authority.issue({ commonName: 'gateway', ipAddresses: ['127.0.0.1'] })
  const asked: unknown[] = []
  const server = createServer({ cert: leaf.certificatePem, key: leaf.privateKeyPem }, ({ url, headers }, response) => {
    if (url === '/.mandate/command-line') return void response.end(JSON.stringify({ providers: [CORP] }))
    asked.push([url, headers.authorization, headers.cookie])
    response.writeHead(url === '/clusters/prod/version' ? known : 404).end('{"details":{"causes":[{"message":"cluster_unknown"}]}}')
  })
  server.listen(0, '127.0.0.1')
  await new Promise((listening) => server.once('listening', listening))
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  const gateway = `https://127.0.0.1:${(server.address() as AddressInfo).port}`
  const ca = join(folder, 'both.pem')
  writeFileSync(ca, `${authority.certificatePem}${leaf.privateKeyPem}`, { mode: 0o600 })
  const file = join(folder, 'kubeconfig')
  const run = (...more: readonly string[]) =>
    new Promise<{ code: number; stderr: string }>((resolve) => {
      const args = [MAIN, 'kubeconfig', 'prod', '--gateway', gateway, '--ca', ca, '--file', file, ...more]
      execFile(process.execPath, args, { timeout: 30_000 }, (error, _stdout, stderr) =>
        resolve({ code: error === null ? 0 : typeof error.code === 'number' ? error.code : -1, stderr }),
      )
    })
  return { gateway, authority, file, run, asked }
}

test('refuses a gateway that names something else than it was told, and writes nothing', async (t) => {
  const { run, file } = await setStage(t)
  for (const pin of ['--issuer=https://other.example', '--client=other', '--audience=other', '--resource=other', '--scopes=openid']) {
    const { code, stderr } = await run(pin)
    assert.equal(code, 1)
    assert.match(stderr, /instead of .* for corp, so nobody is sent there/)
    assert.ok(!existsSync(file))
  }
})

test('refuses a cluster that the gateway does not have, and writes nothing', async (t) => {
  const { run, file, gateway } = await setStage(t, 404)
  const { code, stderr } = await run()
  assert.equal(code, 1)
  assert.equal(stderr, `mandate: ${gateway} has no cluster prod; ask its operator for the name, which stands in the section clusters\n`)
  assert.ok(!existsSync(file))
})

test('says that the name was not checked, where the gateway does not say', async (t) => {
  const { run, gateway, file } = await setStage(t, 503)
  const { code, stderr } = await run()
  assert.equal(code, 0)
  assert.ok(existsSync(file))
  assert.ok(stderr.includes(`\nWhether ${gateway} has a cluster prod was not checked: it did not say.\n`), stderr)
})

test('asks for the cluster without a credential', async (t) => {
  const { run, asked } = await setStage(t)
  assert.doesNotMatch((await run()).stderr, /was not checked/)
  assert.deepEqual(asked, [['/clusters/prod/version', undefined, undefined]])
})

test('writes what the gateway names, says it, and leaves a private key where it was', async (t) => {
  const { run, file, gateway, authority } = await setStage(t)
  const { code, stderr } = await run(
    '--issuer=https://issuer.example',
    '--client=cli',
    '--audience=api://mandate',
    '--scopes=openid profile',
  )
  assert.equal(code, 0, stderr)
  assert.match(stderr, /^Its sign-ins are at https:\/\/issuer\.example, client cli, for api:\/\/mandate, from now on\.\n/)
  const { clusters, users } = parse(readFileSync(file, 'utf8'))
  const pem = Buffer.from(clusters[0].cluster['certificate-authority-data'], 'base64').toString()
  assert.equal(pem.trim(), authority.certificatePem.trim())
  assert.deepEqual(users[0].user.exec.args.slice(-9), [
    ...['login', '--gateway', gateway, '--provider', 'corp'],
    ...['--issuer=https://issuer.example', '--client=cli', '--audience=api://mandate', '--scopes=openid profile'],
  ])
})

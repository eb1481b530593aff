/** `mandate check` and a start that fails, as they are read at a terminal. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { describe, type TestContext, test } from 'node:test'
import { createCertificateAuthority } from '../dev/certificate-authority.ts'

const MAIN = new URL('../main.ts', import.meta.url).pathname

const GOOD = `
publicUrl: http://localhost:8080
listen: { http: { port: 0 }, operations: { port: 0 } }
store: { memory: singleReplica }
providers:
  corp: { kind: oidc, issuer: "https://issuer.invalid", clientId: mandate, clientAuth: { method: none }, audience: mandate }
`

/** Runs a command in a folder of its own, in which the configuration is `mandate.yaml`. */
async function mandate(t: TestContext, config: string, ...args: string[]) {
  const folder = await mkdtemp(join(tmpdir(), 'mandate-check-'))
  t.after(() => rm(folder, { recursive: true }))
  await writeFile(join(folder, 'mandate.yaml'), config)
  const child = spawn(process.execPath, [MAIN, ...args], { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'] })
  t.after(() => child.kill('SIGKILL'))
  const closed = once(child, 'close')
  const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr)])
  const [code] = await closed
  return { code, stdout, stderr, folder }
}

describe('check refuses', () => {
  test('an audit file whose folder is not there', async (t) => {
    const { code, stdout, folder } = await mandate(t, `${GOOD}\naudit: { file: logs/audit.jsonl }\n`, 'check')
    assert.equal(code, 1)
    assert.ok(
      stdout.includes(`  audit.file: ${join(folder, 'logs/audit.jsonl')} cannot be written: its folder is not there (ENOENT)\n    mend: `),
      stdout,
    )
  })

  test('a secret that is not there, by its whole path', async (t) => {
    const secret = GOOD.replace('{ method: none }', '{ method: secret, secret: { file: client-secret } }')
    const { code, stdout, folder } = await mandate(t, secret, 'check')
    assert.equal(code, 1)
    assert.ok(
      stdout.includes(`  providers.corp.clientAuth.secret: the file ${join(folder, 'client-secret')} cannot be read (ENOENT)\n`),
      stdout,
    )
  })

  test('a certificate and key that do not fit, as the gateway does, and neither repeats them', async (t) => {
    const ca = await createCertificateAuthority('test')
    const [one, other] = [await ca.issue({ commonName: 'a', dnsNames: ['a'] }), await ca.issue({ commonName: 'a', dnsNames: ['a'] })]
    const folder = await mkdtemp(join(tmpdir(), 'mandate-pair-'))
    t.after(() => rm(folder, { recursive: true }))
    const [cert, key] = [join(folder, 'cert.pem'), join(folder, 'key.pem')]
    await writeFile(cert, one.certificatePem)
    await writeFile(key, other.privateKeyPem)
    const https = GOOD.replace('listen: {', `listen: { https: { port: 0, cert: { file: "${cert}" }, key: { file: "${key}" } },`)
    const line = '  listen.https.key: is not the key of listen.https.cert\n    mend: give the pair that was issued together\n'
    const [check, gateway] = await Promise.all([mandate(t, https, 'check'), mandate(t, https, 'gateway')])
    assert.deepEqual([check.code, gateway.code], [1, 1])
    for (const said of [check.stdout, gateway.stderr]) {
      assert.ok(said.includes(line), said)
      assert.doesNotMatch(said, /PRIVATE KEY|fault of ours/)
    }
    const alone = await mandate(t, https, 'check', '--without-secrets')
    assert.equal(alone.code, 0, alone.stdout)
  })

  test('what is wrong beside variables that are not set; without secrets these are no faults', async (t) => {
    const config = `${GOOD.replace('"https://issuer.invalid"', '{ env: MANDATE_TEST_NEVER_SET }')}\nsessions: { idle: 9h, absolute: 8h }\n`
    const { code, stdout } = await mandate(t, config, 'check')
    assert.equal(code, 1)
    assert.match(stdout, /providers\.corp\.issuer: the environment variable MANDATE_TEST_NEVER_SET is not set/)
    assert.match(stdout, /sessions\.idle: is longer than sessions\.absolute/)
    const alone = await mandate(t, config, 'check', '--without-secrets', '-o', 'json')
    assert.deepEqual(
      JSON.parse(alone.stdout).faults.map(({ path }: { path: string }) => path),
      ['sessions.idle'],
    )
    const right = await mandate(t, config.replace('idle: 9h', 'idle: 1h'), 'check', '--without-secrets')
    assert.equal(right.code, 0, right.stdout)
  })

  test('a file that is no group of keys, by the words for the whole of it; so does the gateway', async (t) => {
    const line = '  (whole file): is not a group of keys\n    mend: write a group of keys\n'
    const [check, gateway] = await Promise.all([mandate(t, 'just text', 'check'), mandate(t, 'just text', 'gateway')])
    assert.deepEqual([check.code, gateway.code], [1, 1])
    assert.ok(check.stdout.includes(line), check.stdout)
    assert.ok(gateway.stderr.includes(line), gateway.stderr)
  })

  const routes = `
routes:
  - { name: pages, match: { host: a.localhost, path: /** }, allow: {}, upstream: "http://127.0.0.1:1" }
  - { name: api-write, match: { host: b.localhost, path: /** }, allow: [{ provider: crop }], upstream: "http://127.0.0.1:1" }
  - { match: { host: c.localhost, path: /** }, allow: { provider: crop }, upstream: "http://127.0.0.1:1" }
`

  test('a route by its place and its name, or its host and path; so does the gateway', async (t) => {
    const [check, gateway] = await Promise.all([mandate(t, GOOD + routes, 'check'), mandate(t, GOOD + routes, 'gateway')])
    for (const said of [check.stdout, gateway.stderr]) {
      assert.match(said, /^ {2}routes\.1\.allow\.0\.provider \(api-write\): names crop, which is not configured$/m)
      assert.match(said, /^ {2}routes\.2\.allow\.provider \(c\.localhost\/\*\*\): names crop/m)
    }
  })

  test('what it refuses by its line, in a form that editors open; so does the gateway', async (t) => {
    const [check, gateway] = await Promise.all([mandate(t, GOOD + routes, 'check'), mandate(t, GOOD + routes, 'gateway')])
    for (const said of [check.stdout, gateway.stderr]) assert.match(said, /^ {4}at: mandate\.yaml:10:75$/m)
  })

  test('it with its kind, its line and its route, for machines', async (t) => {
    const { stdout } = await mandate(t, GOOD + routes, 'check', '-o', 'json')
    const problem = 'names crop, which is not configured'
    const mend = 'name a configured provider'
    assert.deepEqual(JSON.parse(stdout).faults, [
      { code: 'unknown_name', path: 'routes.1.allow.0.provider', route: 'api-write', line: 10, column: 75, problem, mend },
      { code: 'unknown_name', path: 'routes.2.allow.provider', route: 'c.localhost/**', line: 11, column: 57, problem, mend },
    ])
  })

  test('text that is no YAML by its line, without a path', async (t) => {
    const [inText, inJson] = await Promise.all([mandate(t, 'a: 1\nb: "x\n', 'check'), mandate(t, 'a: 1\nb: "x\n', 'check', '-o', 'json')])
    assert.ok(inText.stdout.includes('  line 3, column 1: is not valid YAML: a quote is not closed\n'), inText.stdout)
    const [{ code, path, line, column }] = JSON.parse(inJson.stdout).faults
    assert.deepEqual({ code, path, line, column }, { code: 'yaml', path: '', line: 3, column: 1 })
  })

  test('an empty secret and a folder for one, with their places', async (t) => {
    const empty = GOOD.replace('{ method: none }', '{ method: secret, secret: { file: mandate.yaml } }').replace(
      'mandate.yaml',
      '/dev/null',
    )
    const folder = GOOD.replace('{ method: none }', '{ method: secret, secret: { file: / } }')
    const said = await Promise.all([empty, folder].map((config) => mandate(t, config, 'check', '-o', 'json')))
    const found = said.map(({ stdout }) => JSON.parse(stdout).faults[0])
    const place = { code: 'unreadable', path: 'providers.corp.clientAuth.secret', line: 6, column: 106 }
    assert.deepEqual(found, [
      { ...place, problem: 'the file /dev/null is empty', mend: 'write the secret or certificate into it' },
      { ...place, problem: '/ is a directory (EISDIR)', mend: 'name the file within it' },
    ])
  })
})

test('advice names the route as well', async (t) => {
  const route = '{ name: api-write, match: { host: a.localhost, path: /** }, allow: {}, upstream: "http://reports.svc" }'
  const { code, stdout } = await mandate(t, `${GOOD}routes: [${route}]\n`, 'check')
  assert.equal(code, 0)
  assert.match(stdout, /^ {2}routes\.0\.upstream \(api-write\): is plain http/m)
})

describe('the gateway does not start', () => {
  test('without its audit log, and names the file and why', async (t) => {
    const { code, stderr, folder } = await mandate(t, `${GOOD}\naudit: { file: logs/audit.jsonl }\n`, 'gateway')
    assert.equal(code, 1)
    const words = `mandate: the audit log (audit.file) cannot be written: ${join(folder, 'logs/audit.jsonl')}: its folder is not there (ENOENT)\n`
    assert.ok(stderr.endsWith(words), stderr)
  })

  test('silently without a client secret: it says so before somebody signs in', async (t) => {
    const secret = GOOD.replace('{ method: none }', '{ method: secret, secret: { env: MANDATE_TEST_NEVER_SET } }')
    // Bound to end: the host is none of this machine.
    const { stderr } = await mandate(t, secret.replace('operations: {', 'operations: { host: 192.0.2.1,'), 'gateway')
    assert.match(stderr, /"level":"warn","message":"what will be needed cannot be used","path":"providers\.corp\.clientAuth\.secret"/)
  })

  for (const key of ['http', 'operations'] as const) {
    test(`on an address that is in use, and names it and listen.${key}`, async (t) => {
      const taken = createServer().listen(0, '127.0.0.1')
      t.after(() => taken.close())
      await once(taken, 'listening')
      const { port } = taken.address() as AddressInfo
      const { code, stderr } = await mandate(t, GOOD.replace(`${key}: { port: 0 }`, `${key}: { port: ${port} }`), 'gateway')
      assert.equal(code, 1)
      const words = `mandate: 127.0.0.1:${port} (listen.${key}) is in use: stop what uses it, or choose another port\n`
      assert.ok(stderr.endsWith(words), stderr)
    })
  }
})

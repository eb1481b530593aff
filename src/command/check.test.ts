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
    assert.ok(stdout.includes(`  providers.corp.clientAuth.secret: the file ${join(folder, 'client-secret')} cannot be read\n`), stdout)
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

  test('a route by its place and its name, where it has one; so does the gateway', async (t) => {
    const [check, gateway] = await Promise.all([mandate(t, GOOD + routes, 'check'), mandate(t, GOOD + routes, 'gateway')])
    for (const said of [check.stdout, gateway.stderr]) {
      assert.match(said, /^ {2}routes\.1\.allow\.0\.provider \(api-write\): names crop, which is not configured$/m)
      assert.match(said, /^ {2}routes\.2\.allow\.provider: names crop/m)
    }
  })

  test('it by its place alone for machines', async (t) => {
    const { stdout } = await mandate(t, GOOD + routes, 'check', '-o', 'json')
    const paths = JSON.parse(stdout).faults.map(({ path }: { path: string }) => path)
    assert.deepEqual(paths, ['routes.1.allow.0.provider', 'routes.2.allow.provider'])
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

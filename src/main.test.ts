/** The command as somebody types it: what it refuses, what it prints, and with which exit status it ends. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'

const MAIN = join(import.meta.dirname, 'main.ts')

interface Ended {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

function mandate(args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<Ended> {
  return new Promise((resolve) => {
    execFile(process.execPath, [MAIN, ...args], { env: { ...process.env, ...env }, timeout: 30_000 }, (error, stdout, stderr) =>
      resolve({ code: error === null ? 0 : typeof error.code === 'number' ? error.code : -1, stdout, stderr }),
    )
  })
}

const GOOD = `
publicUrl: https://mandate.example
listen: { https: { port: 8443, cert: { env: TEST_CERT }, key: { env: TEST_KEY } } }
store: { redis: { url: { env: TEST_REDIS }, keys: [ { id: k1, key: { env: TEST_RING } } ] } }
providers:
  corp: { kind: oidc, issuer: "https://issuer.example", clientId: mandate, clientAuth: { method: none }, audience: "api://mandate" }
clusters:
  prod: { server: "https://cluster.example", allow: {}, as: { kind: forward-token } }
`
const ENV = {
  TEST_CERT: 'cert',
  TEST_KEY: 'a-key-nobody-may-see',
  TEST_REDIS: 'redis://:a-password-nobody-may-see@127.0.0.1:1',
  TEST_RING: Buffer.alloc(32, 1).toString('base64'),
}

suite('the command', () => {
  let folder = ''
  let good = ''
  const file = async (name: string, content: string) => {
    await writeFile(join(folder, name), content)
    return join(folder, name)
  }
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'mandate-command-'))
    good = await file('good.yaml', GOOD)
  })
  after(() => rm(folder, { recursive: true, force: true }))

  test('an unknown command is refused with a suggestion', async () => {
    const { code, stderr } = await mandate(['gatway'])
    assert.equal(code, 1)
    assert.match(stderr, /unknown command 'gatway'[\s\S]*gateway/)
  })

  test('an unknown option is refused', async () => {
    const { code, stderr } = await mandate(['check', '--strict'])
    assert.equal(code, 1)
    assert.match(stderr, /unknown option '--strict'/)
  })

  test('a configuration that is not there is refused by its path', async () => {
    const { code, stderr } = await mandate(['gateway', '-c', join(folder, 'nowhere.yaml')])
    assert.equal(code, 1)
    assert.match(stderr, /config_faulty[\s\S]*nowhere\.yaml[\s\S]*mend:/)
    assert.doesNotMatch(stderr, /\n\s+at /)
  })

  test('every fault of a configuration is reported at once, each with its mend', async () => {
    const path = await file('bad.yaml', `${GOOD}\nsesions: {}\nlimits: { body: lots }\n`)
    const { code, stdout } = await mandate(['check', '-c', path, '-o', 'json'], ENV)
    const { ok, faults } = JSON.parse(stdout) as { ok: boolean; faults: { path: string; mend: string }[] }
    assert.equal(code, 1)
    assert.equal(ok, false)
    assert.deepEqual(faults.map((fault) => fault.path).sort(), ['limits.body', 'sesions'])
    assert.ok(faults.every(({ mend }) => mend.length > 0))
  })

  test('check finds references that cannot be read, and never prints what they hold', async () => {
    const { TEST_REDIS, ...rest } = ENV
    const { code, stdout, stderr } = await mandate(['check', '-c', good], rest)
    assert.equal(code, 1)
    assert.match(stdout, /store\.redis\.url: .*TEST_REDIS/)
    assert.ok(TEST_REDIS.length > 0 && !(stdout + stderr).includes('nobody-may-see'))
  })

  test('check says that a right configuration is right', async () => {
    const { code, stdout, stderr } = await mandate(['check', '-c', good], ENV)
    assert.equal(code, 0, stdout)
    assert.match(stdout, /is right/)
    assert.ok(!(stdout + stderr).includes('nobody-may-see'))
  })

  test('revoke takes an issuer that is not configured, and warns: its provider may have been removed a moment ago', async () => {
    const { code, stderr } = await mandate(['revoke', '-c', good, '--issuer', 'https://issuer.example/', '--subject', 'alice'], ENV)
    assert.equal(code, 1)
    assert.match(stderr, /compared to the letter/)
    assert.match(stderr, /nothing is revoked/)
  })

  test('revoke says so when the store cannot be reached, without the password', async () => {
    const { code, stderr } = await mandate(['revoke', '-c', good, '--issuer', 'https://issuer.example', '--subject', 'alice'], ENV)
    assert.equal(code, 1)
    assert.match(stderr, /nothing is revoked/)
    assert.ok(!stderr.includes('nobody-may-see'))
  })

  test('revoke refuses a store that lives in another process', async () => {
    const path = await file('memory.yaml', GOOD.replace(/store: .*/, 'store: { memory: singleReplica }'))
    const { code, stderr } = await mandate(['revoke', '-c', path, '--issuer', 'https://issuer.example', '--subject', 'alice'], ENV)
    assert.equal(code, 1)
    assert.match(stderr, /restart the gateway/)
  })

  test('dev refuses a port that is none', async () => {
    const { code, stderr } = await mandate(['dev', '--port', 'eighty'])
    assert.equal(code, 1)
    assert.match(stderr, /--port takes a number/)
  })

  test('schema prints JSON Schema that names every part of the configuration', async () => {
    const { code, stdout } = await mandate(['schema'])
    assert.equal(code, 0)
    const { properties } = JSON.parse(stdout) as { properties: Record<string, unknown> }
    for (const key of ['publicUrl', 'listen', 'store', 'providers', 'clusters', 'sessions', 'audit']) assert.ok(key in properties, key)
  })

  for (const shell of ['bash', 'zsh', 'fish']) {
    test(`completion for ${shell} knows every command`, async () => {
      const { code, stdout } = await mandate(['completion', shell])
      assert.equal(code, 0)
      for (const word of ['gateway', 'dev', 'check', 'revoke', 'schema', 'completion']) assert.match(stdout, new RegExp(`\\b${word}\\b`))
    })
  }

  test('the bash completion completes', async () => {
    const { stdout: script } = await mandate(['completion', 'bash'])
    const path = await file('completion.bash', `${script}\nCOMP_WORDS=(mandate ga); COMP_CWORD=1; _mandate; echo "\${COMPREPLY[@]}"\n`)
    const said = await new Promise<string>((resolve, reject) =>
      execFile('bash', [path], (error, stdout) => (error === null ? resolve(stdout) : reject(error))),
    )
    assert.equal(said.trim(), 'gateway')
  })
})

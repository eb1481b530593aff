/** The command as somebody types it: what it refuses, what it prints, and with which exit status it ends. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { createCertificateAuthority } from './dev/certificate-authority.ts'

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
  TEST_CERT: '',
  TEST_KEY: '',
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
    const ca = await createCertificateAuthority('test')
    const { certificatePem, privateKeyPem } = await ca.issue({ commonName: 'mandate', dnsNames: ['mandate.example'] })
    Object.assign(ENV, { TEST_CERT: certificatePem, TEST_KEY: privateKeyPem })
  })
  after(() => rm(folder, { recursive: true, force: true }))

  test('an unknown command is refused with a suggestion', async () => {
    for (const args of [['gatway'], ['gatway', '--help'], ['help', 'gatway']]) {
      const { code, stdout, stderr } = await mandate(args)
      assert.deepEqual([code, stdout], [2, ''])
      assert.match(stderr, /unknown command 'gatway'\n\(Did you mean gateway\?\)/)
    }
    const { code, stderr } = await mandate(['\u009b31m', '--help'])
    assert.equal(code, 2)
    assert.match(stderr, /unknown command '\\u009b31m'/)
  })

  test('an unknown option is refused', async () => {
    const { code, stderr } = await mandate(['check', '--strict'])
    assert.equal(code, 2)
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
    const [, , ofTheKey = ''] = ENV.TEST_KEY.split('\n')
    assert.ok(ofTheKey.length > 20 && !(stdout + stderr).includes(ofTheKey))
    assert.ok(!(stdout + stderr).includes('nobody-may-see'))
  })

  const revoke = (issuer: string, subject: string, ...more: string[]) =>
    mandate(['revoke', '-c', good, '--issuer', issuer, '--subject', subject, ...more], ENV)

  test('revoke refuses an issuer that no provider has, and names the one that was meant', async () => {
    for (const [issuer, words] of [
      ['https://issuer.example/', 'did you mean https://issuer.example?'],
      ['https://isuer.example', 'did you mean https://issuer.example?'],
      ['https://elsewhere.test', 'it has https://issuer.example'],
    ] as const) {
      const { code, stdout, stderr } = await revoke(issuer, 'alice')
      assert.deepEqual([code, stdout], [1, ''])
      assert.equal(stderr, `mandate: no provider of this configuration has the issuer "${issuer}"; ${words} (--unconfigured to go on)\n`)
    }
  })

  test('revoke goes on with such an issuer when told that it is meant: its provider may have been removed a moment ago', async () => {
    const { code, stderr } = await revoke('https://issuer.example/', 'alice', '--unconfigured')
    assert.equal(code, 1)
    assert.doesNotMatch(stderr, /no provider of this configuration/)
    assert.match(stderr, /nothing is revoked/)
  })

  test('revoke refuses a subject and an issuer that are empty', async () => {
    for (const [issuer, subject] of [
      ['https://issuer.example', ''],
      ['https://issuer.example', ' '],
      ['', 'alice'],
    ] as const) {
      const { code, stdout, stderr } = await revoke(issuer, subject)
      assert.deepEqual([code, stdout], [2, ''])
      assert.match(stderr, /is empty/)
    }
  })

  test('revoke says failures as JSON where JSON is asked for', async () => {
    for (const [issuer, subject, status, words] of [
      ['https://issuer.example/', 'alice', 1, /did you mean/],
      ['https://issuer.example', '', 2, /is empty/],
      ['https://issuer.example', 'alice', 1, /nothing is revoked/],
    ] as const) {
      const { code, stdout } = await revoke(issuer, subject, '-o', 'json')
      const { ok, error } = JSON.parse(stdout) as { ok: boolean; error: string }
      assert.deepEqual([code, ok], [status, false])
      assert.match(error, words)
    }
    const { code, stdout } = await mandate([
      ...['revoke', '-c', join(folder, 'nowhere.yaml'), '-o', 'json'],
      ...['--issuer', 'https://issuer.example', '--subject', 'alice'],
    ])
    assert.equal(code, 1)
    assert.equal((JSON.parse(stdout) as { faults: unknown[] }).faults.length, 1)
  })

  test('rbac and revoke mark what is required', async () => {
    for (const [command, options] of [
      ['rbac', ['--service-account']],
      ['revoke', ['--issuer', '--subject']],
    ] as const) {
      const { stdout } = await mandate([command, '--help'])
      for (const option of options) assert.match(stdout.replaceAll(/\s+/g, ' '), new RegExp(`${option} <[^(]*\\(required\\)`))
    }
  })

  const shell = (script: string) =>
    new Promise<Ended>((resolve) =>
      execFile('bash', ['-c', script, 'bash', process.execPath, MAIN], { env: { ...process.env, ...ENV } }, (error, stdout, stderr) =>
        resolve({ code: error === null ? 0 : typeof error.code === 'number' ? error.code : -1, stdout, stderr }),
      ),
    )

  test('a reader that leaves ends a command without a word', async () => {
    for (const args of ['schema', 'completion bash', 'schema --help', 'help']) {
      const { code, stdout, stderr } = await shell(`set -o pipefail; "$1" "$2" ${args} | true`)
      assert.deepEqual([code, stdout, stderr], [0, '', ''], args)
    }
  })

  test('a configuration is read from standard input', async () => {
    const { code, stdout } = await shell(`echo 'sesions: {}' | "$1" "$2" check -c - -o json`)
    assert.equal(code, 1)
    assert.ok((JSON.parse(stdout) as { faults: { path: string }[] }).faults.some(({ path }) => path === 'sesions'))
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
    assert.equal(code, 2)
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

  test('the bash completion completes commands, options, and what they may be given', async () => {
    const { stdout: script } = await mandate(['completion', 'bash'])
    for (const [words, offered] of [
      ['ga', 'gateway'],
      ['completion ""', 'bash zsh fish --help'],
      ['completion z', 'zsh'],
      ['check --output ""', 'text json'],
      ['check -o j', 'json'],
      ['help rev', 'revoke'],
      ['revoke --su', '--subject'],
    ] as const) {
      const line = `COMP_WORDS=(mandate ${words}); COMP_CWORD=$((\${#COMP_WORDS[@]} - 1)); _mandate; echo "\${COMPREPLY[@]}"`
      const path = await file('completion.bash', `${script}\n${line}\n`)
      const { stdout } = await shell(`bash '${path}'`)
      assert.deepEqual(stdout.trim().split(' ').sort(), offered.split(' ').sort(), words)
    }
  })

  test('the completion for fish keeps apostrophes, and offers short options and choices', async () => {
    const { stdout } = await mandate(['completion', 'fish'])
    assert.match(stdout, /-a rbac -d 'the roles that a broker\\'s service account needs/)
    assert.match(stdout, /__fish_seen_subcommand_from check' -l output -s o -x -a 'text json'/)
    assert.match(stdout, /__fish_seen_subcommand_from completion' -f -a 'bash zsh fish'/)
  })
})

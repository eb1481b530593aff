/** What ships: the packed tarball, installed in an empty folder, runs on its own. */
import assert from 'node:assert/strict'
import { execFile, spawn } from 'node:child_process'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { promisify } from 'node:util'
import { freePort } from '../../src/dev/free-port.ts'
import { devSeed } from '../../src/dev/kubernetes/seed.ts'
import { startKubernetes } from '../../src/dev/kubernetes/server.ts'

const run = promisify(execFile)
const TREE = join(import.meta.dirname, '../..')
const NPM = process.env['npm_execpath']

/** npm as it was started, or the one on PATH. */
const npm = (args: readonly string[], cwd: string) =>
  NPM === undefined ? run('npm', args, { cwd }) : run(process.execPath, [NPM, ...args], { cwd })

suite('the packed tarball', () => {
  let folder = ''
  let mandate = ''

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'mandate-package-'))
    await npm(['pack', '--silent', '--pack-destination', folder], TREE)
    const [tarball] = (await readdir(folder)).filter((name) => name.endsWith('.tgz'))
    assert.ok(tarball, 'npm pack wrote no tarball')
    await writeFile(join(folder, 'package.json'), '{"name":"empty","private":true,"type":"module"}')
    // The Node that comes with a checkout is for checkouts: an installed package runs on the Node of its machine.
    await npm(['install', '--no-audit', '--no-fund', '--prefer-offline', '--omit=optional', `./${tarball}`], folder)
    mandate = join(folder, 'node_modules/mandate/dist/main.js')
    const example = await readFile(join(TREE, 'examples/kubernetes-client/server.ts'), 'utf8')
    const outside = example.replace('../../src/kubernetes/index.ts', 'mandate/kubernetes')
    assert.ok(outside.includes("from 'mandate/kubernetes'"))
    await writeFile(join(folder, 'backend.ts'), outside)
  })
  after(() => rm(folder, { recursive: true, force: true }))

  test('holds no source, no test and no stand-in of tests', async () => {
    const names = await readdir(join(folder, 'node_modules/mandate'), { recursive: true })
    assert.deepEqual(
      names.filter((name) => !name.startsWith('node_modules') && /(\.test\.|\.fake\.|\.conformance\.|(?<!\.d)\.ts$)/.test(name)),
      [],
    )
    assert.ok(names.includes('dist/index.d.ts'))
  })

  test('runs the command', async () => {
    const { stdout } = await run(process.execPath, [mandate, '--version'])
    assert.match(stdout, /^\d+\.\d+\.\d+/)
  })

  test('checks a configuration', async () => {
    await writeFile(join(folder, 'mandate.yaml'), CONFIG(0, 0))
    const { stdout } = await run(process.execPath, [mandate, 'check', '-c', join(folder, 'mandate.yaml'), '-o', 'json'])
    assert.equal(JSON.parse(stdout).ok, true)
  })

  test('serves: the gateway is ready and refuses who shows nothing', async () => {
    const [http, operations] = [await freePort(0), await freePort(0)]
    await writeFile(join(folder, 'mandate.yaml'), CONFIG(http, operations))
    const gateway = spawn(process.execPath, [mandate, 'gateway', '-c', join(folder, 'mandate.yaml')], { stdio: 'ignore' })
    const gone = new Promise((resolve) => gateway.once('exit', resolve))
    try {
      await until(async () => (await fetch(`http://127.0.0.1:${operations}/ready`)).status === 200)
      const answer = await fetch(`http://localhost:${http}/clusters/prod/api/v1/pods`)
      assert.equal(answer.status, 401)
      assert.equal(((await answer.json()) as { kind: string }).kind, 'Status')
    } finally {
      gateway.kill('SIGTERM')
      await gone
    }
  })

  test('is usable as a library, with its types', async () => {
    await writeFile(
      join(folder, 'use.ts'),
      `import { checkConfig, type Config } from 'mandate'\nexport const check: (value: unknown) => Config = checkConfig\n`,
    )
    const tsc = join(TREE, 'node_modules/typescript/bin/tsc')
    await run(
      process.execPath,
      [tsc, '--noEmit', '--strict', '--module', 'nodenext', '--target', 'esnext', '--skipLibCheck', '--types', '', 'use.ts'],
      { cwd: folder },
    )
    const { stdout } = await run(
      process.execPath,
      [
        '--input-type=module',
        '-e',
        "import { parseConfig } from 'mandate'; try { parseConfig('{}') } catch (error) { console.log(error.code) }",
      ],
      { cwd: folder },
    )
    assert.equal(stdout.trim(), 'config_faulty')
  })

  test('is usable as Kubernetes clients: the example backend compiles and refuses', async () => {
    const tsc = join(TREE, 'node_modules/typescript/bin/tsc')
    const types = join(TREE, 'node_modules/@types')
    const flags = [
      '--noEmit',
      '--strict',
      '--module',
      'nodenext',
      '--target',
      'esnext',
      '--skipLibCheck',
      '--types',
      'node',
      '--typeRoots',
      types,
    ]
    await run(process.execPath, [tsc, ...flags, 'backend.ts'], { cwd: folder })
    const alone = await run(process.execPath, ['--input-type=module', '-e', ASK_BACKEND], { cwd: folder })
    assert.deepEqual(JSON.parse(alone.stdout), {
      refused: [401, { reason: 'not_signed_in', mend: 'Sign in at /login, or send a bearer token.' }],
      unreachable: [502, 'upstream_unavailable'],
      exported: [
        'ApiStatus',
        'GIVES_AWAY',
        'OWN_TASKS',
        'Refusal',
        'Secret',
        'bearerCredential',
        'createApiServer',
        'createOwnWork',
      ].concat(['impersonationCredential', 'serviceAccountClient', 'userClient', 'userClientFromAuthorization']),
    })
  })

  test('is usable as Kubernetes clients: the example backend runs by itself, before an API server', async () => {
    const cluster = await startKubernetes({
      authenticate: async () => undefined,
      serviceAccounts: new Map([
        ['backend', { username: 'backend', groups: ['system:masters'] }],
        ['alice', { username: 'dev:alice', groups: ['dev:team-a'] }],
      ]),
      seed: devSeed('dev:'),
    })
    const port = await freePort(0)
    const [token, ca] = [join(folder, 'token'), join(folder, 'ca.crt')]
    await writeFile(token, 'backend\n')
    // Read at each request, and of no use over http on loopback.
    await writeFile(ca, 'none\n')
    const env = { ...process.env, API_SERVER: cluster.url, API_SERVER_CA: ca, TOKEN_FILE: token, PORT: String(port) }
    const backend = spawn(process.execPath, ['backend.ts'], { cwd: folder, env, stdio: ['ignore', 'pipe', 'inherit'] })
    const gone = new Promise((resolve) => backend.once('exit', resolve))
    const records: Buffer[] = []
    backend.stdout.on('data', (part: Buffer) => records.push(part))
    const ask = async (bearer: string, path: string, object?: object) => {
      const headers = { authorization: `Bearer ${bearer}` }
      const post = object === undefined ? {} : { method: 'POST', body: JSON.stringify(object) }
      return (await fetch(`http://127.0.0.1:${port}/namespaces/${path}`, { headers, ...post })).status
    }
    try {
      await until(async () => (await ask('nobody', 'team-a/configmaps')) === 401)
      assert.equal(await ask('alice', 'team-b/configmaps', { name: 'made' }), 403)
      assert.equal(await ask('alice', 'team-a/reports', { name: 'made' }), 403)
      assert.equal(await ask('alice', 'team-a/configmaps', { name: 'made' }), 201)
      assert.equal(await ask('backend', 'team-b/reports', { name: 'monthly' }), 201)
    } finally {
      backend.kill('SIGTERM')
      await gone
      await cluster.close()
    }
    const lines = Buffer.concat(records).toString('utf8').trim().split('\n')
    const events = lines.map(
      (line) => JSON.parse(line) as { event: string; properties: { resource: string }; reviewed: { resource: string } },
    )
    assert.deepEqual(
      events.map(({ event, properties, reviewed }) => [event, properties.resource, reviewed.resource]),
      [
        ['escalated', 'configmaps', 'configmaps'],
        ['escalated', 'jobs', 'reports'],
      ],
    )
  })
})

/** Starts the example backend before an API server that is not there, and asks it without and with a token. */
const ASK_BACKEND = `
import { once } from 'node:events'
import * as kubernetes from 'mandate/kubernetes'
import { createBackend, MAY_WRITE, ON_REVIEW_OF } from './backend.ts'
const apiServer = kubernetes.createApiServer({ origin: 'http://127.0.0.1:1' })
const audit = { record: async () => {} }
const account = kubernetes.serviceAccountClient(apiServer, { token: { read: () => new kubernetes.Secret('t') }, audit, resource: 'cluster/here', mayWrite: MAY_WRITE, onReviewOf: ON_REVIEW_OF })
const backend = createBackend(apiServer, account).listen(0, '127.0.0.1')
await once(backend, 'listening')
const ask = (headers) => fetch('http://127.0.0.1:' + backend.address().port + '/namespaces/a/configmaps', { headers })
const refused = await ask({})
const unreachable = await ask({ authorization: 'Bearer abc' })
console.log(JSON.stringify({
  refused: [refused.status, await refused.json()],
  unreachable: [unreachable.status, (await unreachable.json()).reason],
  exported: Object.keys(kubernetes),
}))
process.exit()
`

const CONFIG = (http: number, operations: number) => `
publicUrl: http://localhost:${http || 8080}
listen: { http: { port: ${http} }, operations: { port: ${operations} } }
store: { memory: singleReplica }
providers:
  corp: { kind: oidc, issuer: "https://issuer.invalid", clientId: mandate, clientAuth: { method: none }, audience: mandate }
clusters:
  prod: { server: "https://cluster.invalid", allow: {}, as: { kind: forward-token } }
`

/** Waits until a condition holds; a thrown error counts as not yet. Fails after 20 s. */
async function until(holds: () => Promise<boolean>): Promise<void> {
  for (const end = Date.now() + 20_000; ; ) {
    if (await holds().catch(() => false)) return
    if (Date.now() > end) throw new Error('the gateway did not become ready')
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}

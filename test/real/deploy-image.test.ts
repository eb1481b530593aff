/**
 * The files of the image, made by what the Dockerfile runs of what a build is sent, and run as the image would be: by the Node that comes with the
 * project, which is of the same major version, without a shell and without the right to write a single file. There is no
 * container engine here, so the image itself is not built.
 */
import assert from 'node:assert/strict'
import { cp, mkdir, readdir, readFile, readlink, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { contentOf, ROOT } from '../house/files.ts'
import { ask } from './parts/ask.ts'
import { run } from './parts/deploy-programs.ts'
import { startChild, type TemporaryFolder, temporaryFolder, withFreePorts } from './parts/process.ts'

suite('the files of the image', () => {
  let folder: TemporaryFolder
  let tree = ''
  let main = ''

  before(async () => {
    folder = await temporaryFolder('image')
    tree = join(folder.path, 'tree')
    main = join(tree, 'opt/mandate/dist/main.js')
    await copyContext(join(folder.path, 'source'))
    const { code, stderr } = await run(join(folder.path, 'source/deploy/image/tree'), [tree])
    assert.equal(code, 0, stderr)
    await mkdir(join(folder.path, 'etc'))
  })
  after(() => folder.remove())

  /** Node may read files and use the network, and nothing else: not write, not start programs. */
  const CONFINED = ['--permission', '--allow-fs-read=*', '--allow-net', '--no-warnings']
  const mandate = (...args: string[]) => run(process.execPath, [...CONFINED, main, ...args], { cwd: '/', env: { NODE_OPTIONS: '' } })

  test('are not laid over files that are there', async () => {
    const { code, stderr } = await run(`${ROOT}/deploy/image/tree`, [folder.path])
    assert.notEqual(code, 0)
    assert.match(stderr, /is not empty/)
  })

  test('are the package and what it runs on, and nothing for development', async () => {
    assert.deepEqual((await readdir(tree)).sort(), ['opt', 'usr'])
    const { dependencies, optionalDependencies, devDependencies } = JSON.parse(contentOf('package.json')) as Record<string, object>
    const at = join(tree, 'opt/mandate/node_modules')
    const found = new Set((await readdir(at, { recursive: true })).map((path) => path.replaceAll('\\', '/')))
    for (const name of Object.keys(dependencies ?? {})) assert.ok(found.has(name), name)
    for (const name of [...Object.keys(optionalDependencies ?? {}), ...Object.keys(devDependencies ?? {})])
      assert.ok(!found.has(name), name)
    const ours = await readdir(join(tree, 'opt/mandate'), { recursive: true })
    assert.deepEqual(
      ours.filter((name) => !name.startsWith('node_modules') && /(\.test\.|\.fake\.|(?<!\.d)\.ts$|package-lock)/.test(name)),
      [],
    )
    // One tree for every platform: nothing of it is compiled.
    assert.deepEqual(
      [...found].filter((path) => path.endsWith('.node')),
      [],
    )
  })

  test('are of the versions that the lock file pins', async () => {
    const { packages } = JSON.parse(contentOf('package-lock.json')) as { packages: Record<string, { version: string }> }
    const at = join(tree, 'opt/mandate')
    const manifests = Object.entries(packages).filter(([path]) => path !== '')
    let seen = 0
    for (const [path, { version }] of manifests) {
      const text = await readFile(join(at, path, 'package.json'), 'utf8').catch(() => undefined)
      if (text === undefined) continue
      seen += 1
      assert.equal((JSON.parse(text) as { version: string }).version, version, path)
    }
    assert.ok(seen >= 18)
  })

  test('have the command on PATH where the image will have it', async () => {
    assert.equal(await readlink(join(tree, 'usr/local/bin/mandate')), '/opt/mandate/dist/main.js')
    assert.match(await readFile(main, 'utf8'), /^#!\/usr\/bin\/env node\n/)
  })

  test('say what the command can do', async () => {
    const { code, stdout, stderr } = await mandate('--help')
    assert.equal(code, 0, stderr)
    assert.match(stdout, /gateway/)
    assert.match((await mandate('--version')).stdout, /^\d+\.\d+\.\d+/)
  })

  test('refuse a faulty configuration with a mend, and take a right one', async () => {
    const config = join(folder.path, 'etc/mandate.yaml')
    await writeFile(config, `${CONFIG(8080, 9090)}routs: []\n`)
    const refused = await mandate('check', '--config', config)
    assert.equal(refused.code, 1)
    assert.match(refused.stdout, /routs[\s\S]*mend:/)
    await writeFile(config, CONFIG(8080, 9090))
    const { code, stdout, stderr } = await mandate('check', '--config', config)
    assert.equal(code, 0, stdout + stderr)
  })

  test('serve and stop without writing a file', async () => {
    const config = join(folder.path, 'etc/serving.yaml')
    await withFreePorts(2, async ([http = 0, operations = 0]) => {
      await writeFile(config, CONFIG(http, operations))
      const status = async (url: string) => (await ask(url)).status
      const gateway = await startChild({
        name: 'the gateway',
        program: process.execPath,
        args: [...CONFINED, main, 'gateway', '--config', config],
        cwd: '/',
        env: { NODE_OPTIONS: '' },
        ready: async () => (await status(`http://127.0.0.1:${operations}/ready`)) === 200,
      })
      assert.equal(await status(`http://localhost:${http}/clusters/prod/api/v1/pods`), 401)
      await gateway.stop()
      assert.equal(await gateway.ended, 'ended with exit code 0')
    })
  })
})

/** What a build is sent: the paths that Dockerfile.dockerignore lets through, and the packages that a checkout sets up. */
async function copyContext(to: string): Promise<void> {
  for (const path of contentOf('deploy/image/Dockerfile.dockerignore').match(/(?<=^!).+$/gm) ?? []) {
    await cp(join(ROOT, path), join(to, path), { recursive: true, filter: (source) => !source.endsWith('.test.ts') })
  }
  await symlink(join(ROOT, 'node_modules'), join(to, 'node_modules'))
}

const CONFIG = (http: number, operations: number) => `
publicUrl: http://localhost:${http}
listen: { http: { port: ${http} }, operations: { port: ${operations} } }
store: { memory: singleReplica }
providers:
  corp: { kind: oidc, issuer: "https://issuer.invalid", clientId: mandate, clientAuth: { method: none }, audience: mandate }
clusters:
  prod: { server: "https://cluster.invalid", allow: {}, as: { kind: forward-token } }
`
